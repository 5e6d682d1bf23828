"""What is committed: the counters of each version, deployments, outcomes that wait. Data without behaviour.

``plumbline.ingest.transaction`` reads a ``State`` and events and makes a ``Delta``; once the store has made its
transaction durable, ``apply`` returns the next state. Nothing here is changed in place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import numpy.typing as npt

from plumbline.baseline.artefact import Baseline
from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue
from plumbline.counting.pipelines import PipelineLayout
from plumbline.events.kinds import Action
from plumbline.expose.block import Exemplar
from plumbline.hooks.book import Book
from plumbline.ingest.ledger import LedgerLayout
from plumbline.ingest.past import Past
from plumbline.ingest.stages import Entry, Trial
from plumbline.layout.version import VersionLayout
from plumbline.store.base import Transaction, Waiting

Floats = npt.NDArray[np.float64]
Key = tuple[str, str]

_SCHEDULE_STEPS = 500


@dataclass(frozen=True, slots=True)
class Setup:
    """What stays as it is while the exporter runs.

    Attributes:
        catalogue: what is declared.
        baselines: where baselines are found.
        ledger: where each counter of the exporter's account lives.
        pipelines: where the counters of every declared pipeline live.
        orphan_grace: seconds that an outcome waits for its prediction before it counts as an orphan.
        maturity: seconds from a prediction to its maturity, of each declared model.
        deployments_kept: deployments that are remembered for each model.
    """

    catalogue: Catalogue
    baselines: BaselineFolder
    ledger: LedgerLayout
    pipelines: PipelineLayout
    orphan_grace: float
    maturity: Mapping[str, float]
    deployments_kept: int = 1000


@dataclass(frozen=True, slots=True)
class VersionState:
    """The counters of one version.

    Attributes:
        layout: where each counter lives.
        baseline: the version's baseline, if any.
        series: that it exposes, baseline and intent included.
        cells: the counters; treated as immutable once published.
        schedule: predictions that reach maturity, by time (coarse steps): (due, count).
        exemplars: (row, bucket) of the latency histogram -> its newest request.
        past: what entered before the layout's latest change, which some cells do not hold.
    """

    layout: VersionLayout
    baseline: Baseline | None
    series: int
    cells: Floats
    schedule: dict[float, int] = field(default_factory=dict)
    exemplars: dict[tuple[int, int], Exemplar] = field(default_factory=dict)
    past: Past | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is committed, apart from the events themselves.

    Attributes:
        ledger: the exporter's account of lines and events.
        pipelines: counters of all pipelines.
        versions: counters by model and version.
        deployments: of each model, oldest first.
        trials: of each model: which canary or shadow runs beside which production version.
        orphans: outcomes that wait for their prediction, by the key of the request.
        book: actions of hooks.
        pending: outcomes that wait for maturity.
        hidden: versions that retired long ago: kept, but not exposed.
        refused: versions whose baseline the series budget has no room for.
        intent: grows when deployments or versions change what is exposed beside the counters.
    """

    ledger: Floats
    pipelines: Floats
    versions: dict[Key, VersionState] = field(default_factory=dict)
    deployments: dict[str, list[Entry]] = field(default_factory=dict)
    trials: dict[str, tuple[Trial, ...]] = field(default_factory=dict)
    orphans: dict[int, list[Waiting]] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    pending: int = 0
    hidden: frozenset[Key] = frozenset()
    refused: frozenset[Key] = frozenset()
    intent: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """What one transaction changes.

    Attributes:
        transaction: what the store writes.
        ledger: the account after it.
        pipelines: the pipelines' counters after it.
        versions: those that changed.
        deployments: of the models that had one.
        trials: of the same models.
        orphans_gone: outcomes that wait for their prediction no longer, by sequence number.
        book: of hooks after it.
        actions: that were decided, called or ended.
        refused: versions that the series budget had no room for.
    """

    transaction: Transaction
    ledger: Floats
    pipelines: Floats
    versions: dict[Key, VersionState]
    deployments: dict[str, list[Entry]]
    trials: dict[str, tuple[Trial, ...]]
    orphans_gone: set[int]
    book: Book
    actions: list[Action]
    refused: set[Key]


def apply(state: State, delta: Delta, pending: int) -> State:
    """Return the state after a delta that is durable.

    Args:
        state: before.
        delta: made of that very state.
        pending: outcomes that wait for maturity now.
    """
    orphans = state.orphans
    if delta.transaction.orphans:
        orphans = dict(orphans)
    for waiting in delta.transaction.orphans:
        orphans[waiting.key] = [*orphans.get(waiting.key, ()), waiting]
    if delta.orphans_gone:
        left = {
            key: [one for one in waiting if one.prediction not in delta.orphans_gone]
            for key, waiting in orphans.items()
        }
        orphans = {key: waiting for key, waiting in left.items() if waiting}
    known = state.versions
    moved = any(key not in known or known[key].layout is not v.layout for key, v in delta.versions.items())
    return replace(
        state,
        ledger=delta.ledger,
        pipelines=delta.pipelines,
        versions={**known, **delta.versions},
        deployments={**state.deployments, **delta.deployments},
        trials={**state.trials, **delta.trials},
        orphans=orphans,
        book=delta.book,
        pending=pending,
        refused=state.refused | delta.refused,
        intent=state.intent + (1 if delta.deployments or moved else 0),
    )


def copy_of(version: VersionState) -> VersionState:
    """Return a copy whose cells, schedule and exemplars may be changed until it is published."""
    return replace(
        version, cells=version.cells.copy(), schedule=dict(version.schedule), exemplars=dict(version.exemplars)
    )


def schedule_due(ts: float, maturity: float) -> float:
    """Return when a prediction counts as mature, rounded up to a step so that few times are kept."""
    step = max(maturity / _SCHEDULE_STEPS, 0.001)
    return math.ceil((ts + maturity) / step) * step


def encode_schedule(schedule: dict[float, int]) -> bytes:
    """Encode a schedule for the store."""
    return msgspec.msgpack.encode(sorted(schedule.items()))


def decode_schedule(data: bytes) -> dict[float, int]:
    """Decode a schedule from the store."""
    return dict(msgspec.msgpack.decode(data, type=list[tuple[float, int]]))
