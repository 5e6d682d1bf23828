"""History through the engine at event time, and its series step by step into TSDB pieces.

Reads an NDJSON file of the contract's events in time order, line by line, so it may be larger than
memory. Writes the engine's store (by committing) and samples (``tsdb``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from plumbline.backfill.openmetrics import BlockWriter
from plumbline.backfill.tsdb import PieceWriter, Progress
from plumbline.errors import TableError
from plumbline.expose.block import Block
from plumbline.units import format_time, parse_time

# Prometheus's head holds up to three hours of the present, and blocks must not overlap it.
KEEP_AWAY_SECONDS = 3 * 3600.0


class HistoryEngine(Protocol):
    """What the history needs of the engine (``plumbline.engine``), at a time of its choosing."""

    def ingest(self, body: bytes, now: float) -> tuple[int, list[tuple[int, str]]]:
        """Store and count NDJSON lines as of ``now``; return (accepted, [(line, why refused)])."""

    def tick(self, now: float) -> None:
        """Let outcomes mature up to ``now``."""

    def blocks(self) -> Iterable[Block]:
        """Return the series as they are now."""

    def settled_at(self) -> float | None:
        """Return when the last waiting outcome matures; None if nothing waits."""


class _Stamp(msgspec.Struct):
    ts: str | float


@dataclass(frozen=True, slots=True)
class Step:
    """The lines between two sampling times.

    Attributes:
        time: the end of the step, a multiple of its length; every event is before it. So a day is
            [00:00, 24:00) as everywhere else: an event stamped on the hour belongs to the hour it opens.
        lines: raw lines, without line ends.
        first_line: number of the first line in the file.
        offset: bytes read so far.
    """

    time: float
    lines: list[bytes]
    first_line: int
    offset: int


@dataclass(slots=True)
class HistoryReport:
    """What a backfill did.

    Attributes:
        accepted: events stored and counted.
        rejected: (line number, reason) of the first refused lines; at most 20.
        rejected_total: refused lines in all.
        samples: samples of engine series.
        recorded_samples: samples of recording rules.
        blocks: TSDB blocks of engine series.
        first: first sampling time.
        last: last sampling time.
        seconds: time it took.
    """

    accepted: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    rejected_total: int = 0
    samples: int = 0
    recorded_samples: int = 0
    blocks: int = 0
    first: float = 0.0
    last: float = 0.0
    seconds: float = 0.0


def read_steps(path: Path, step: float, latest: float) -> Iterator[Step]:
    """Yield the file's lines in steps of ``step`` seconds; steps without events are yielded, empty.

    Args:
        path: NDJSON, in the order of ``ts``.
        step: seconds.
        latest: no event may be after this time.

    Raises:
        TableError: naming file and line, if a line has no usable time, is out of order, or is too late.
    """
    decoder = msgspec.json.Decoder(_Stamp)
    current: list[bytes] = []
    edge: float | None = None
    previous = 0.0
    first_line, number, offset = 1, 0, 0
    try:
        with path.open("rb") as source:
            for number, raw in enumerate(source, start=1):
                offset += len(raw)
                line = raw.strip()
                if not line:
                    continue
                try:
                    at = parse_time(decoder.decode(line).ts)
                except (msgspec.MsgspecError, ValueError) as error:
                    raise TableError(
                        f"{path}:{number}: {error}; history needs a 'ts' in every event"
                    ) from error
                if at < previous:
                    raise TableError(
                        f"{path}:{number}: {format_time(at)} comes after {format_time(previous)}: "
                        "sort the file by ts"
                    )
                if at > latest:
                    raise TableError(
                        f"{path}:{number}: {format_time(at)} is later than {format_time(latest)}: history "
                        "must end 3 hours before now, or its blocks overlap what Prometheus holds in memory; "
                        "cut the file, or send the rest as live events"
                    )
                previous = at
                if edge is None:
                    edge = (at // step + 1) * step
                while at >= edge:
                    yield Step(edge, current, first_line, offset - len(raw))
                    current, edge, first_line = [], edge + step, number
                if not current:
                    first_line = number
                current.append(line)
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror}") from error
    if edge is None:
        raise TableError(f"{path}: no events")
    yield Step(edge, current, first_line, offset)


def load(
    path: Path,
    engine: HistoryEngine,
    tsdb: Path,
    work: Path,
    *,
    step: float,
    labels: dict[str, str],
    progress: Progress | None = None,
    now: float | None = None,
) -> HistoryReport:
    """Feed a history file to the engine at event time and make TSDB blocks of its series.

    The first sample is taken before the first event, or the first step would be lost to every
    ``increase()``. Sampling goes on after the last event until every outcome has matured (but not into
    the last three hours), or the last ones would all seem to mature at the start of the live exporter.

    Args:
        path: NDJSON in time order.
        engine: fresh or to be continued; its store keeps the events.
        tsdb: folder that receives the blocks.
        work: folder for pieces; emptied of them again.
        step: seconds between samples.
        labels: labels that a scrape would add (job, instance).
        progress: called with (bytes read, bytes in all, time reached).
        now: the present; default the clock.

    Raises:
        TableError: see ``read_steps``.
        StoreError: from the engine.
        ToolError: from promtool.
    """
    started = time.monotonic()
    present = time.time() if now is None else now
    size = path.stat().st_size if path.exists() else 0
    report = HistoryReport()
    writer = BlockWriter(labels)
    latest = present - KEEP_AWAY_SECONDS
    with PieceWriter(tsdb, work, step) as pieces:

        def sample(at: float) -> None:
            writer.write(engine.blocks(), at, pieces.at(at))
            report.last = at

        for part in read_steps(path, step, latest):
            if not report.first:
                report.first = part.time - step
                sample(report.first)
            before = math.nextafter(part.time, -math.inf)
            if part.lines:
                accepted, refused = engine.ingest(b"\n".join(part.lines) + b"\n", before)
                report.accepted += accepted
                report.rejected_total += len(refused)
                for line, why in refused[: max(0, 20 - len(report.rejected))]:
                    report.rejected.append((part.first_line + line - 1, why))
            engine.tick(before)
            sample(part.time)
            if progress is not None:
                progress(part.offset, size, format_time(part.time))
        settled = engine.settled_at()
        while settled is not None and report.last <= settled and report.last + step <= latest:
            engine.tick(math.nextafter(report.last + step, -math.inf))
            sample(report.last + step)
    report.samples = writer.samples
    report.blocks = pieces.blocks
    report.seconds = time.monotonic() - started
    return report
