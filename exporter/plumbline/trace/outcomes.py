"""The outcomes of a request, and which of them is the truth by now."""

from __future__ import annotations

from collections.abc import Callable

from plumbline.events.kinds import ClassOrNumber, Outcome
from plumbline.ingest.outcome_resolution import Reported
from plumbline.store.base import Reader, StoredEvent
from plumbline.trace.records import OutcomeRecord
from plumbline.units import format_time


def outcome_records(
    reader: Reader, outcomes: list[tuple[StoredEvent, Outcome]], predictions: list[StoredEvent]
) -> list[OutcomeRecord]:
    """Return the outcomes of a request in time order, the standing one and when it will count among them."""
    standing = standing_outcome(outcomes)
    waits = reader.waiting([event.seq for event in predictions])
    due = format_time(min(waits.values())) if waits else None
    start = predictions[0].ts if predictions else None
    return [
        OutcomeRecord(
            ts=format_time(event.ts),
            actual=outcome.actual,
            correction=outcome.correction,
            standing=event.seq == standing,
            delay=None if start is None else event.ts - start,
            counts_from=due if event.seq == standing else None,
        )
        for event, outcome in sorted(outcomes, key=lambda pair: (pair[0].ts, pair[0].seq))
    ]


def standing_outcome(
    outcomes: list[tuple[StoredEvent, Outcome]], comparable: Callable[[ClassOrNumber], bool] = lambda actual: True
) -> int | None:
    """Return the sequence number of the outcome that is the truth by now (``plumbline.ingest.outcome_resolution``)."""
    ranked = (
        (Reported(outcome.correction, event.ts, outcome.actual).rank(comparable(outcome.actual)), -event.seq)
        for event, outcome in outcomes
    )
    best = max(ranked, default=None)
    return None if best is None else -best[1]
