"""History through the engine at event time, and its series step by step into TSDB pieces.

Reads records in time order (``plumbline.history``), writes the engine's store (by committing), samples
(``tsdb``) and after each step a mark (``journal``), from which a run that was cut off goes on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from plumbline.backfill.journal import Journal, Mark
from plumbline.backfill.openmetrics import BlockWriter
from plumbline.backfill.tsdb import PieceWriter
from plumbline.errors import StoreError, TableError
from plumbline.expose.block import Block
from plumbline.history.order import Arranged
from plumbline.history.records import Record
from plumbline.progress import Advance
from plumbline.units import format_time

# Prometheus's head holds up to three hours of the present, and blocks must not overlap it.
KEEP_AWAY_SECONDS = 3 * 3600.0
# Lines of one commit: a step may hold any number, as when a table knows days only.
COMMIT_LINES = 5000
_SHOWN_REJECTIONS = 20


class HistoryEngine(Protocol):
    """What the history needs of the engine (``plumbline.ingest``), at a time of its choosing."""

    def ingest(self, body: bytes, now: float) -> tuple[int, list[tuple[int, str]]]:
        """Store and count NDJSON lines as of ``now``; return (accepted, [(line, why refused)])."""

    def tick(self, now: float) -> None:
        """Let outcomes mature up to ``now``."""

    def blocks(self) -> Iterable[Block]:
        """Return the series as they are now."""

    def settled_at(self) -> float | None:
        """Return when the last waiting outcome matures; None if nothing waits."""

    def newest(self) -> float | None:
        """Return the time of the newest stored event; None if there is none."""


@dataclass(frozen=True, slots=True)
class Step:
    """Lines of the time up to a sampling time; at most ``COMMIT_LINES``.

    Attributes:
        time: the end of the step, a multiple of its length; every event is before it. So a day is
            [00:00, 24:00) as everywhere else: an event stamped on the hour belongs to the hour it opens.
        records: the events.
        ends: whether no more of this step follow.
        done: records up to and with these.
    """

    time: float
    records: list[Record]
    ends: bool
    done: int


@dataclass(slots=True)
class HistoryReport:
    """What a backfill did, the runs that were cut off included.

    Attributes:
        accepted: events stored and counted.
        rejected: (place, reason) of the first refused events; at most 20.
        rejected_total: refused events in all.
        samples: samples of engine series.
        recorded_samples: samples of recording rules.
        blocks: TSDB blocks of engine series.
        first: first sampling time.
        last: last sampling time.
        resumed: time up to which an earlier run had come; None if there was none.
        seconds: time it took.
        warnings: what whoever serves the blocks should know.
    """

    accepted: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    rejected_total: int = 0
    samples: int = 0
    recorded_samples: int = 0
    blocks: int = 0
    first: float = 0.0
    last: float = 0.0
    resumed: float | None = None
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


def read_steps(records: Iterable[Record], step: float) -> Iterator[Step]:
    """Yield records in steps of ``step`` seconds; steps without events are yielded, empty.

    Args:
        records: in the order of time.
        step: seconds.
    """
    current: list[Record] = []
    edge: float | None = None
    done = 0
    for record in records:
        if edge is None:
            edge = (record.ts // step + 1) * step
        while record.ts >= edge:
            yield Step(edge, current, True, done)
            current, edge = [], edge + step
        if len(current) >= COMMIT_LINES:
            yield Step(edge, current, False, done)
            current = []
        current.append(record)
        done += 1
    if edge is not None:
        yield Step(edge, current, True, done)


def check_times(history: Arranged, present: float) -> None:
    """Refuse history that reaches into what Prometheus holds in memory.

    Raises:
        TableError: naming the time.
    """
    latest = present - KEEP_AWAY_SECONDS
    if history.last > latest:
        raise TableError(
            f"the history reaches to {format_time(history.last)}, later than {format_time(latest)}: it must "
            "end 3 hours before now, or its blocks overlap what Prometheus holds in memory; cut it, or send "
            "the rest as live events"
        )


def load(
    history: Arranged,
    engine: HistoryEngine,
    tsdb: Path,
    journal: Journal,
    work: Path,
    *,
    step: float,
    labels: dict[str, str],
    progress: Advance | None = None,
    now: float | None = None,
) -> HistoryReport:
    """Feed history to the engine at event time and make TSDB blocks of its series.

    The first sample is taken before the first event, or the first step would be lost to every
    ``increase()``. Sampling goes on after the last event until every outcome has matured (but not into
    the last three hours), or the last ones would all seem to mature at the start of the live exporter.

    Args:
        history: in the order of time.
        engine: fresh or to be continued; its store keeps the events.
        tsdb: folder that receives the blocks.
        journal: of this history; where it has a mark, loading goes on after it.
        work: folder for pieces.
        step: seconds between samples.
        labels: labels that a scrape would add (job, instance).
        progress: called with (events, events in all, time reached).
        now: the present; default the clock.

    Raises:
        TableError: a record cannot be read, or the history is too new.
        StoreError: from the engine; or its store holds events that this history would be mixed with.
        ToolError: from promtool.
    """
    started = time.monotonic()
    present = time.time() if now is None else now
    check_times(history, present)
    begun = journal.mark
    _check_store(history, engine.newest(), begun, step)
    report = HistoryReport()
    places: list[tuple[int, str]] = []
    if begun is not None:
        report = HistoryReport(
            accepted=begun.accepted,
            rejected_total=begun.rejected_total,
            blocks=begun.blocks,
            first=begun.first,
            last=begun.time,
            resumed=begun.time,
        )
        places = list(begun.rejected)
    if begun is None or not begun.finished:
        writer = BlockWriter(labels)
        before_it = 0 if begun is None else begun.samples
        resume = None if begun is None else (begun.piece, begun.size)
        with PieceWriter(tsdb, work, step, resume) as pieces:
            pieces.blocks = report.blocks

            def sample(at: float) -> None:
                writer.write(engine.blocks(), at, pieces.at(at))
                report.last = at
                report.samples = before_it + writer.samples
                piece, size = pieces.position()
                mark = Mark(
                    at,
                    report.first,
                    piece,
                    size,
                    report.samples,
                    pieces.blocks,
                    report.accepted,
                    places,
                    report.rejected_total,
                )
                journal.step(mark)

            for part in read_steps(history.records(), step):
                if begun is not None and part.time <= begun.time:
                    continue
                if not report.first:
                    report.first = part.time - step
                    sample(report.first)
                before = math.nextafter(part.time, -math.inf)
                if part.records:
                    _ingest(engine, part, before, report, places)
                if part.ends:
                    engine.tick(before)
                    sample(part.time)
                if progress is not None:
                    progress(part.done, history.events, format_time(part.time))
            settled = engine.settled_at()
            latest = present - KEEP_AWAY_SECONDS
            while settled is not None and report.last <= settled and report.last + step <= latest:
                engine.tick(math.nextafter(report.last + step, -math.inf))
                sample(report.last + step)
        report.blocks = pieces.blocks
        assert journal.mark is not None
        end = Mark(
            report.last,
            report.first,
            -1,
            0,
            report.samples,
            report.blocks,
            report.accepted,
            places,
            report.rejected_total,
            finished=True,
        )
        journal.step(end)
    else:
        report.samples = begun.samples
    report.rejected = [(history.source.where(place), why) for place, why in places]
    report.seconds = time.monotonic() - started
    return report


def _ingest(
    engine: HistoryEngine, part: Step, now: float, report: HistoryReport, places: list[tuple[int, str]]
) -> None:
    accepted, refused = engine.ingest(b"\n".join(record.line for record in part.records) + b"\n", now)
    report.accepted += accepted
    report.rejected_total += len(refused)
    for line, why in refused[: max(0, _SHOWN_REJECTIONS - len(places))]:
        places.append((part.records[line - 1].place, why))


def _check_store(history: Arranged, newest: float | None, begun: Mark | None, step: float) -> None:
    """Refuse to sample counters that already hold events of the time to come."""
    if newest is None:
        return
    if begun is None and newest >= history.first:
        raise StoreError(
            f"the data folder already holds events up to {format_time(newest)}, and the history begins at "
            f"{format_time(history.first)}: its samples would count both. If this history was loaded before, "
            "there is nothing to do; else give an empty --data folder, or history that begins later"
        )
    if begun is not None and newest >= begun.time + step and not begun.finished:
        raise StoreError(
            f"the data folder holds events up to {format_time(newest)}, but samples are noted up to "
            f"{format_time(begun.time)} only (the machine went down, or live events came in): remove the "
            "folders of --data and --tsdb and load the history again"
        )
