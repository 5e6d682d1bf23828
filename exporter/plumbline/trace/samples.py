"""``/requests?model=M&version=V``: sample requests for a page, the worst of the newest.

Reads the newest events of the store backwards, in bounded steps: an alert asks for what happened just now,
and an index by model would cost every event for that. Failed requests come first, then the wrongest answers,
then those whose outcome is not known yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.events.kinds import Outcome, Prediction
from plumbline.keys import request_key
from plumbline.store.base import Reader, StoredEvent
from plumbline.trace.decode import decode_outcome, decode_prediction
from plumbline.trace.outcomes import standing_outcome
from plumbline.trace.records import Value
from plumbline.units import format_time
from plumbline.values import same_category

SHOWN = 30
LOOKED_AT = 20_000  # newest events; at the busiest that is seconds, and seconds are what a page is about
_STEP = 2000
_ENOUGH = 1000  # predictions of the version; more tell nothing new


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """One request of a model version.

    Attributes:
        request_id: of its prediction.
        ts: time of the prediction, RFC 3339.
        status: ok or error.
        prediction: the answer.
        score: probability of the positive class, if given.
        actual: the standing outcome; null while unknown.
        error: |prediction - actual| of numbers; 1 or 0 of classes; null while unknown.
    """

    request_id: str
    ts: str
    status: str
    prediction: Value
    score: float | None
    actual: Value
    error: float | None


@dataclass(frozen=True, slots=True)
class Samples:
    """Sample requests of a model version.

    Attributes:
        model: as asked.
        version: as asked; empty = every version.
        looked_at: newest events that were read.
        found: predictions of the version among them.
        requests: the worst of those, at most ``SHOWN``.
    """

    model: str
    version: str
    looked_at: int
    found: int
    requests: list[SampleRequest]


def sample_requests(reader: Reader, model: str, version: str, last_seq: int, regression: bool) -> Samples:
    """Return the worst of a version's newest requests.

    Args:
        reader: of the store.
        model: name of the model.
        version: of the model; empty for every version.
        last_seq: sequence number of the newest event.
        regression: whether an error is a distance; otherwise an answer is right or wrong.

    Raises:
        StoreError: the store could not be read.
    """
    chosen: list[tuple[StoredEvent, Prediction]] = []
    low = last_seq + 1
    oldest = max(1, last_seq - LOOKED_AT + 1)
    while low > oldest and len(chosen) < _ENOUGH:
        high, low = low, max(oldest, low - _STEP)
        events = reader.read(range(low, high))
        for seq in sorted(events, reverse=True):
            if events[seq].kind == "prediction":
                made = decode_prediction(events[seq].raw)
                if made.model == model and version in ("", made.version):
                    chosen.append((events[seq], made))
    actuals = _actuals(reader, [made.request_id for _, made in chosen])
    found = [_sample(event, made, actuals.get(made.request_id), regression) for event, made in chosen]
    # Sorting is stable, so among equals the newest stay first.
    worst = sorted(found, key=lambda s: (s.status != "error", s.error is None, -(s.error or 0.0)))
    return Samples(model, version, max(0, last_seq + 1 - low), len(found), worst[:SHOWN])


def _actuals(reader: Reader, request_ids: list[str]) -> dict[str, Value]:
    seqs = reader.find([request_key(one) for one in request_ids])
    events = reader.read({seq for found in seqs.values() for seq in found})
    told: dict[str, list[tuple[StoredEvent, Outcome]]] = {}
    for event in events.values():
        if event.kind == "outcome":
            outcome = decode_outcome(event.raw)
            told.setdefault(outcome.request_id, []).append((event, outcome))
    actuals: dict[str, Value] = {}
    for request_id, outcomes in told.items():
        standing = standing_outcome(outcomes)
        actuals[request_id] = next(o.actual for event, o in outcomes if event.seq == standing)
    return actuals


def _sample(event: StoredEvent, made: Prediction, actual: Value, regression: bool) -> SampleRequest:
    error: float | None = None
    if actual is not None and made.prediction is not None:
        if regression:
            try:
                error = abs(float(made.prediction) - float(actual))
            except (TypeError, ValueError):
                error = None
        else:
            error = float(not same_category(made.prediction, actual))
    return SampleRequest(
        made.request_id, format_time(event.ts), made.status, made.prediction, made.score, actual, error
    )
