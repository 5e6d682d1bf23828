"""Predictions meet their outcomes, in either order: what waits for maturity, counts at once, or is replaced.

Reads predictions, outcomes and recomputed features of one request; writes what waits, and what is to be
counted at the end of the transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from plumbline import names
from plumbline.counting.judged import Judged, Pair, decode_judged, encode_judged
from plumbline.engine.draft import Revised
from plumbline.engine.draft_trials import TrialsDraft
from plumbline.engine.joins import join
from plumbline.engine.versions import Key, VersionState
from plumbline.events.kinds import ClassOrNumber, Outcome, Prediction, Recomputed, Value
from plumbline.events.parsed import Item, Parsed
from plumbline.sampling import sampling_of
from plumbline.standing import Said, standing
from plumbline.store.base import StoredEvent, Waiting
from plumbline.values import category_name

if TYPE_CHECKING:
    from plumbline.engine.engine import Engine

_decode_outcome = msgspec.json.Decoder(Outcome).decode
_decode_prediction = msgspec.json.Decoder(Prediction).decode
_decode_recomputed = msgspec.json.Decoder(Recomputed).decode
_STATES = {state: at for at, state in enumerate(names.OUTCOME_STATES)}
_RETRACTABLE = {state: at for at, state in enumerate(names.RETRACTABLE_STATES)}


class OutcomesDraft(TrialsDraft):
    """The part of a transaction that joins.

    Attributes:
        pending: outcomes that wait for maturity, by prediction, added by this transaction.
        orphans: outcomes without a prediction, by key, added by this transaction.
        orphans_gone: those that wait no longer.
    """

    def __init__(self, engine: Engine, now: float) -> None:
        super().__init__(engine, now)
        self.pending: dict[int, Waiting] = {}
        self.orphans: dict[int, list[Waiting]] = {}
        self.orphans_gone: set[int] = set()
        self._waits: dict[int, Waiting] = {}  # of predictions that have outcomes already
        self._early: dict[Key, list[Judged]] = defaultdict(list)
        self._delays: dict[Key, list[float]] = defaultdict(list)
        self._skew: dict[Key, list[tuple[dict[str, Value], dict[str, Value]]]] = defaultdict(list)

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

    def _take_outcome(self, item: Item, event: Outcome, seq: int) -> None:
        related = self._related(item.key)
        predictions = [e for e in related if e.kind == "prediction"]
        if not predictions:
            waiting = Waiting(seq, self.now + self.engine.orphan_grace, item.key, b"")
            self.orphans.setdefault(item.key, []).append(waiting)
            self.transaction.orphans.append(waiting)
            return
        before = [e for e in related if e.kind == "outcome"]
        known = [_said(e) for e in before]
        new = [Said(event.correction, item.ts, event.actual)]
        for row in predictions:
            prediction = _decode_prediction(row.raw)
            # Of a pair that is complete, the shadow's side carries both answers to the outcome.
            pairs = [p for p in self._pairs(row, prediction) if p.shadow == prediction.version]
            self._join(row, prediction, known, new, pairs, min((e.seq for e in before), default=seq))

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
        first: int = 0,
    ) -> None:
        """Meet a prediction and outcomes: count their states; let the truth wait, count or be replaced.

        ``first`` is the sequence number of the first of the known outcomes.
        """
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
            return Judged(*key, answer, said.actual, prediction.score, slices, prediction.scores, row.ts, pairs)

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
            entered = max(row.seq, first)
            self._revised[key].append(Revised(judged(change.before), judged(change.after), entered, due))

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
                self.pending[other.seq] = Waiting(waits.prediction, waits.due, waits.key, encode_judged(judged))
                continue
            truth = standing(said, comparable)
            if truth is not None:
                self._count_pair(event.model, pair, truth.actual)

    # --- time ---

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
            unknown = self._writable((names.UNKNOWN, names.UNKNOWN))
            unknown.cells[unknown.layout.outcomes + _STATES["orphan"]] += 1
            self._drop_orphan(waiting)


def _said(event: StoredEvent) -> Said:
    outcome = _decode_outcome(event.raw)
    return Said(outcome.correction, event.ts, outcome.actual)
