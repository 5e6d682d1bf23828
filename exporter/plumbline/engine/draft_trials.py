"""Deployments, and the trials that they begin: a canary or a shadow beside the production version.

Reads deployments, predictions and judged outcomes; writes the entries of models and the cells of trials.
"""

from __future__ import annotations

import math

import msgspec

from plumbline.counting.judged import Pair
from plumbline.counting.trials import count_agreement, count_answers, count_better, count_losses
from plumbline.engine.draft import Draft
from plumbline.engine.past import changed
from plumbline.engine.trials import Trial, trials_of
from plumbline.engine.versions import Entry, Key, VersionState, kept_entries
from plumbline.events.kinds import ClassOrNumber, Deployment, Prediction
from plumbline.layout.build import build_layout
from plumbline.layout.version import remap
from plumbline.store.base import StoredEvent

_decode_prediction = msgspec.json.Decoder(Prediction).decode


class TrialsDraft(Draft):
    """The part of a transaction that is about deployments and trials."""

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
            past = changed(state.layout.cell_names(), layout, state.past, *self.engine.border())
            self.versions[key] = VersionState(
                layout, baseline, cells, dict(state.schedule), state.generation + 1, past=past
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

    def _count_pair(self, model: str, pair: Pair, actual: ClassOrNumber | None, taken_back: bool = False) -> None:
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
            revised = [r for r in self._revised.get(key, ()) if r.before.predicted_ts >= trial.start]
            judged += [r.after for r in revised]
            count_losses(at, state.layout.quality, state.cells, arm, judged)
            back = state.layout.trial_retracted
            if back is not None:
                taken = [r.before for r in revised]
                count_losses(back, state.layout.quality, state.cells, arm, taken)
        for one in (*self._judged.get(key, ()), *(r.after for r in self._revised.get(key, ()))):
            for pair in one.pairs:
                self._count_pair(model, pair, one.actual)
        for r in self._revised.get(key, ()):
            for pair in r.before.pairs:
                self._count_pair(model, pair, r.before.actual, taken_back=True)
