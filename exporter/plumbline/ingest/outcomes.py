"""Predictions meet their outcomes, in either order: what waits for maturity, counts at once, or is replaced.

Reads predictions, outcomes and recomputed features of one request; writes what waits, and what is to be
counted at the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from plumbline import names
from plumbline.counting.judged import Judged, Pair, decode_judged, encode_judged
from plumbline.events.kinds import ClassOrNumber, Outcome, Prediction, Recomputed
from plumbline.events.parsed import Item
from plumbline.ingest.draft import (
    Draft,
    Revised,
    count_unknown,
    count_unknown_version,
    counted_as,
    find_version,
    related,
    writable,
)
from plumbline.ingest.join import join
from plumbline.ingest.outcome_resolution import Reported, resolve
from plumbline.ingest.state import VersionState
from plumbline.ingest.trials import count_pair, pairs_of
from plumbline.sampling import sampling_of
from plumbline.store.base import StoredEvent, Waiting
from plumbline.values import listed_name

_decode_outcome = msgspec.json.Decoder(Outcome).decode
_decode_prediction = msgspec.json.Decoder(Prediction).decode
_decode_recomputed = msgspec.json.Decoder(Recomputed).decode
_STATES = {state: at for at, state in enumerate(names.OUTCOME_STATES)}
_RETRACTABLE = {state: at for at, state in enumerate(names.RETRACTABLE_STATES)}


def take_prediction(draft: Draft, row: StoredEvent, event: Prediction) -> None:
    """Collect a prediction, and join it with what came of its request before."""
    key = counted_as(draft, event.model, event.version)
    count_unknown_version(draft, key)
    draft.predictions[key].append((event, row.ts))
    if row.key not in draft.known.events and row.key not in draft.local:
        return  # nothing else of this request has come yet, which is the rule
    for other in related(draft, row.key):
        if other.kind == "recomputed":
            compare_recomputed(draft, row, _decode_recomputed(other.raw))
    pairs = pairs_of(draft, row, event)
    for pair in pairs:
        count_pair(draft, event.model, pair, None)
    reports = [_reported(e) for e in related(draft, row.key) if e.kind == "outcome"]
    waiting = [*draft.state.orphans.get(row.key, ()), *draft.orphans.get(row.key, ())]
    waiting = [w for w in waiting if w.prediction not in draft.orphans_gone]
    if reports:
        mine = [pair for pair in pairs if pair.shadow == event.version]
        _join(draft, row, event, [], reports, mine)
        for pair in pairs:
            if pair.shadow != event.version:
                _pair_late(draft, row.key, event, pair, reports)
        _join_orphans(draft, row, reports, waiting)


def _join_orphans(draft: Draft, row: StoredEvent, reports: Sequence[Reported], waiting: Sequence[Waiting]) -> None:
    """Let outcomes wait no longer; those that were given up are no orphans after all."""
    for one in waiting:
        _drop_orphan(draft, one)
    if any(e.kind == "prediction" for e in related(draft, row.key)):
        return  # another version's prediction was here before: they did not wait
    given_up = len(reports) - len(waiting)
    if given_up:
        state = writable(draft, (names.UNKNOWN, names.UNKNOWN))
        state.cells[state.layout.outcomes_retracted + _RETRACTABLE["orphan"]] += given_up


def compare_recomputed(draft: Draft, row: StoredEvent, recomputed: Recomputed) -> None:
    """Count how the features that were served differ from those that training code recomputed.

    Outside the sample nothing is compared, whichever of the two comes first: see ``plumbline.sampling``.
    """
    sampling = sampling_of(row.raw)
    if sampling is not None and not sampling.kept:
        return
    served = _decode_prediction(row.raw)
    if recomputed.model in (None, served.model) and recomputed.version in (None, served.version):
        key = counted_as(draft, served.model, served.version)
        draft.skew[key].append((served.features, recomputed.features))


def take_outcome(draft: Draft, item: Item, event: Outcome, seq: int) -> None:
    """Join an outcome with the predictions of its request; without any it waits as an orphan."""
    known_events = related(draft, item.key)
    predictions = [e for e in known_events if e.kind == "prediction"]
    if not predictions:
        waiting = Waiting(seq, draft.now + draft.setup.orphan_grace, item.key, b"")
        draft.orphans[item.key].append(waiting)
        draft.transaction.orphans.append(waiting)
        return
    before = [e for e in known_events if e.kind == "outcome"]
    known = [_reported(e) for e in before]
    new = [Reported(event.correction, item.ts, event.actual)]
    for row in predictions:
        prediction = _decode_prediction(row.raw)
        # Of a pair that is complete, the shadow's side carries both answers to the outcome.
        pairs = [p for p in pairs_of(draft, row, prediction) if p.shadow == prediction.version]
        _join(draft, row, prediction, known, new, pairs, min((e.seq for e in before), default=seq))


def _drop_orphan(draft: Draft, waiting: Waiting) -> None:
    draft.orphans_gone.add(waiting.prediction)
    draft.transaction.orphans_done.append(waiting.prediction)


def _join(
    draft: Draft,
    row: StoredEvent,
    prediction: Prediction,
    known: Sequence[Reported],
    new: Sequence[Reported],
    pairs: list[Pair],
    first: int = 0,
) -> None:
    """Join a prediction with its outcomes: count their states; let the truth wait, count or be replaced.

    ``first`` is the sequence number of the first of the known outcomes.
    """
    key = counted_as(draft, prediction.model, prediction.version)
    version = writable(draft, key)
    layout, quality = version.layout, version.layout.quality
    due = row.ts + draft.setup.maturity.get(prediction.model, 0.0)
    answer = prediction.prediction

    def comparable(actual: ClassOrNumber) -> bool:
        return quality.why_excluded(answer, actual) is None

    change = join(known, new, due, comparable)
    for state in change.states:
        version.cells[layout.outcomes + _STATES[state]] += 1
    for state in change.retracted:
        version.cells[layout.outcomes_retracted + _RETRACTABLE[state]] += 1
    draft.delays[key] += [max(0.0, one.ts - row.ts) for one in change.plain]
    if prediction.status == "error" or answer is None:
        return
    for one in new:
        _count_excluded(draft, version, quality.why_excluded(answer, one.actual))
    slices = _slices(draft, prediction)

    def judged(one: Reported) -> Judged:
        return Judged(*key, answer, one.actual, prediction.score, slices, prediction.scores, row.ts, pairs)

    if layout.early is not None:
        horizon = row.ts + layout.early.seconds
        draft.early[key] += [judged(one) for one in change.plain if one.ts <= horizon]
    if change.after is None or change.after == change.before:
        return
    waits = _pending(draft, row.seq) if change.before is not None else None
    if waits is not None or (change.before is None and due > draft.now):
        at = due if waits is None else waits.due
        draft.pending[row.seq] = Waiting(row.seq, at, row.key, encode_judged(judged(change.after)))
    elif change.before is None:
        draft.judged[key].append(judged(change.after))
    elif layout.retractions:
        entered = max(row.seq, first)
        draft.revised[key].append(Revised(judged(change.before), judged(change.after), entered, due))


def _count_excluded(draft: Draft, version: VersionState, reason: str | None) -> None:
    quality = version.layout.quality
    if reason is None or quality.excluded is None:
        return
    version.cells[quality.excluded + quality.excludes.index(reason)] += 1
    count_unknown(draft, "class", reason != "extreme")


def _slices(draft: Draft, prediction: Prediction) -> dict[str, str]:
    """Return the declared slices of a prediction: as the event says, else by the feature of that name."""
    model = draft.setup.catalogue.models.get(prediction.model)
    if model is None or not model.slices:
        return {}
    given = {**prediction.features, **(prediction.slices or {})}
    found = {name: listed_name(values, given.get(name)) for name, values in model.slices.items()}
    return model.with_intersections({name: v for name, v in found.items() if v is not None})


def _pending(draft: Draft, prediction: int) -> Waiting | None:
    return draft.pending.get(prediction) or draft.known.waiting.get(prediction)


def _pair_late(draft: Draft, key: int, event: Prediction, pair: Pair, reports: Sequence[Reported]) -> None:
    """Production's answer came after the shadow's and its outcome: what was done with those knows it now.

    A pair belongs to the shadow's prediction. While that waits, it waits there; if it has matured, the
    pair is judged at once, by the truth that stands.
    """
    quality = writable(draft, counted_as(draft, event.model, pair.shadow)).layout.quality

    def comparable(actual: ClassOrNumber) -> bool:
        return quality.why_excluded(pair.mine, actual) is None

    for other in related(draft, key):
        if other.kind != "prediction":
            continue
        shadow = _decode_prediction(other.raw)
        if (shadow.model, shadow.version) != (event.model, pair.shadow):
            continue
        waits = _pending(draft, other.seq)
        if waits is not None:
            judged = decode_judged(waits.body)
            judged = msgspec.structs.replace(judged, pairs=[*judged.pairs, pair])
            draft.pending[other.seq] = Waiting(waits.prediction, waits.due, waits.key, encode_judged(judged))
            continue
        truth = resolve(reports, comparable)
        if truth is not None:
            count_pair(draft, event.model, pair, truth.actual)


def mature(draft: Draft, rows: Sequence[Waiting]) -> None:
    """Let waiting outcomes whose time has come enter the quality counters."""
    for waiting in rows:
        judged = decode_judged(waiting.body)
        key = (judged.model, judged.version)
        if find_version(draft, key) is None:
            key = (names.UNKNOWN, names.UNKNOWN)
        draft.judged[key].append(judged)
        draft.transaction.pending_done.append(waiting.prediction)


def give_up(draft: Draft, orphans: Sequence[Waiting]) -> None:
    """Count outcomes that waited for their prediction in vain."""
    for waiting in orphans:
        unknown = writable(draft, (names.UNKNOWN, names.UNKNOWN))
        unknown.cells[unknown.layout.outcomes + _STATES["orphan"]] += 1
        _drop_orphan(draft, waiting)


def _reported(event: StoredEvent) -> Reported:
    outcome = _decode_outcome(event.raw)
    return Reported(outcome.correction, event.ts, outcome.actual)
