"""The engine: parsed events in, durable counters out.

Reads ``Parsed`` batches, writes one transaction per commit to the store, and offers the committed
counters as blocks. One thread commits and ticks; any thread may read blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue
from plumbline.counting.pipelines import build_pipeline_layout
from plumbline.errors import StoreError
from plumbline.events.parsed import Parsed
from plumbline.expose.block import Block
from plumbline.ingest.actions import Actions
from plumbline.ingest.draft import Draft, Known, begin
from plumbline.ingest.exposition import Exposition
from plumbline.ingest.ledger import LedgerLayout
from plumbline.ingest.outcomes import give_up, mature
from plumbline.ingest.restore import encode_hidden, layouts_of, restore
from plumbline.ingest.stages import stage_of
from plumbline.ingest.state import Delta, Setup, State, apply
from plumbline.ingest.transaction import add, declare, finish, look_up, mature_predictions
from plumbline.store.base import Store, Transaction
from plumbline.store.embedded import EmbeddedStore

log = structlog.get_logger(__name__)

# An outcome may overtake its prediction on another way in; only after this long is it an orphan.
ORPHAN_GRACE_SECONDS = 10.0
# A retired version's late outcomes still mature and people still compare with it, so its series stay.
RETIRED_KEEP_SECONDS = 7 * 86400.0
_TICK_ROWS = 5000
_RETIRE_SECONDS = 60.0


class Engine:
    """Counts events of the catalogue's models, exactly once, into a store.

    Args:
        catalogue: what is declared.
        baselines: where baselines are found.
        store: where events and counters live; the engine owns it from now on.
        orphan_grace: seconds an outcome waits for its prediction before it counts as orphan.

    Attributes:
        setup: what stays as it is.
        state: what is committed; replaced, never changed.
        actions: of hooks.
    """

    def __init__(
        self, catalogue: Catalogue, baselines: BaselineFolder, store: Store, orphan_grace: float = ORPHAN_GRACE_SECONDS
    ) -> None:
        self.setup = Setup(
            catalogue=catalogue,
            baselines=baselines,
            ledger=LedgerLayout(catalogue.models),
            pipelines=build_pipeline_layout(catalogue),
            orphan_grace=orphan_grace,
            maturity={name: model.outcome.maturity_seconds for name, model in catalogue.models.items()},
        )
        self.store = store
        self.actions = Actions(self.apply)
        self._exposition = Exposition(self.setup)
        self._retired = 0.0
        self._declared = False
        self._writing = threading.RLock()  # one writer at a time
        self._showing = threading.Lock()  # held for moments: a scrape never waits for the disk
        self.state = self._restored(0)

    @property
    def catalogue(self) -> Catalogue:
        """What is declared."""
        return self.setup.catalogue

    @property
    def baselines(self) -> BaselineFolder:
        """Where baselines are found."""
        return self.setup.baselines

    # --- restoring ---

    def _restored(self, intent: int) -> State:
        generation = self.store.generation
        state = replace(restore(self.setup, self.store), intent=intent)
        self.store.write(layouts_of(self.setup, state))
        self._hidden_stored = state.hidden
        self.actions.restored(state.book)
        self._generation = generation  # last: whatever fails before is tried again by the next call
        return state

    def _follow(self) -> None:
        """Read everything again if the store knows of a commit that was reported as failed."""
        if self.store.generation != self._generation:
            state = self._restored(self.state.intent + 1)
            with self._showing:
                self.state = state

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
        with self._writing:
            self._follow()
            draft = begin(self.setup, self.state, look_up(self.store, batches), now)
            duplicates = add(draft, batches)
            self._write(finish(draft), now)
            return duplicates

    def tick(self, now: float) -> None:
        """Count what has become mature, and outcomes that waited for their prediction in vain.

        Raises:
            StoreError: the store failed; the next tick tries again.
        """
        with self._writing:
            self._follow()
            if abs(now - self._retired) >= _RETIRE_SECONDS:
                self._retire(now)
            if self.state.hidden != self._hidden_stored:
                self.store.write(Transaction(state=encode_hidden(self.state.hidden)))
                self._hidden_stored = self.state.hidden
            self._declare(now)
            while True:
                rows = self.store.pending_due(now, _TICK_ROWS)
                lost = [w for waiting in self.state.orphans.values() for w in waiting if w.due <= now]
                due = any(at <= now for version in self.state.versions.values() for at in version.schedule)
                if not rows and not lost and not due:
                    return
                draft = self._draft(now)
                mature(draft, rows)
                give_up(draft, lost)
                mature_predictions(draft)
                self._write(finish(draft), now)
                if len(rows) < _TICK_ROWS:
                    return

    def _draft(self, now: float) -> Draft:
        return begin(self.setup, self.state, Known(self.store.last_seq + 1), now)

    def _declare(self, now: float) -> None:
        """Note, once and durably, since when what the catalogue declares is known: then silence is seen."""
        if self._declared:
            return
        draft = self._draft(now)
        if declare(draft):
            self._write(finish(draft), now)
        self._declared = True

    def apply(self, change: Callable[[Draft], None], now: float) -> None:
        """Make one change in a transaction of its own, from any thread.

        Raises:
            StoreError: the store failed; nothing of it was stored.
        """
        with self._writing:
            self._follow()
            draft = self._draft(now)
            change(draft)
            self._write(finish(draft), now)

    def _write(self, delta: Delta, now: float) -> None:
        self.store.write(delta.transaction)
        pending = self.state.pending
        if delta.transaction.pending or delta.transaction.pending_done:
            try:
                pending = self.store.pending_count()
            except StoreError as error:
                # The transaction is durable: not to publish it would count the next one on stale counters.
                log.warning("waiting outcomes could not be counted", error=str(error))
        with self._showing:
            self.state = apply(self.state, delta, pending)
        if delta.deployments:
            self._retire(now)
        self.actions.committed(delta)

    def _retire(self, now: float) -> None:
        """Take versions that retired and answered nothing for long off the page: new ones need the room."""
        self._retired = now
        before = now - RETIRED_KEEP_SECONDS
        gone = set()
        for key, version in self.state.versions.items():
            entry = stage_of(self.state.deployments.get(key[0], []), key[1])
            if entry.stage == "retired" and max(entry.ts, version.cells[version.layout.last]) < before:
                gone.add(key)
        if gone != self.state.hidden:
            hidden = frozenset(gone)
            with self._showing:
                self.state = replace(self.state, hidden=hidden, refused=frozenset(), intent=self.state.intent + 1)

    # --- reading ---

    def blocks(self) -> list[Block]:
        """Return the committed counters and what is known of versions, as blocks."""
        with self._showing:
            return self._exposition.blocks(self.state, self.store.size_bytes)

    def settled_at(self) -> float | None:
        """Return when the last waiting prediction matures; None if none waits."""
        versions = self.state.versions.values()
        return max((max(version.schedule) for version in versions if version.schedule), default=None)

    def close(self) -> None:
        """Release the store."""
        with self._writing:
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
