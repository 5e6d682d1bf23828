"""History as live traffic: events sent to a running exporter at their own pace, or faster.

Reads records in time order (``plumbline.history``), one by one. Each ``ts`` (and a pipeline's
``data_ts``) is moved linearly onto the wall clock: ``start + (ts - first) / speed``. Batches go over HTTP
and are sent again, byte for byte, until the exporter has answered; since the exporter knows an event by
its id, a batch that was stored before a crash but not acknowledged is not counted twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from plumbline.client.post import Sender
from plumbline.history.records import Record
from plumbline.units import parse_time


@dataclass(frozen=True, slots=True)
class Due:
    """One event, ready to be sent.

    Attributes:
        at: wall-clock time at which it is due, epoch seconds.
        line: NDJSON line without its end.
        kind: its ``type``.
    """

    at: float
    line: bytes
    kind: str


@dataclass(slots=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        sent: events acknowledged, by type.
        accepted: events that the exporter accepted.
        duplicates: accepted events that it had stored before; they keep the time they had then.
        rejected: the exporter's words on lines that it refused; at most 20.
        rejected_total: refused lines in all.
        retries: batches sent again.
        behind: largest time in seconds by which an event was late.
        seconds: time it took.
    """

    sent: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0
    rejected: list[str] = field(default_factory=list)
    rejected_total: int = 0
    retries: int = 0
    behind: float = 0.0
    seconds: float = 0.0


class TimeMap:
    """Maps event time onto the wall clock.

    Args:
        first: event time that falls on ``start``.
        start: wall-clock time.
        speed: seconds of event time per second.
    """

    def __init__(self, first: float, start: float, speed: float) -> None:
        self._first = first
        self._start = start
        self._speed = speed

    def __call__(self, event_time: float) -> float:
        """Return the wall-clock time of an event time."""
        return self._start + (event_time - self._first) / self._speed


def schedule(
    records: Iterable[Record], speed: float, start: float, first: float | None = None, last: float | None = None
) -> Iterator[Due]:
    """Yield events with their times moved onto the wall clock.

    Args:
        records: in time order.
        speed: seconds of event time per second.
        start: wall-clock time of ``first``.
        first: event time to begin at; default the first record's.
        last: event time to end at; default the last record's.
    """
    encode = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    when: TimeMap | None = None
    for record in records:
        if (first is not None and record.ts < first) or (last is not None and record.ts > last):
            continue
        if when is None:
            when = TimeMap(record.ts if first is None else first, start, speed)
        event = decode(record.line)
        event["ts"] = round(when(record.ts), 3)
        if event.get("data_ts") is not None:
            event["data_ts"] = round(when(parse_time(event["data_ts"])), 3)
        yield Due(event["ts"], encode(event), str(event.get("type")))


def replay(
    events: Iterable[Due],
    sender: Sender,
    *,
    batch: int = 1000,
    interval: float = 0.25,
    watch: Callable[[Due, ReplayReport], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ReplayReport:
    """Send each event when it is due, in batches.

    Args:
        events: in the order of their time.
        sender: where to.
        batch: most events per request.
        interval: seconds that events are gathered for.
        watch: called after each batch with its last event.
        stop: asked before each batch; True ends the replay early.
    """
    report = ReplayReport()
    started = time.monotonic()
    waiting: list[Due] = []

    def flush() -> None:
        answer = sender.send([due.line for due in waiting])
        report.accepted += answer.accepted
        report.duplicates += answer.duplicates
        report.rejected_total += answer.rejected
        room = 20 - len(report.rejected)
        report.rejected += [f"{reason}: {detail}" for _, reason, detail in answer.rejections[:room]]
        report.retries = sender.retries
        report.behind = max(report.behind, time.time() - waiting[0].at - interval)
        for due in waiting:
            report.sent[due.kind] = report.sent.get(due.kind, 0) + 1
        if watch is not None:
            watch(waiting[-1], report)
        waiting.clear()

    for due in events:
        if waiting and (len(waiting) >= batch or due.at > waiting[0].at + interval):
            _sleep_until(waiting[-1].at)
            flush()
            if stop():
                break
        waiting.append(due)
    if waiting and not stop():
        _sleep_until(waiting[-1].at)
        flush()
    report.seconds = time.monotonic() - started
    return report


def _sleep_until(moment: float) -> None:
    pause = moment - time.time()
    if pause > 0:
        time.sleep(pause)
