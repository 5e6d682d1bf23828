"""One transaction: what is committed and new events, or time that has passed, make a delta. Functions, no state.

Reads a ``State``, what the store holds of the same requests (``look_up``) and parsed batches; ``finish`` returns the
``Delta``. Nothing is visible until the store has made the delta's transaction durable. Order inside a batch, and
between batches, does not matter for what is counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import structlog

from plumbline import names
from plumbline.counting.judged import Judged
from plumbline.counting.pipelines import count_pipeline
from plumbline.counting.quality import count_early, count_outcomes, revise_outcomes
from plumbline.counting.serving import count_predictions, observe
from plumbline.counting.skew import count_skew
from plumbline.events.kinds import KIND_OF, Alert, Deployment, Kpi, Outcome, PipelineEvent, Prediction, Recomputed
from plumbline.events.parsed import Item, Parsed
from plumbline.expose.block import Exemplar
from plumbline.hooks.book import encode_book
from plumbline.ingest.alerts import take_alert
from plumbline.ingest.deployments import first_deployed, take_deployments
from plumbline.ingest.draft import (
    Draft,
    Known,
    Revised,
    count_unknown,
    count_unknown_version,
    counted_as,
    related,
    store_event,
    writable,
)
from plumbline.ingest.outcomes import compare_recomputed, take_outcome, take_prediction
from plumbline.ingest.past import NEVER
from plumbline.ingest.restore import encode_version, first_due
from plumbline.ingest.state import Delta, VersionState, schedule_due
from plumbline.ingest.trials import count_trials
from plumbline.sampling import line_to_store
from plumbline.store.base import Store, StoredEvent

log = structlog.get_logger(__name__)


def look_up(store: Store, batches: Sequence[Parsed]) -> Known:
    """Return what a store holds of the requests in batches: one look-up for all.

    Raises:
        StoreError: the store could not be read.
    """
    items = [item for batch in batches for item in batch.events]
    found = store.find([item.key for item in items] + [item.identity for item in items if item.explicit])
    stored = store.read({seq for seqs in found.values() for seq in seqs})
    events = {key: [stored[s] for s in seqs if s in stored] for key, seqs in found.items()}
    # Of predictions that meet a second outcome or answer, an outcome may wait.
    again = {item.key for item in items if type(item.event) in (Outcome, Prediction)}
    met = [events[key] for key in again if any(e.kind == "outcome" for e in events.get(key, ()))]
    predictions = [e.seq for found_events in met for e in found_events if e.kind == "prediction"]
    waiting = store.pending_for(predictions) if predictions else {}
    deploys = any(type(item.event) is Deployment for item in items)
    return Known(store.last_seq + 1, events, waiting, first_due(store) if deploys else NEVER)


def declare(draft: Draft) -> bool:
    """Note since when each model and stage of the catalogue is known; return whether one is new."""
    models = draft.setup.ledger.declared
    known = draft.ledger[models.offset : models.end]
    new = bool((known == 0).any())
    known[known == 0] = draft.now
    stages = [cells.declared for cells in draft.setup.pipelines.stages.values()]
    fresh = [at for at in stages if draft.pipelines[at] == 0]
    draft.pipelines[fresh] = draft.now
    draft.pipelines_changed |= bool(fresh)
    return new or bool(fresh)


def add(draft: Draft, batches: Sequence[Parsed]) -> list[int]:
    """Take events; return the number of duplicates per batch."""
    layout = draft.setup.ledger
    told: list[tuple[Deployment, float]] = []
    for item in (item for batch in batches for item in batch.events):
        if type(item.event) is Deployment:
            # Resends as well: each of the exporters on one store must know.
            since = _taken_at(draft, item)
            told.append((item.event, item.ts if since is None else since))
    take_deployments(draft, told)
    duplicates = []
    for batch in batches:
        draft.ledger[layout.lines] += batch.lines
        draft.ledger[layout.truncated] += batch.truncated
        for line in batch.rejected:
            draft.ledger[layout.rejected[line.reason]] += 1
        count = 0
        for item in batch.events:
            kind = KIND_OF[type(item.event)]
            if _taken_at(draft, item) is not None:
                draft.ledger[layout.duplicates[kind]] += 1
                count += 1
            else:
                draft.ledger[layout.events[kind]] += 1
                _take(draft, item, kind)
        duplicates.append(count)
    return duplicates


def _taken_at(draft: Draft, item: Item) -> float | None:
    """Return the time of the same event if it is here already: a resend may bring another, or none."""
    if item.identity in draft.identities:
        return draft.identities[item.identity]
    for key in (item.key, item.identity) if item.explicit else (item.key,):
        for event in draft.known.events.get(key, ()):
            if event.identity == item.identity:
                return event.ts
    return None


def _take(draft: Draft, item: Item, kind: str) -> None:
    event = item.event
    raw = item.raw
    if type(event) is Prediction:
        raw = line_to_store(item, draft.setup.catalogue.models.get(event.model))
    row = StoredEvent(draft.next_seq, kind, item.ts, item.key, item.identity, item.links, raw)
    store_event(draft, row)
    draft.identities[item.identity] = item.ts
    if type(event) is Prediction:
        take_prediction(draft, row, event)
    elif type(event) is Outcome:
        take_outcome(draft, item, event, row.seq)
    elif type(event) is Recomputed:
        for other in related(draft, item.key):
            if other.kind == "prediction":
                compare_recomputed(draft, other, event)
    elif type(event) is PipelineEvent:
        declared = count_pipeline(draft.setup.pipelines, draft.pipelines, event, item.ts, draft.now)
        draft.pipelines_changed |= declared
        count_unknown(draft, "pipeline", not declared)
    elif type(event) is Deployment:
        count_unknown(draft, "model", event.model not in draft.setup.catalogue.models)
    elif type(event) is Kpi:
        _take_kpi(draft, event)
    elif type(event) is Alert:
        take_alert(draft, event)
    draft.local[item.key].append(row)


def _take_kpi(draft: Draft, event: Kpi) -> None:
    key = counted_as(draft, event.model, event.version)
    count_unknown_version(draft, key)
    version = writable(draft, key)
    at = version.layout.kpis.get(event.kpi)
    if at is None:
        count_unknown(draft, "kpi", 1)
        return
    version.cells[at + (event.value < 0)] += abs(event.value)
    version.cells[version.layout.kpi_events[event.kpi]] += 1
    version.cells[version.layout.kpi_squares[event.kpi]] += event.value**2


def mature_predictions(draft: Draft) -> None:
    """Count predictions that have reached maturity."""
    for key, known in {**draft.state.versions, **draft.versions}.items():
        due = [at for at in known.schedule if at <= draft.now]
        if due:
            version = writable(draft, key)
            version.cells[version.layout.predictions_matured] += sum(version.schedule.pop(at) for at in due)


def finish(draft: Draft) -> Delta:
    """Count what was collected and return the delta, whose transaction is complete."""
    _count(draft)
    state = draft.transaction.state
    draft.transaction.pending = list(draft.pending.values())
    state["ledger"] = draft.ledger.tobytes()
    if draft.pipelines_changed:
        state["pipelines"] = draft.pipelines.tobytes()
    if draft.book is not draft.state.book:
        state["hooks"] = encode_book(draft.book)
    for model, entries in draft.deployments.items():
        state[f"deployments/{model}"] = msgspec.json.encode(entries)
    for key, version in draft.versions.items():
        known = draft.state.versions.get(key)
        state |= encode_version(key, version, layout=known is None or known.layout is not version.layout)
    return Delta(
        transaction=draft.transaction,
        ledger=draft.ledger,
        pipelines=draft.pipelines,
        versions=draft.versions,
        deployments=draft.deployments,
        trials=draft.trials,
        orphans_gone=draft.orphans_gone,
        book=draft.book,
        actions=draft.actions,
        refused=draft.refused,
    )


def _count(draft: Draft) -> None:
    """Add what was collected to the counters of each version: one numpy pass per kind and version."""
    for key, rows in draft.predictions.items():
        version = writable(draft, key)
        events, times = [e for e, _ in rows], [t for _, t in rows]
        count_unknown(draft, "feature", count_predictions(version.layout, version.cells, events, times))
        _schedule(draft, version, rows)
        _keep_exemplars(version, rows)
    for key, delays in draft.delays.items():
        version = writable(draft, key)
        observe(version.cells, version.layout.delay, delays)
    for key, judged in draft.judged.items():
        version = writable(draft, key)
        count_outcomes(version.layout, version.cells, judged, first_deployed(draft, key))
    for key, judged in draft.early.items():
        version = writable(draft, key)
        count_early(version.layout, version.cells, judged)
    for key, revised in draft.revised.items():
        _revise(writable(draft, key), revised, first_deployed(draft, key))
    for key, pairs in draft.skew.items():
        version = writable(draft, key)
        count_skew(version.layout, version.cells, pairs)
    for key in {**draft.predictions, **draft.judged, **draft.revised}:
        count_trials(draft, key)


def _revise(version: VersionState, revised: Sequence[Revised], born: float | None) -> None:
    """Replace outcomes in the counters that hold them; see ``plumbline.ingest.past``."""
    past, layout = version.past, version.layout
    groups: dict[str, list[tuple[Judged, Judged]]] = {"now": [], "waited": [], "before": []}
    for r in revised:
        known = past is None or r.seq >= past.before
        when = "now" if known else "before" if past and past.entered(r.seq, r.due) else "waited"
        groups[when].append((r.before, r.after))
    revise_outcomes(layout, version.cells, groups["now"], born)
    if past is None:
        return
    waited = past.columns(layout, waited=True) if groups["waited"] else []
    revise_outcomes(layout, version.cells, groups["waited"], born, waited)
    if not past.closed:
        young = past.columns(layout, waited=False) if groups["before"] else []
        revise_outcomes(layout, version.cells, groups["before"], born, young)
    elif groups["before"] and layout.quality.excluded is not None:
        left = len(groups["before"])
        said = "corrections left out: of outcomes counted under other classes, or for an unknown version"
        log.warning(said, model=layout.model, version=layout.version, corrections=left)
        at = layout.quality.excludes.index(names.LAYOUT_CHANGED)
        version.cells[layout.quality.excluded + at] += left


def _schedule(draft: Draft, version: VersionState, rows: Sequence[tuple[Prediction, float]]) -> None:
    maturity = draft.setup.maturity.get(version.layout.model, 0.0)
    at_once = 0
    for event, ts in rows:
        if event.status == "error" or event.prediction is None:
            continue
        due = schedule_due(ts, maturity)
        if due <= draft.now:
            at_once += 1
        else:
            version.schedule[due] = version.schedule.get(due, 0) + 1
    version.cells[version.layout.predictions_matured] += at_once


def _keep_exemplars(version: VersionState, rows: Sequence[tuple[Prediction, float]]) -> None:
    """Remember the newest request of each latency bucket."""
    buckets = names.PREDICTION_LATENCY.buckets
    timed = [(e.request_id, e.latency, ts) for e, ts in rows if e.latency is not None]
    if not timed:
        return
    found = np.searchsorted(np.asarray(buckets), np.array([t[1] for t in timed]), side="left")
    newest = dict(zip(found.tolist(), timed, strict=True))
    for bucket, (request_id, latency, ts) in newest.items():
        # OpenMetrics allows 128 characters of names and values together.
        if len(request_id) <= 100:
            version.exemplars[(0, bucket)] = Exemplar({"request_id": request_id}, latency, ts)
