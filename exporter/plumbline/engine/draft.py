"""The copies that one transaction changes: counters of versions and the ledger, and how they are found.

Nothing here is visible until the store has made the transaction durable; a failed write leaves the engine as
it was.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.counting.judged import Judged
from plumbline.engine.past import created
from plumbline.engine.trials import Trial
from plumbline.engine.versions import Entry, Key, VersionState
from plumbline.events.kinds import Prediction
from plumbline.layout.build import build_layout
from plumbline.store.base import StoredEvent, Transaction

if TYPE_CHECKING:
    from plumbline.engine.engine import Engine

log = structlog.get_logger(__name__)


class Revised(NamedTuple):
    """An outcome that was counted and the one that replaces it; ``seq`` and ``due`` say when it entered."""

    before: Judged
    after: Judged
    seq: int
    due: float


class Draft:
    """What every part of a transaction shares.

    Attributes:
        engine: whose state is copied, never changed.
        now: epoch seconds of the commit.
        transaction: to be written.
        versions: copies of the versions that change.
        entries: deployments of models that change.
        trials: of models with a deployment in this transaction.
        ledger: a copy of the exporter's account.
    """

    def __init__(self, engine: Engine, now: float) -> None:
        self.engine = engine
        self.now = now
        self.transaction = Transaction()
        self.versions: dict[Key, VersionState] = {}
        self.entries: dict[str, list[Entry]] = {}
        self.trials: dict[str, tuple[Trial, ...]] = {}
        self.ledger = engine.ledger.copy()
        self._next = engine.store.last_seq + 1
        self._stored: dict[int, list[StoredEvent]] = {}
        self._local: dict[int, list[StoredEvent]] = defaultdict(list)
        self._predictions: dict[Key, list[tuple[Prediction, float]]] = defaultdict(list)
        self._judged: dict[Key, list[Judged]] = defaultdict(list)
        self._revised: dict[Key, list[Revised]] = defaultdict(list)

    def _related(self, key: int) -> list[StoredEvent]:
        return [*self._stored.get(key, ()), *self._local.get(key, ())]

    def _unknown(self, what: str, count: int) -> None:
        self.ledger[self.engine.ledger_layout.unknown[what]] += count

    def _count_unknown(self, model: str, key: Key) -> None:
        if key[0] == names.UNKNOWN:
            self._unknown("model", 1)
        elif key[1] == names.UNKNOWN:
            self._unknown("version", 1)

    # --- versions ---

    def _version(self, model: str, version: str) -> Key:
        """Return the key that counts for a version: its own, or the bounded one for unknown ones."""
        key = (model, version)
        if key in self.versions or key in self.engine.versions:
            return key
        if model not in self.engine.catalogue.models:
            return (names.UNKNOWN, names.UNKNOWN)
        if self._create(model, version, None, announced=False) is not None:
            return key
        return (model, names.UNKNOWN)

    def _create(self, model: str, version: str, baseline: Baseline | None, announced: bool) -> VersionState | None:
        if not announced and (model, version) in self.engine.refused:
            return None  # said once, not for every prediction
        baseline = baseline or self.engine.baselines.find(model, version)
        if baseline is None and not announced:
            return None
        layout = build_layout(model, version, self.engine.catalogue.models[model], baseline)
        # The event in hand has its number, and is the first that counts for the version.
        state = VersionState(layout, baseline, np.zeros(layout.size), {}, 1, past=created(self._next - 1))
        used = self.engine.series_of(model, self.versions)
        if used + state.series > self.engine.catalogue.series_budget.per_model:
            self.ledger[self.engine.ledger_layout.refused[model]] += state.series
            if baseline is not None:
                self.engine.refused.add((model, version))
            log.warning("series budget exceeded", model=model, version=version, series=used + state.series)
            return None
        self.versions[(model, version)] = state
        return state

    def _writable(self, key: Key) -> VersionState:
        state = self.versions.get(key)
        if state is None:
            state = self.engine.versions[key].writable()
            self.versions[key] = state
        return state
