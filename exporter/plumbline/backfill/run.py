"""The whole backfill: events into the store and the TSDB, then the recording rules over it.

Reads history and, if wanted, rule files; writes the data folder that an exporter then continues
from, and a TSDB folder that a Prometheus then serves. Cut off at any point, it goes on when called again.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from plumbline.backfill.history import HistoryReport, load
from plumbline.backfill.journal import Journal, Plan
from plumbline.backfill.rules import RecordingRule, evaluate, read_rules
from plumbline.errors import UsageError
from plumbline.events.parse import parse
from plumbline.expose.block import Block
from plumbline.history.order import Arranged, arrange
from plumbline.history.records import JsonLines, Source
from plumbline.ingest.engine import Engine
from plumbline.progress import Advance
from plumbline.servers import find_program
from plumbline.units import DAY_SECONDS, format_duration

_SCRATCH = "backfill.tmp"
# What Prometheus keeps unless it is told otherwise.
DEFAULT_RETENTION_SECONDS = 15 * DAY_SECONDS


class EngineAtEventTime:
    """The engine as the history needs it (``HistoryEngine``): the clock is the events' own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ingest(self, body: bytes, now: float) -> tuple[int, list[tuple[int, str]]]:
        """Store and count NDJSON lines as of ``now``."""
        parsed = parse(body, now)
        self._engine.commit([parsed], now)
        return len(parsed.events), [(item.line, f"{item.reason}: {item.detail}") for item in parsed.rejected]

    def tick(self, now: float) -> None:
        """Let outcomes mature up to ``now``."""
        self._engine.tick(now)

    def blocks(self) -> Iterable[Block]:
        """Return the series as they are now."""
        return self._engine.blocks()

    def settled_at(self) -> float | None:
        """Return when the last waiting outcome matures; None if nothing waits."""
        return self._engine.settled_at()

    def newest(self) -> float | None:
        """Return the time of the last stored event; None if there is none."""
        last = self._engine.store.last_seq
        found = self._engine.store.read([last]) if last else {}
        return found[last].ts if last in found else None


def backfill(
    history: Source | Path,
    engine: Engine,
    tsdb: Path,
    *,
    step: float,
    rules: Sequence[Path] = (),
    rule_step: float | None = None,
    labels: Mapping[str, str] | None = None,
    progress: Advance | None = None,
) -> HistoryReport:
    """Load history; or go on with it, where an earlier call with the same arguments was cut off.

    Args:
        history: events that end at least three hours before now, in any order; a path is NDJSON.
        engine: on the data folder that keeps the events.
        tsdb: folder of the TSDB; no Prometheus may have it open.
        step: seconds between samples of the engine's series.
        rules: Prometheus rule files whose recording rules are evaluated.
        rule_step: seconds between samples of recorded series, a multiple of ``step``.
        labels: labels that a scrape would add (job, instance).
        progress: of the events (done, in all, time reached), then of the rules' queries (done, in all, recorded name).

    Raises:
        UsageError: if the steps do not fit, a rule file is none, or another backfill was cut off here.
        TableError: if the history cannot be used; with file and line or row.
        StoreError: from the store; or it holds events that the history would be mixed with.
        ToolError: from promtool or Prometheus.
    """
    every = step if rule_step is None else rule_step
    if step <= 0 or every < step or every % step:
        raise UsageError(f"the rules' step ({every:g} s) must be a multiple of the step ({step:g} s)")
    recording = read_rules(rules)
    for program in ("promtool", "prometheus")[: 2 if recording else 1]:
        find_program(program)  # now, not when the events are in
    source = JsonLines([history]) if isinstance(history, Path) else history
    started = time.monotonic()
    scratch = tsdb / _SCRATCH
    begun = scratch.exists()
    with _sorted(source, scratch / "sort", progress) as arranged:
        plan = Plan(arranged.digest, step, dict(labels or {}), _digest(recording, every))
        warnings = backfill_warnings(arranged, tsdb, time.time()) if not begun else []
        with Journal(scratch, plan) as journal:
            report = load(
                arranged,
                EngineAtEventTime(engine),
                tsdb,
                journal,
                scratch / "pieces",
                step=step,
                labels=dict(labels or {}),
                progress=progress,
            )
            if recording:
                _drop(tsdb, journal, scratch)
                report.recorded_samples = evaluate(
                    recording, tsdb, scratch / "rules", report.first, report.last, every, progress, journal.block
                )
    shutil.rmtree(scratch, ignore_errors=True)
    report.seconds = time.monotonic() - started
    report.warnings = warnings
    return report


@contextmanager
def _sorted(source: Source, scratch: Path, progress: Advance | None) -> Iterator[Arranged]:
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was cut off
    try:
        yield arrange(source, scratch, advance=progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _drop(tsdb: Path, journal: Journal, scratch: Path) -> None:
    """Remove what a run made of the rules before it was cut off: levels must be evaluated in turn."""
    shutil.rmtree(scratch / "rules", ignore_errors=True)
    for name in journal.made:
        shutil.rmtree(tsdb / name, ignore_errors=True)
    journal.forget_blocks()


def _digest(rules: Sequence[RecordingRule], every: float) -> str:
    text = "\n".join(f"{rule.record} {rule.expr} {rule.labels}" for rule in rules)
    return f"{hashlib.sha256(text.encode()).hexdigest()} {every:g}"


def backfill_warnings(history: Arranged, tsdb: Path, present: float) -> list[str]:
    """Return what whoever serves these blocks should know: retention, and blocks that overlap."""
    found = []
    age = present - history.first
    if age > DEFAULT_RETENTION_SECONDS:
        days = format_duration(math.ceil(age / DAY_SECONDS + 1) * DAY_SECONDS)
        found.append(
            f"start Prometheus with --storage.tsdb.retention.time={days} or more: it keeps 15 days by "
            "default, counted from its newest sample, and would delete these blocks once live samples come in"
        )
    overlapping = [name for name, first, last in _blocks(tsdb) if first <= history.last and history.first < last]
    if overlapping:
        found.append(
            f"{tsdb} already holds blocks of the same time ({', '.join(sorted(overlapping)[:3])}"
            f"{', ...' if len(overlapping) > 3 else ''}): if they hold the same series, queries mix both"
        )
    return found


def _blocks(tsdb: Path) -> Iterator[tuple[str, float, float]]:
    """Yield (name, first time, time after the last) of the blocks in a TSDB."""
    for meta in tsdb.glob("*/meta.json"):
        try:
            times = msgspec.json.decode(meta.read_bytes(), type=_BlockTimes)
        except (OSError, msgspec.MsgspecError):
            continue  # no block of Prometheus's; it will say so itself
        yield meta.parent.name, times.minTime / 1000.0, times.maxTime / 1000.0


class _BlockTimes(msgspec.Struct):
    minTime: int  # noqa: N815 - Prometheus's name
    maxTime: int  # noqa: N815
