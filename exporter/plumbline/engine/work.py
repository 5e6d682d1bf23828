"""One commit in the making: events become store rows and counter increments, on copies.

Nothing here is visible until the store has made the transaction durable; a failed write leaves the
engine as it was. Order inside a batch, and between batches, does not matter for what is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import structlog

from plumbline import names
from plumbline.counting.judged import Judged
from plumbline.counting.pipelines import count_pipeline
from plumbline.counting.quality import count_early, count_outcomes, revise_outcomes
from plumbline.counting.serving import count_predictions, observe
from plumbline.counting.skew import count_skew
from plumbline.engine.draft import Revised
from plumbline.engine.draft_alerts import AlertsDraft
from plumbline.engine.draft_outcomes import OutcomesDraft
from plumbline.engine.restore import encode_layout, label_of
from plumbline.engine.versions import VersionState, encode_schedule, schedule_due
from plumbline.events.kinds import KIND_OF, Alert, Deployment, Kpi, Outcome, PipelineEvent, Prediction, Recomputed
from plumbline.events.parsed import Item, Parsed
from plumbline.expose.block import Exemplar
from plumbline.hooks.book import encode_book
from plumbline.sampling import line_to_store
from plumbline.store.base import StoredEvent, Transaction

if TYPE_CHECKING:
    from plumbline.engine.engine import Engine


log = structlog.get_logger(__name__)


class Work(OutcomesDraft, AlertsDraft):
    """Collects one transaction. Use once: ``add`` batches, or mature, then ``finish``."""

    def __init__(self, engine: Engine, now: float) -> None:
        super().__init__(engine, now)
        self.pipelines = None if engine.pipelines is None else engine.pipelines.copy()
        self.pipelines_changed = False
        self._identities: dict[int, float] = {}  # of events taken by this transaction, with their times

    def declare(self) -> bool:
        """Note since when each model and stage of the catalogue is known; return whether one is new."""
        models = self.engine.ledger_layout.declared
        known = self.ledger[models.offset : models.end]
        new = bool((known == 0).any())
        known[known == 0] = self.now
        if self.pipelines is not None:
            stages = [cells.declared for cells in self.engine.pipeline_layout.stages.values()]
            fresh = [at for at in stages if self.pipelines[at] == 0]
            self.pipelines[fresh] = self.now
            self.pipelines_changed |= bool(fresh)
            new = new or bool(fresh)
        return new

    # --- events in ---

    def add(self, batches: Sequence[Parsed]) -> list[int]:
        """Take events; return the number of duplicates per batch."""
        layout = self.engine.ledger_layout
        keys = [item.key for batch in batches for item in batch.events]
        keys += [item.identity for batch in batches for item in batch.events if item.explicit]
        found = self.engine.store.find(keys)
        stored = self.engine.store.read({seq for seqs in found.values() for seq in seqs})
        self._stored = {key: [stored[s] for s in seqs if s in stored] for key, seqs in found.items()}
        self._waits = self._waiting_of(batches)
        duplicates = []
        for batch in batches:
            self.ledger[layout.lines] += batch.lines
            self.ledger[layout.truncated] += batch.truncated
            for line in batch.rejected:
                self.ledger[layout.rejected[line.reason]] += 1
            count = 0
            for item in batch.events:
                kind = KIND_OF[type(item.event)]
                since = self._taken_at(item)
                if since is not None:
                    self.ledger[layout.duplicates[kind]] += 1
                    count += 1
                    if type(item.event) is Deployment:  # each of the exporters on one store must know
                        self._take_deployment(item.event, since)
                else:
                    self.ledger[layout.events[kind]] += 1
                    self._take(item, kind)
            duplicates.append(count)
        return duplicates

    def _taken_at(self, item: Item) -> float | None:
        """Return the time of the same event if it is here already: a resend may bring another, or none."""
        if item.identity in self._identities:
            return self._identities[item.identity]
        for key in (item.key, item.identity) if item.explicit else (item.key,):
            for event in self._stored.get(key, ()):
                if event.identity == item.identity:
                    return event.ts
        return None

    def _take(self, item: Item, kind: str) -> None:
        event = item.event
        raw = item.raw
        if type(event) is Prediction:
            raw = line_to_store(item, self.engine.catalogue.models.get(event.model))
        row = StoredEvent(self._next, kind, item.ts, item.key, item.identity, item.links, raw)
        self._next += 1
        self._identities[item.identity] = item.ts
        self.transaction.events.append(row)
        if type(event) is Prediction:
            self._take_prediction(row, event)
        elif type(event) is Outcome:
            self._take_outcome(item, event, row.seq)
        elif type(event) is Recomputed:
            for other in self._related(item.key):
                if other.kind == "prediction":
                    self._compare(other, event)
        elif type(event) is PipelineEvent:
            declared = self.pipelines is not None and count_pipeline(
                self.engine.pipeline_layout, self.pipelines, event, item.ts, self.now
            )
            self.pipelines_changed |= declared
            self._unknown("pipeline", not declared)
        elif type(event) is Deployment:
            self._unknown("model", event.model not in self.engine.catalogue.models)
            self._take_deployment(event, item.ts)
        elif type(event) is Kpi:
            self._take_kpi(event)
        elif type(event) is Alert:
            self._take_alert(event)
        self._local[item.key].append(row)

    def _take_kpi(self, event: Kpi) -> None:
        key = self._version(event.model, event.version)
        self._count_unknown(event.model, key)
        state = self._writable(key)
        at = state.layout.kpis.get(event.kpi)
        if at is None:
            self._unknown("kpi", 1)
            return
        state.cells[at + (event.value < 0)] += abs(event.value)
        state.cells[state.layout.kpi_events[event.kpi]] += 1
        state.cells[state.layout.kpi_squares[event.kpi]] += event.value**2

    # --- the end ---

    def mature_predictions(self) -> None:
        """Count predictions that have reached maturity."""
        for key, known in {**self.engine.versions, **self.versions}.items():
            due = [at for at in known.schedule if at <= self.now]
            if due:
                state = self._writable(key)
                state.cells[state.layout.predictions_matured] += sum(state.schedule.pop(at) for at in due)

    def finish(self) -> Transaction:
        """Count what was collected and return the whole transaction."""
        for key, rows in self._predictions.items():
            state = self._writable(key)
            events, times = [e for e, _ in rows], [t for _, t in rows]
            self._unknown("feature", count_predictions(state.layout, state.cells, events, times))
            self._schedule(state, rows)
            _keep_exemplars(state, rows)
        for key, delays in self._delays.items():
            state = self._writable(key)
            observe(state.cells, state.layout.delay, delays)
        for key, judged in self._judged.items():
            state = self._writable(key)
            count_outcomes(state.layout, state.cells, judged, self._born(key))
        for key, judged in self._early.items():
            state = self._writable(key)
            count_early(state.layout, state.cells, judged)
        for key, revised in self._revised.items():
            state = self._writable(key)
            self._revise(state, revised, self._born(key))
        for key, pairs in self._skew.items():
            state = self._writable(key)
            count_skew(state.layout, state.cells, pairs)
        for key in {**self._predictions, **self._judged, **self._revised}:
            self._count_trials(key)
        t = self.transaction
        t.pending = list(self.pending.values())
        t.state["ledger"] = self.ledger.tobytes()
        if self.pipelines is not None and self.pipelines_changed:
            t.state["pipelines"] = self.pipelines.tobytes()
        if self.book is not self.engine.actions.book:
            t.state["hooks"] = encode_book(self.book)
        for model, entries in self.entries.items():
            t.state[f"deployments/{model}"] = msgspec.json.encode(entries)
        for key, state in self.versions.items():
            name = label_of(key)
            t.state[f"cells/{name}"] = state.cells.tobytes()
            t.state[f"schedule/{name}"] = encode_schedule(state.schedule)
            known = self.engine.versions.get(key)
            if known is None or known.layout is not state.layout:
                t.state[f"layout/{name}"] = encode_layout(state.layout, state.past)
        return t

    def _revise(self, state: VersionState, revised: Sequence[Revised], born: float | None) -> None:
        """Replace outcomes in the counters that hold them; see ``plumbline.engine.past``."""
        past, layout = state.past, state.layout
        groups: dict[str, list[tuple[Judged, Judged]]] = {"now": [], "waited": [], "before": []}
        for r in revised:
            known = past is None or r.seq >= past.before
            when = "now" if known else "before" if past and past.entered(r.seq, r.due) else "waited"
            groups[when].append((r.before, r.after))
        revise_outcomes(layout, state.cells, groups["now"], born)
        if past is None:
            return
        waited = past.columns(layout, waited=True) if groups["waited"] else []
        revise_outcomes(layout, state.cells, groups["waited"], born, waited)
        if not past.closed:
            young = past.columns(layout, waited=False) if groups["before"] else []
            revise_outcomes(layout, state.cells, groups["before"], born, young)
        elif groups["before"] and layout.quality.excluded is not None:
            left = len(groups["before"])
            said = "corrections left out: of outcomes counted under other classes, or for an unknown version"
            log.warning(said, model=layout.model, version=layout.version, corrections=left)
            at = layout.quality.excludes.index(names.LAYOUT_CHANGED)
            state.cells[layout.quality.excluded + at] += left

    def _schedule(self, state: VersionState, rows: Sequence[tuple[Prediction, float]]) -> None:
        maturity = self.engine.maturity(state.layout.model)
        at_once = 0
        for event, ts in rows:
            if event.status == "error" or event.prediction is None:
                continue
            due = schedule_due(ts, maturity)
            if due <= self.now:
                at_once += 1
            else:
                state.schedule[due] = state.schedule.get(due, 0) + 1
        state.cells[state.layout.predictions_matured] += at_once


def _keep_exemplars(state: VersionState, rows: Sequence[tuple[Prediction, float]]) -> None:
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
            state.exemplars[(0, bucket)] = Exemplar({"request_id": request_id}, latency, ts)
