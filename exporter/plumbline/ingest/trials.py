"""Counts the trials of canaries and shadows: begun by a deployment, fed by predictions and mature outcomes."""

from __future__ import annotations

import math

import msgspec

from plumbline.counting.judged import Pair
from plumbline.counting.trials import count_agreement, count_answers, count_better, count_losses
from plumbline.events.kinds import ClassOrNumber, Prediction
from plumbline.ingest.draft import Draft, find_version, related, writable
from plumbline.ingest.stages import Trial, trials_of
from plumbline.ingest.state import Key
from plumbline.store.base import StoredEvent

_decode_prediction = msgspec.json.Decoder(Prediction).decode


def begin_trials(draft: Draft, model: str) -> None:
    """Let trials that a deployment has changed start from nothing; what ended stays to be read."""
    before = running_trials(draft, model)
    draft.trials[model] = trials_of(draft.deployments[model])
    for trial in draft.trials[model]:
        key = (model, trial.candidate)
        if trial not in before and find_version(draft, key) is not None:
            state = writable(draft, key)
            for cells in (state.layout.trial, state.layout.trial_retracted):
                for span in cells.spans() if cells is not None else ():
                    state.cells[span] = 0.0


def running_trials(draft: Draft, model: str) -> tuple[Trial, ...]:
    """Return the trials of a model, those that this transaction began included."""
    return draft.trials.get(model, draft.state.trials.get(model, ()))


def pairs_of(draft: Draft, row: StoredEvent, event: Prediction) -> list[Pair]:
    """Return the pairs that a prediction makes with those of the same request that are known."""
    shadows = [trial for trial in running_trials(draft, event.model) if trial.shadow]
    if not shadows or event.status == "error" or event.prediction is None:
        return []
    found = []
    for other in related(draft, row.key):
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


def count_pair(draft: Draft, model: str, pair: Pair, actual: ClassOrNumber | None, taken_back: bool = False) -> None:
    """Count a pair of answers; or, with its mature outcome, who was better."""
    key = (model, pair.shadow)
    begun = {trial.candidate: trial.start for trial in running_trials(draft, model) if trial.shadow}
    if pair.since < begun.get(pair.shadow, math.inf):
        return
    if find_version(draft, key) is None:
        return
    state = writable(draft, key)
    at = state.layout.trial_retracted if taken_back else state.layout.trial
    if at is None:
        return
    if actual is None:
        count_agreement(at, state.cells, pair)
    else:
        count_better(at, state.layout.quality, state.cells, pair, actual)


def count_trials(draft: Draft, key: Key) -> None:
    """Count the answers and mature outcomes of a version that is an arm of a trial."""
    model, version = key
    for trial in running_trials(draft, model):
        arm = trial.arm(version)
        candidate = (model, trial.candidate)
        if arm is None or find_version(draft, candidate) is None:
            continue
        state = writable(draft, candidate)
        at = state.layout.trial
        if at is None:
            continue
        answers = [e for e, ts in draft.predictions.get(key, ()) if ts >= trial.start]
        count_answers(at, state.cells, arm, sum(e.status == "error" for e in answers), len(answers))
        judged = [j for j in draft.judged.get(key, ()) if j.predicted_ts >= trial.start]
        revised = [r for r in draft.revised.get(key, ()) if r.before.predicted_ts >= trial.start]
        judged += [r.after for r in revised]
        count_losses(at, state.layout.quality, state.cells, arm, judged)
        back = state.layout.trial_retracted
        if back is not None:
            taken = [r.before for r in revised]
            count_losses(back, state.layout.quality, state.cells, arm, taken)
    for one in (*draft.judged.get(key, ()), *(r.after for r in draft.revised.get(key, ()))):
        for pair in one.pairs:
            count_pair(draft, model, pair, one.actual)
    for r in draft.revised.get(key, ()):
        for pair in r.before.pairs:
            count_pair(draft, model, pair, r.before.actual, taken_back=True)
