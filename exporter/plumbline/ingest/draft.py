"""A delta in the making: what one transaction collects, on copies of what is committed.

Reads the committed ``State`` and never changes it, so that a transaction that fails leaves nothing behind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import structlog

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.counting.judged import Judged
from plumbline.events.kinds import Action, Prediction, Value
from plumbline.hooks.book import Book
from plumbline.ingest.budget import count_series, has_room
from plumbline.ingest.past import NEVER, created
from plumbline.ingest.stages import Entry, Trial
from plumbline.ingest.state import Floats, Key, Setup, State, VersionState, copy_of
from plumbline.layout.build import build_layout
from plumbline.store.base import StoredEvent, Transaction, Waiting

log = structlog.get_logger(__name__)


class Revised(NamedTuple):
    """An outcome that was counted and the one that replaces it; ``seq`` and ``due`` say when it entered."""

    before: Judged
    after: Judged
    seq: int
    due: float


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds already of the requests that a transaction is about.

    Attributes:
        next_seq: sequence number of the next event.
        events: by key, oldest first.
        waiting: outcomes that wait for maturity, by prediction.
        first_due: when the first of all outcomes that wait is due; ``NEVER`` if none does or nobody asks.
    """

    next_seq: int
    events: dict[int, list[StoredEvent]] = field(default_factory=dict)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    first_due: float = NEVER


@dataclass(slots=True)
class Draft:
    """What a transaction has collected so far; ``transaction.finish`` counts it and makes the delta.

    Attributes:
        now: epoch seconds of the commit.
        next_seq: sequence number of the next event.
        transaction: rows for the store.
        identities: of events taken by this transaction, with their times.
        local: events taken by this transaction, by key.
        versions: copies of the versions that change.
        predictions: with their times, to be counted.
        judged: predictions and outcomes that are mature, to be counted.
        revised: corrections of what was counted before, to be counted.
        early: outcomes that were known early, to be counted.
        delays: seconds from a prediction to its outcome, to be counted.
        skew: served and recomputed features of one request, to be compared.
        pending: outcomes that begin to wait for maturity, by prediction.
        orphans: outcomes that begin to wait for their prediction, by key.
        orphans_gone: outcomes that wait for their prediction no longer.
        full: (model, digest of a baseline) that found no room for one more version -> the series it needs.
    """

    setup: Setup
    state: State
    known: Known
    now: float
    next_seq: int
    ledger: Floats
    pipelines: Floats
    book: Book
    pipelines_changed: bool = False
    transaction: Transaction = field(default_factory=Transaction)
    identities: dict[int, float] = field(default_factory=dict)
    local: dict[int, list[StoredEvent]] = field(default_factory=lambda: defaultdict(list))
    versions: dict[Key, VersionState] = field(default_factory=dict)
    deployments: dict[str, list[Entry]] = field(default_factory=dict)
    trials: dict[str, tuple[Trial, ...]] = field(default_factory=dict)
    predictions: dict[Key, list[tuple[Prediction, float]]] = field(default_factory=lambda: defaultdict(list))
    judged: dict[Key, list[Judged]] = field(default_factory=lambda: defaultdict(list))
    revised: dict[Key, list[Revised]] = field(default_factory=lambda: defaultdict(list))
    early: dict[Key, list[Judged]] = field(default_factory=lambda: defaultdict(list))
    delays: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    skew: dict[Key, list[tuple[dict[str, Value], dict[str, Value]]]] = field(default_factory=lambda: defaultdict(list))
    pending: dict[int, Waiting] = field(default_factory=dict)
    orphans: dict[int, list[Waiting]] = field(default_factory=lambda: defaultdict(list))
    orphans_gone: set[int] = field(default_factory=set)
    actions: list[Action] = field(default_factory=list)
    refused: set[Key] = field(default_factory=set)
    full: dict[tuple[str, str | None], int] = field(default_factory=dict)


def begin(setup: Setup, state: State, known: Known, now: float) -> Draft:
    """Return an empty draft on what is committed."""
    return Draft(
        setup=setup,
        state=state,
        known=known,
        now=now,
        next_seq=known.next_seq,
        ledger=state.ledger.copy(),
        pipelines=state.pipelines.copy(),
        book=state.book,
    )


def store_event(draft: Draft, row: StoredEvent) -> None:
    """Add an event, whose number is ``draft.next_seq``, to the rows for the store."""
    draft.transaction.events.append(row)
    draft.next_seq += 1


def related(draft: Draft, key: int) -> Sequence[StoredEvent]:
    """Return the events of a request that came before, oldest first."""
    return [*draft.known.events.get(key, ()), *draft.local.get(key, ())]


def deployments_of(draft: Draft, model: str) -> list[Entry]:
    """Return the deployments of a model, those of this transaction included."""
    return draft.deployments.get(model) or draft.state.deployments.get(model, [])


def count_unknown(draft: Draft, what: str, count: int) -> None:
    """Count names that the catalogue does not declare."""
    draft.ledger[draft.setup.ledger.unknown[what]] += count


def count_unknown_version(draft: Draft, key: Key) -> None:
    """Count an event whose model or version is not known, by the key that counts for it."""
    if key[0] == names.UNKNOWN:
        count_unknown(draft, "model", 1)
    elif key[1] == names.UNKNOWN:
        count_unknown(draft, "version", 1)


# --- versions ---


def find_version(draft: Draft, key: Key) -> VersionState | None:
    """Return a version as this transaction has it, not to be changed; None if it is not counted."""
    return draft.versions.get(key) or draft.state.versions.get(key)


def counted_as(draft: Draft, model: str, version: str) -> Key:
    """Return the key that counts for a version: its own, or the bounded one for unknown ones."""
    key = (model, version)
    if find_version(draft, key) is not None:
        return key
    if model not in draft.setup.catalogue.models:
        return (names.UNKNOWN, names.UNKNOWN)
    if create_version(draft, model, version, None, announced=False) is not None:
        return key
    return (model, names.UNKNOWN)


def create_version(
    draft: Draft, model: str, version: str, baseline: Baseline | None, announced: bool
) -> VersionState | None:
    """Begin to count a version; None if nobody announced it or the series budget has no room for it.

    Args:
        draft: of the transaction.
        model: of the catalogue.
        version: that is not counted yet.
        baseline: that its deployment named; by default the one of its name, which announces it.
        announced: whether a deployment announced it.
    """
    key = (model, version)
    if not announced and (key in draft.state.refused or key in draft.refused):
        return None  # said once, not for every prediction
    setup = draft.setup
    baseline = baseline or setup.baselines.find(model, version)
    if baseline is None and not announced:
        return None
    full = draft.full.get((model, baseline.digest if baseline is not None else None))
    if full is not None and (baseline is None or baseline.version != version):
        draft.ledger[setup.ledger.refused[model]] += full
        return None  # as many series as the one before, which found no room
    layout = build_layout(model, version, setup.catalogue.models[model], baseline)
    series = count_series(layout, baseline, setup.catalogue)
    if not make_room(draft, key, baseline, series):
        return None
    # All of this transaction counts for the version.
    past = created(draft.known.next_seq)
    made = VersionState(layout, baseline, series, np.zeros(layout.size), past=past)
    draft.versions[key] = made
    return made


def make_room(draft: Draft, key: Key, baseline: Baseline | None, series: int) -> bool:
    """Return whether the series budget has room for a version; count what it would need if not.

    Args:
        draft: of the transaction.
        key: the version; what it exposes so far makes room.
        baseline: by which it would be counted.
        series: that it would expose.
    """
    model, version = key
    versions = {k: v for k, v in {**draft.state.versions, **draft.versions}.items() if k != key}
    own = baseline is not None and baseline.version == version
    if has_room(draft.setup, model, versions, draft.state.hidden, series, own=own):
        return True
    draft.ledger[draft.setup.ledger.refused[model]] += series
    if own:
        draft.refused.add(key)
    digest = baseline.digest if baseline is not None else None
    if (model, digest) not in draft.full:
        log.warning("series budget exceeded", model=model, version=version, series=series)
        draft.full[model, digest] = series
    return False


def writable(draft: Draft, key: Key) -> VersionState:
    """Return this transaction's copy of a version that is counted."""
    found = draft.versions.get(key)
    if found is None:
        found = draft.versions[key] = copy_of(draft.state.versions[key])
    return found
