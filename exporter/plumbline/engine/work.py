"""One commit in the making: events become store rows and counter increments, on copies.

Nothing here is visible until the store has made the transaction durable; a failed write leaves the
engine as it was. Order inside a batch, and between batches, does not matter for what is counted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import structlog

from plumbline import names
from plumbline.alerts import severity_of
from plumbline.baseline.artefact import Baseline
from plumbline.counting.pipelines import count_pipeline
from plumbline.counting.quality import (
    Judged,
    Pair,
    count_early,
    count_outcomes,
    decode_judged,
    encode_judged,
    revise_outcomes,
)
from plumbline.counting.serving import count_predictions, observe
from plumbline.counting.skew import count_skew
from plumbline.counting.trials import count_agreement, count_answers, count_better, count_losses
from plumbline.engine.joins import join
from plumbline.engine.trials import Trial, trials_of
from plumbline.engine.versions import (
    Entry,
    Key,
    VersionState,
    encode_schedule,
    kept_entries,
    rollback_target,
    schedule_due,
    stage_of,
)
from plumbline.events import (
    KIND_OF,
    Action,
    Alert,
    ClassOrNumber,
    Deployment,
    Item,
    Kpi,
    Outcome,
    Parsed,
    PipelineEvent,
    Prediction,
    Recomputed,
    Value,
)
from plumbline.expose.block import Exemplar
from plumbline.hooks.book import encode_book
from plumbline.hooks.policy import Standing, decide
from plumbline.keys import hash64, incident_key, model_alert_key
from plumbline.layout import build_layout, remap
from plumbline.sampling import line_to_store, sampling_of
from plumbline.standing import Said, standing
from plumbline.store.base import StoredEvent, Transaction, Waiting
from plumbline.values import category_name

if TYPE_CHECKING:
    from plumbline.engine.engine import Engine

log = structlog.get_logger(__name__)

_decode_outcome = msgspec.json.Decoder(Outcome).decode
_decode_prediction = msgspec.json.Decoder(Prediction).decode
_decode_recomputed = msgspec.json.Decoder(Recomputed).decode
_STATES = {state: at for at, state in enumerate(names.OUTCOME_STATES)}
_RETRACTABLE = {state: at for at, state in enumerate(names.RETRACTABLE_STATES)}


class Work:
    """Collects one transaction. Use once: ``add`` batches, or mature, then ``finish``."""

    def __init__(self, engine: Engine, now: float) -> None:
        self.engine = engine
        self.now = now
        self.transaction = Transaction()
        self.versions: dict[Key, VersionState] = {}
        self.entries: dict[str, list[Entry]] = {}
        self.trials: dict[str, tuple[Trial, ...]] = {}  # of models with a deployment in this transaction
        self.ledger = engine.ledger.copy()
        self.pipelines = None if engine.pipelines is None else engine.pipelines.copy()
        self.pipelines_changed = False
        self.pending: dict[int, Waiting] = {}  # added by this transaction
        self.orphans: dict[int, list[Waiting]] = {}  # by key, added by this transaction
        self.orphans_gone: set[int] = set()
        self.book = engine.actions.book
        self.actions: list[Action] = []  # made by this transaction
        self._next = engine.store.last_seq + 1
        self._local: dict[int, list[StoredEvent]] = defaultdict(list)
        self._identities: dict[int, float] = {}  # of events taken by this transaction, with their times
        self._predictions: dict[Key, list[tuple[Prediction, float]]] = defaultdict(list)
        self._judged: dict[Key, list[Judged]] = defaultdict(list)
        self._early: dict[Key, list[Judged]] = defaultdict(list)
        self._revised: dict[Key, list[tuple[Judged, Judged]]] = defaultdict(list)
        self._stored: dict[int, list[StoredEvent]] = {}
        self._waits: dict[int, Waiting] = {}  # of predictions that have outcomes already
        self._delays: dict[Key, list[float]] = defaultdict(list)
        self._skew: dict[Key, list[tuple[dict[str, Value], dict[str, Value]]]] = defaultdict(list)

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

    def _waiting_of(self, batches: Sequence[Parsed]) -> dict[int, Waiting]:
        """Return what waits of predictions that meet a second outcome or answer: one look-up for all."""
        kinds = (Outcome, Prediction)
        again = {item.key for batch in batches for item in batch.events if type(item.event) in kinds}
        met = [
            [e.seq for e in self._stored[key] if e.kind == "prediction"]
            for key in again
            if any(e.kind == "outcome" for e in self._stored.get(key, ()))
        ]
        wanted = [seq for seqs in met for seq in seqs]
        return self.engine.store.pending_for(wanted) if wanted else {}

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

    def _unknown(self, what: str, count: int) -> None:
        self.ledger[self.engine.ledger_layout.unknown[what]] += count

    # --- predictions and outcomes ---

    def _take_prediction(self, row: StoredEvent, event: Prediction) -> None:
        key = self._version(event.model, event.version)
        self._count_unknown(event.model, key)
        self._predictions[key].append((event, row.ts))
        if row.key not in self._stored and row.key not in self._local:
            return  # nothing else of this request has come yet, which is the rule
        for other in self._related(row.key):
            if other.kind == "recomputed":
                self._compare(row, _decode_recomputed(other.raw))
        pairs = self._pairs(row, event)
        for pair in pairs:
            self._count_pair(event.model, pair, None)
        said = [_said(e) for e in self._related(row.key) if e.kind == "outcome"]
        waiting = [*self.engine.orphans.get(row.key, ()), *self.orphans.get(row.key, ())]
        waiting = [w for w in waiting if w.prediction not in self.orphans_gone]
        if said:
            mine = [pair for pair in pairs if pair.shadow == event.version]
            self._join(row, event, [], said, mine)
            for pair in pairs:
                if pair.shadow != event.version:
                    self._pair_late(row.key, event, pair, said)
            self._join_orphans(row, said, waiting)

    def _join_orphans(self, row: StoredEvent, said: Sequence[Said], waiting: Sequence[Waiting]) -> None:
        """Let outcomes wait no longer; those that were given up are no orphans after all."""
        for one in waiting:
            self._drop_orphan(one)
        if any(e.kind == "prediction" for e in self._related(row.key)):
            return  # another version's prediction was here before: they did not wait
        given_up = len(said) - len(waiting)
        if given_up:
            state = self._writable((names.UNKNOWN, names.UNKNOWN))
            state.cells[state.layout.outcomes_retracted + _RETRACTABLE["orphan"]] += given_up

    def _compare(self, row: StoredEvent, recomputed: Recomputed) -> None:
        """Count how the features that were served differ from those that training code recomputed.

        Outside the sample nothing is compared, whichever of the two comes first: see ``plumbline.sampling``.
        """
        sampling = sampling_of(row.raw)
        if sampling is not None and not sampling.kept:
            return
        served = _decode_prediction(row.raw)
        if recomputed.model in (None, served.model) and recomputed.version in (None, served.version):
            key = self._version(served.model, served.version)
            self._skew[key].append((served.features, recomputed.features))

    def _related(self, key: int) -> list[StoredEvent]:
        return [*self._stored.get(key, ()), *self._local.get(key, ())]

    def _count_unknown(self, model: str, key: Key) -> None:
        if key[0] == names.UNKNOWN:
            self._unknown("model", 1)
        elif key[1] == names.UNKNOWN:
            self._unknown("version", 1)

    def _take_outcome(self, item: Item, event: Outcome, seq: int) -> None:
        related = self._related(item.key)
        predictions = [e for e in related if e.kind == "prediction"]
        if not predictions:
            waiting = Waiting(seq, self.now + self.engine.orphan_grace, item.key, b"")
            self.orphans.setdefault(item.key, []).append(waiting)
            self.transaction.orphans.append(waiting)
            return
        known = [_said(e) for e in related if e.kind == "outcome"]
        new = [Said(event.correction, item.ts, event.actual)]
        for row in predictions:
            prediction = _decode_prediction(row.raw)
            # Of a pair that is complete, the shadow's side carries both answers to the outcome.
            pairs = [p for p in self._pairs(row, prediction) if p.shadow == prediction.version]
            self._join(row, prediction, known, new, pairs)

    def _drop_orphan(self, waiting: Waiting) -> None:
        self.orphans_gone.add(waiting.prediction)
        self.transaction.orphans_done.append(waiting.prediction)

    def _join(
        self,
        row: StoredEvent,
        prediction: Prediction,
        known: Sequence[Said],
        new: Sequence[Said],
        pairs: list[Pair],
    ) -> None:
        """Meet a prediction and outcomes: count their states; let the truth wait, count or be replaced."""
        key = self._version(prediction.model, prediction.version)
        version = self._writable(key)
        layout, quality = version.layout, version.layout.quality
        due = row.ts + self.engine.maturity(prediction.model)
        answer = prediction.prediction

        def comparable(actual: ClassOrNumber) -> bool:
            return quality.why_excluded(answer, actual) is None

        change = join(known, new, due, comparable)
        for state in change.states:
            version.cells[layout.outcomes + _STATES[state]] += 1
        for state in change.retracted:
            version.cells[layout.outcomes_retracted + _RETRACTABLE[state]] += 1
        self._delays[key] += [max(0.0, said.ts - row.ts) for said in change.plain]
        if prediction.status == "error" or answer is None:
            return
        for said in new:
            self._count_excluded(version, quality.why_excluded(answer, said.actual))
        slices = self._slices(prediction)

        def judged(said: Said) -> Judged:
            return Judged(
                *key, answer, said.actual, prediction.score, slices, prediction.scores, row.ts, pairs
            )

        if layout.early is not None:
            horizon = row.ts + layout.early.seconds
            self._early[key] += [judged(said) for said in change.plain if said.ts <= horizon]
        if change.after is None or change.after == change.before:
            return
        waits = self._pending(row.seq) if change.before is not None else None
        if waits is not None or (change.before is None and due > self.now):
            at = due if waits is None else waits.due
            self.pending[row.seq] = Waiting(row.seq, at, row.key, encode_judged(judged(change.after)))
        elif change.before is None:
            self._judged[key].append(judged(change.after))
        elif layout.retractions:
            self._revised[key].append((judged(change.before), judged(change.after)))

    def _count_excluded(self, version: VersionState, reason: str | None) -> None:
        quality = version.layout.quality
        if reason is None or quality.excluded is None:
            return
        version.cells[quality.excluded + quality.excludes.index(reason)] += 1
        self._unknown("class", reason != "extreme")

    def _slices(self, prediction: Prediction) -> dict[str, str]:
        """Return the declared slices of a prediction: as the event says, else by the feature of that name."""
        model = self.engine.catalogue.models.get(prediction.model)
        if model is None or not model.slices:
            return {}
        given = {**prediction.features, **(prediction.slices or {})}
        found = {name: category_name(given.get(name)) for name in model.slices}
        return model.with_intersections({name: v for name, v in found.items() if v is not None})

    def _pending(self, prediction: int) -> Waiting | None:
        return self.pending.get(prediction) or self._waits.get(prediction)

    def _count_state(self, key: Key, state: str) -> None:
        version = self._writable(key)
        version.cells[version.layout.outcomes + _STATES[state]] += 1

    # --- deployments and KPIs ---

    def _take_deployment(self, event: Deployment, ts: float) -> None:
        if event.model not in self.engine.catalogue.models:
            return
        entries = self.entries.get(event.model) or list(self.engine.entries.get(event.model, ()))
        entry = Entry(ts, event.version, event.stage, event.commit, event.training_data, event.baseline)
        if entry in entries:
            return
        counted = {v for m, v in (*self.engine.versions, *self.versions) if m == event.model}
        self.entries[event.model] = kept_entries([*entries, entry], self.engine.deployments_kept, counted)
        key = (event.model, event.version)
        state = self.versions.get(key) or self.engine.versions.get(key)
        baseline = self.engine.baselines.get(event.baseline) if event.baseline else None
        if state is None:
            self._create(event.model, event.version, baseline, announced=True)
        elif baseline is not None and state.layout.baseline != baseline.digest:
            layout = build_layout(*key, self.engine.catalogue.models[event.model], baseline)
            cells = remap(state.layout.cell_names(), state.cells, layout)
            self.versions[key] = VersionState(
                layout, baseline, cells, dict(state.schedule), state.generation + 1
            )
        self._begin_trials(event.model)

    def _born(self, key: Key) -> float | None:
        entries = self.entries.get(key[0]) or self.engine.entries.get(key[0], [])
        return min((e.ts for e in entries if e.version == key[1]), default=None)

    # --- trials ---

    def _begin_trials(self, model: str) -> None:
        """Let trials that a deployment has changed start from nothing; what ended stays to be read."""
        before = self._trials(model)
        self.trials[model] = trials_of(self.entries[model])
        for trial in self.trials[model]:
            key = (model, trial.candidate)
            if trial not in before and (key in self.versions or key in self.engine.versions):
                state = self._writable(key)
                for cells in (state.layout.trial, state.layout.trial_retracted):
                    for span in cells.spans() if cells is not None else ():
                        state.cells[span] = 0.0

    def _trials(self, model: str) -> tuple[Trial, ...]:
        return self.trials.get(model, self.engine.trials.get(model, ()))

    def _pairs(self, row: StoredEvent, event: Prediction) -> list[Pair]:
        """Return the pairs that a prediction makes with those of the same request that are known."""
        shadows = [trial for trial in self._trials(event.model) if trial.shadow]
        if not shadows or event.status == "error" or event.prediction is None:
            return []
        found = []
        for other in self._related(row.key):
            if other.kind != "prediction" or other.seq == row.seq:
                continue
            partner = _decode_prediction(other.raw)
            if partner.model != event.model or partner.status == "error" or partner.prediction is None:
                continue
            since = min(row.ts, other.ts)
            for trial in shadows:
                if {event.version, partner.version} == {trial.candidate, trial.production}:
                    first = event.version == trial.candidate
                    mine, theirs = (event, partner) if first else (partner, event)
                    assert mine.prediction is not None
                    assert theirs.prediction is not None
                    found.append(Pair(trial.candidate, mine.prediction, theirs.prediction, since))
        return found

    def _pair_late(self, key: int, event: Prediction, pair: Pair, said: Sequence[Said]) -> None:
        """Production's answer came after the shadow's and its outcome: what was done with those knows it now.

        A pair belongs to the shadow's prediction. While that waits, it waits there; if it has matured, the
        pair is judged at once, by the truth that stands.
        """
        quality = self._writable(self._version(event.model, pair.shadow)).layout.quality

        def comparable(actual: ClassOrNumber) -> bool:
            return quality.why_excluded(pair.mine, actual) is None

        for other in self._related(key):
            if other.kind != "prediction":
                continue
            shadow = _decode_prediction(other.raw)
            if (shadow.model, shadow.version) != (event.model, pair.shadow):
                continue
            waits = self._pending(other.seq)
            if waits is not None:
                judged = decode_judged(waits.body)
                judged = msgspec.structs.replace(judged, pairs=[*judged.pairs, pair])
                self.pending[other.seq] = Waiting(
                    waits.prediction, waits.due, waits.key, encode_judged(judged)
                )
                continue
            truth = standing(said, comparable)
            if truth is not None:
                self._count_pair(event.model, pair, truth.actual)

    def _count_pair(
        self, model: str, pair: Pair, actual: ClassOrNumber | None, taken_back: bool = False
    ) -> None:
        """Count a pair of answers; or, with its mature outcome, who was better."""
        key = (model, pair.shadow)
        begun = {trial.candidate: trial.start for trial in self._trials(model) if trial.shadow}
        if pair.since < begun.get(pair.shadow, math.inf):
            return
        if key not in self.versions and key not in self.engine.versions:
            return
        state = self._writable(key)
        at = state.layout.trial_retracted if taken_back else state.layout.trial
        if at is None:
            return
        if actual is None:
            count_agreement(at, state.cells, pair)
        else:
            count_better(at, state.layout.quality, state.cells, pair, actual)

    def _count_trials(self, key: Key) -> None:
        """Count the answers and mature outcomes of a version that is an arm of a trial."""
        model, version = key
        for trial in self._trials(model):
            arm = trial.arm(version)
            candidate = (model, trial.candidate)
            if arm is None or not (candidate in self.versions or candidate in self.engine.versions):
                continue
            state = self._writable(candidate)
            at = state.layout.trial
            if at is None:
                continue
            answers = [e for e, ts in self._predictions.get(key, ()) if ts >= trial.start]
            count_answers(at, state.cells, arm, sum(e.status == "error" for e in answers), len(answers))
            judged = [j for j in self._judged.get(key, ()) if j.predicted_ts >= trial.start]
            revised = [r for r in self._revised.get(key, ()) if r[0].predicted_ts >= trial.start]
            judged += [after for _, after in revised]
            count_losses(at, state.layout.quality, state.cells, arm, judged)
            back = state.layout.trial_retracted
            if back is not None:
                taken = [before for before, _ in revised]
                count_losses(back, state.layout.quality, state.cells, arm, taken)
        for one in (*self._judged.get(key, ()), *(after for _, after in self._revised.get(key, ()))):
            for pair in one.pairs:
                self._count_pair(model, pair, one.actual)
        for before, _ in self._revised.get(key, ()):
            for pair in before.pairs:
                self._count_pair(model, pair, before.actual, taken_back=True)

    # --- KPIs ---

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

    # --- alerts and the actions they set off ---

    def _take_alert(self, event: Alert) -> None:
        self.ledger[self.engine.ledger_layout.alerts[severity_of(event), event.status]] += 1
        if event.status == "resolved":
            for one in list(self.book.open.values()):
                if one.action.incident == event.incident and one.phase == "decided":
                    self.end(one.action.action_id, "resolved", "the alert resolved before the call")
            return
        known = self.engine.catalogue.models
        standing = Standing(names.UNKNOWN)
        if event.model in known and event.version is not None:
            entries = self.entries.get(event.model) or self.engine.entries.get(event.model, [])
            entered = [e.ts for e in entries if e.version == event.version and e.stage == "production"]
            standing = Standing(
                stage_of(entries, event.version).stage,
                rollback_target(entries, event.version),
                max(entered, default=None),
            )
        actions, self.book = decide(event, self.engine.catalogue, standing, self.book, self.now)
        for action in actions:
            self._record(action)

    def begin(self, action_id: str) -> None:
        """Record that an action is about to be called."""
        action = self.book.open[action_id].action
        self.book = self.book.calling(action_id)
        self._record(msgspec.structs.replace(action, phase="calling", payload=None))

    def end(self, action_id: str, result: str, detail: str) -> None:
        """Record what became of an open action."""
        action = self.book.open[action_id].action
        self.book = self.book.ended(action_id)
        ended = msgspec.structs.replace(action, phase="ended", result=result, detail=detail, payload=None)
        self._record(ended)

    def _record(self, action: Action) -> None:
        """Store an action as an event, and count it if it has ended."""
        layout = self.engine.ledger_layout
        self.ledger[layout.lines] += 1
        self.ledger[layout.events["action"]] += 1
        if action.result is not None:
            self.ledger[layout.hook_calls[action.hook, action.result]] += 1
        action = msgspec.structs.replace(action, ts=self.now)
        identity = hash64(b"h", action.action_id.encode(), action.phase.encode())
        links = (incident_key(action.incident), model_alert_key(action.model))
        raw = msgspec.json.encode(action)
        self.transaction.events.append(
            StoredEvent(self._next, "action", self.now, identity, identity, links, raw)
        )
        self._next += 1
        self.actions.append(action)

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

    def _create(
        self, model: str, version: str, baseline: Baseline | None, announced: bool
    ) -> VersionState | None:
        if not announced and (model, version) in self.engine.refused:
            return None  # said once, not for every prediction
        baseline = baseline or self.engine.baselines.find(model, version)
        if baseline is None and not announced:
            return None
        layout = build_layout(model, version, self.engine.catalogue.models[model], baseline)
        state = VersionState(layout, baseline, np.zeros(layout.size), {}, 1)
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

    # --- maturity ---

    def mature(self, rows: Sequence[Waiting]) -> None:
        """Let waiting outcomes whose time has come enter the quality counters."""
        for waiting in rows:
            judged = decode_judged(waiting.body)
            key = (judged.model, judged.version)
            if key not in self.engine.versions and key not in self.versions:
                key = (names.UNKNOWN, names.UNKNOWN)
            self._judged[key].append(judged)
            self.transaction.pending_done.append(waiting.prediction)

    def give_up(self, orphans: Sequence[Waiting]) -> None:
        """Count outcomes that waited for their prediction in vain."""
        for waiting in orphans:
            self._count_state((names.UNKNOWN, names.UNKNOWN), "orphan")
            self._drop_orphan(waiting)

    def mature_predictions(self) -> None:
        """Count predictions that have reached maturity."""
        for key, known in {**self.engine.versions, **self.versions}.items():
            due = [at for at in known.schedule if at <= self.now]
            if due:
                state = self._writable(key)
                state.cells[state.layout.predictions_matured] += sum(state.schedule.pop(at) for at in due)

    # --- the end ---

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
            revise_outcomes(state.layout, state.cells, revised, self._born(key))
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
        for (model, version), state in self.versions.items():
            name = msgspec.json.encode([model, version]).decode()
            t.state[f"cells/{name}"] = state.cells.tobytes()
            t.state[f"schedule/{name}"] = encode_schedule(state.schedule)
            known = self.engine.versions.get((model, version))
            if known is None or known.layout is not state.layout:
                t.state[f"layout/{name}"] = msgspec.json.encode(
                    {"baseline": state.layout.baseline, "cells": state.layout.cell_names()}
                )
        return t

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


def _said(event: StoredEvent) -> Said:
    outcome = _decode_outcome(event.raw)
    return Said(outcome.correction, event.ts, outcome.actual)


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
