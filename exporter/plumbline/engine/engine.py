"""The engine: parsed events in, durable counters out.

Reads ``Parsed`` batches, writes one transaction per commit to the store, and offers the committed
counters as blocks. One thread commits and ticks; any thread may read blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from plumbline import names
from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue
from plumbline.counting.pipelines import build_pipeline_layout
from plumbline.engine.actions import Actions
from plumbline.engine.exposition import Exposition
from plumbline.engine.ledger import LedgerLayout
from plumbline.engine.past import NEVER
from plumbline.engine.restore import (
    encode_layout,
    label_of,
    restored_array,
    restored_version,
    saved_entries,
    saved_versions,
    wanted_versions,
)
from plumbline.engine.trials import Trial, trials_of
from plumbline.engine.versions import RETIRED_KEEP_SECONDS, Entry, Key, VersionState, stage_of
from plumbline.engine.work import Work
from plumbline.errors import StoreError
from plumbline.events.parsed import Parsed
from plumbline.expose.block import Block
from plumbline.hooks.book import decode_book
from plumbline.store.base import Store, Transaction, Waiting
from plumbline.store.embedded import EmbeddedStore

log = structlog.get_logger(__name__)

Floats = npt.NDArray[np.float64]

# An outcome may overtake its prediction on another way in; only after this long is it an orphan.
ORPHAN_GRACE_SECONDS = 10.0
_TICK_ROWS = 5000
_RETIRE_SECONDS = 60.0


class Engine:
    """Counts events of the catalogue's models, exactly once, into a store.

    Args:
        catalogue: what is declared.
        baselines: where baselines are found.
        store: where events and counters live; the engine owns it from now on.
        orphan_grace: seconds an outcome waits for its prediction before it counts as orphan.
    """

    deployments_kept = 1000

    def __init__(
        self, catalogue: Catalogue, baselines: BaselineFolder, store: Store, orphan_grace: float = ORPHAN_GRACE_SECONDS
    ) -> None:
        self.catalogue = catalogue
        self.baselines = baselines
        self.store = store
        self.orphan_grace = orphan_grace
        self.versions: dict[Key, VersionState] = {}
        self.entries: dict[str, list[Entry]] = {}
        self.orphans: dict[int, list[Waiting]] = {}
        self.ledger_layout = LedgerLayout(catalogue.models)
        self.ledger: Floats = np.zeros(self.ledger_layout.size)
        self.pipeline_layout = build_pipeline_layout(catalogue)
        self.pipelines: Floats | None = np.zeros(self.pipeline_layout.size)
        self.pending = 0
        self.hidden: set[Key] = set()  # versions that retired long ago: kept, but not exposed
        self.refused: set[Key] = set()  # versions whose baseline the series budget has no room for
        self._retired = 0.0
        self._declared = False
        self.trials: dict[str, tuple[Trial, ...]] = {}
        self.intent = 0  # grows when deployments or versions change what is exposed beside the counters
        self.actions = Actions(self)
        self._maturity = {name: m.outcome.maturity_seconds for name, m in catalogue.models.items()}
        self._lock = threading.RLock()  # one writer at a time
        self._shown = threading.Lock()  # held for moments: a scrape never waits for the disk
        self._restore()
        self._exposition = Exposition(self)

    # --- restoring ---

    def _restore(self) -> None:
        generation = self.store.generation
        state = self.store.state()
        saved = saved_versions(state)
        self.entries |= saved_entries(state, self.catalogue.models)
        wanted = wanted_versions(self.catalogue, self.baselines, self.entries, saved)
        self.trials = {model: trials_of(entries) for model, entries in self.entries.items()}
        # As of the last tick: what is off the page takes no room from versions that are new.
        self.hidden = set(msgspec.json.decode(state.get("hidden", b"[]"), type=list[Key]))
        self._hidden_stored = self.hidden
        border = self.border()
        # What was counted before comes back first; the budget decides on the rest, as it does at run time.
        refused: list[tuple[str, int]] = []
        for key in sorted(wanted, key=lambda key: key not in saved):
            known = wanted[key]
            shown = self.versions.get(key)  # read again: what was rendered under its generation is stale
            state_ = restored_version(
                key,
                self.catalogue.models.get(key[0]),
                known,
                saved.get(key),
                shown.generation + 1 if shown else 1,
                border,
            )
            room = self.catalogue.series_budget.per_model - self.series_of(key[0])
            if key in saved or key[1] == names.UNKNOWN or state_.series <= room:
                self.versions[key] = state_
            elif known is not None:
                self.refused.add(key)
                refused.append((key[0], state_.series))
                log.warning("series budget exceeded", model=key[0], version=key[1], room=room)
        self.ledger = restored_array(state, "ledger", self.ledger_layout.cell_names())
        for model, series in refused:
            self.ledger[self.ledger_layout.refused[model]] += series
        self.pipelines = restored_array(state, "pipelines", self.pipeline_layout.cell_names())
        self._save_layouts()
        self.pending = self.store.pending_count()
        self.orphans = {}
        for waiting in self.store.orphans():
            self.orphans.setdefault(waiting.key, []).append(waiting)
        self.actions.restored(decode_book(state.get("hooks")))
        self._generation = generation

    def border(self) -> tuple[int, float]:
        """Return where a layout that changes now begins: its first event, and when what waits is due."""
        waiting = self.store.pending_due(NEVER, 1)
        return self.store.last_seq + 1, waiting[0].due if waiting else NEVER

    def _follow(self) -> None:
        """Read everything again if the store knows of a commit that was reported as failed."""
        if self.store.generation != self._generation:
            with self._shown:
                self._restore()
                self.intent += 1

    def _save_layouts(self) -> None:
        """Store what the restored arrays mean before anything is added to them."""
        work = Work(self, 0.0)
        for key in self.versions:
            state = self.versions[key]
            work.versions[key] = state
            work.transaction.state[f"layout/{label_of(key)}"] = encode_layout(state.layout, state.past)
        transaction = work.finish()
        transaction.state["names/ledger"] = msgspec.json.encode(self.ledger_layout.cell_names())
        transaction.state["names/pipelines"] = msgspec.json.encode(self.pipeline_layout.cell_names())
        assert self.pipelines is not None
        transaction.state["pipelines"] = self.pipelines.tobytes()
        self.store.write(transaction)

    # --- writing ---

    def commit(self, batches: Sequence[Parsed], now: float) -> list[int]:
        """Store and count batches in one durable transaction.

        Args:
            batches: parsed bodies.
            now: epoch seconds; outcomes of predictions that are mature by now count at once.

        Returns:
            Per batch, the number of events that were stored before (resends).

        Raises:
            StoreFull: no space left.
            StoreError: the store failed. In both cases nothing of any batch was stored or counted.
        """
        with self._lock:
            self._follow()
            work = Work(self, now)
            duplicates = work.add(batches)
            self._write(work)
            return duplicates

    def tick(self, now: float) -> None:
        """Count what has become mature, and outcomes that waited for their prediction in vain.

        Raises:
            StoreError: the store failed; the next tick tries again.
        """
        with self._lock:
            self._follow()
            if abs(now - self._retired) >= _RETIRE_SECONDS:
                self._retire(now)
            if self.hidden != self._hidden_stored:
                hidden = msgspec.json.encode(sorted(self.hidden))
                self.store.write(Transaction(state={"hidden": hidden}))
                self._hidden_stored = self.hidden
            self._declare(now)
            while True:
                rows = self.store.pending_due(now, _TICK_ROWS)
                lost = [w for waiting in self.orphans.values() for w in waiting if w.due <= now]
                due = any(at <= now for s in self.versions.values() for at in s.schedule)
                if not rows and not lost and not due:
                    return
                work = Work(self, now)
                work.mature(rows)
                work.give_up(lost)
                work.mature_predictions()
                self._write(work)
                if len(rows) < _TICK_ROWS:
                    return

    def _declare(self, now: float) -> None:
        """Note, once and durably, since when what the catalogue declares is known: then silence is seen."""
        if self._declared:
            return
        work = Work(self, now)
        if work.declare():
            self._write(work)
        self._declared = True

    def apply(self, change: Callable[[Work], None], now: float) -> None:
        """Make one change in a transaction of its own, from any thread.

        Raises:
            StoreError: the store failed; nothing of it was stored.
        """
        with self._lock:
            self._follow()
            work = Work(self, now)
            change(work)
            self._write(work)

    def _write(self, work: Work) -> None:
        transaction = work.finish()
        self.store.write(transaction)
        waits = self.pending
        if transaction.pending or transaction.pending_done:
            try:
                waits = self.store.pending_count()
            except StoreError as error:
                # The transaction is durable: not to publish it would count the next one on stale counters.
                log.warning("waiting outcomes could not be counted", error=str(error))
        with self._shown:
            self._publish(work, transaction)
            self.pending = waits
        if work.entries:
            self._retire(work.now)
        self.actions.committed(work)

    def _publish(self, work: Work, transaction: Transaction) -> None:
        """Replace what is shown by what is now durable."""
        known = self.versions
        if work.entries or any(k not in known or known[k].layout is not v.layout for k, v in work.versions.items()):
            self.intent += 1
        self.versions = {**self.versions, **work.versions}
        self.entries = {**self.entries, **work.entries}
        self.trials = {**self.trials, **work.trials}
        self.ledger = work.ledger
        self.pipelines = work.pipelines
        for waiting in transaction.orphans:
            self.orphans.setdefault(waiting.key, []).append(waiting)
        if work.orphans_gone:
            left = {
                key: [w for w in waiting if w.prediction not in work.orphans_gone]
                for key, waiting in self.orphans.items()
            }
            self.orphans = {key: waiting for key, waiting in left.items() if waiting}

    def _retire(self, now: float) -> None:
        """Take versions that retired and answered nothing for long off the page: new ones need the room."""
        self._retired = now
        before = now - RETIRED_KEEP_SECONDS
        gone = set()
        for key, state in self.versions.items():
            entry = stage_of(self.entries.get(key[0], []), key[1])
            if entry.stage == "retired" and max(entry.ts, state.cells[state.layout.last]) < before:
                gone.add(key)
        if gone != self.hidden:
            with self._shown:
                self.hidden = gone
                self.refused = set()
                self.intent += 1

    # --- reading ---

    def blocks(self) -> list[Block]:
        """Return the committed counters and what is known of versions, as blocks."""
        with self._shown:
            return self._exposition.blocks()

    def settled_at(self) -> float | None:
        """Return when the last waiting prediction matures; None if none waits."""
        with self._lock:
            return max((max(s.schedule) for s in self.versions.values() if s.schedule), default=None)

    def maturity(self, model: str) -> float:
        """Return the outcome maturity of a model in seconds; 0 for an unknown one."""
        return self._maturity.get(model, 0.0)

    def series_of(self, model: str, changed: dict[Key, VersionState] | None = None) -> int:
        """Return the series that all versions of a model expose."""
        versions = {**self.versions, **(changed or {})}
        return sum(state.series for key, state in versions.items() if key[0] == model and key not in self.hidden)

    def close(self) -> None:
        """Release the store."""
        with self._lock:
            self.store.close()


def open_engine(catalogue: Catalogue, baselines: Path | None, data: Path | Callable[[], Store]) -> Engine:
    """Open an engine on a store.

    Args:
        catalogue: what is declared.
        baselines: folder of artefacts.
        data: folder of an embedded store, made if absent; or what opens another store.

    Raises:
        BaselineError: an artefact in ``baselines`` is damaged.
        StoreError: the store cannot be used.
    """
    folder = BaselineFolder(baselines)
    for baseline in folder.all():
        if baseline.model not in catalogue.models:
            log.warning("baseline of a model that the catalogue does not declare", model=baseline.model)
    store = EmbeddedStore(data) if isinstance(data, Path) else data()
    try:
        return Engine(catalogue, folder, store)
    except StoreError:
        store.close()
        raise
