"""The whole backfill: events into the store and the TSDB, then the recording rules over it.

Reads a history file and, if wanted, rule files; writes the data folder that an exporter then continues
from, and a TSDB folder that a Prometheus then serves.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from plumbline.backfill.history import HistoryReport, load
from plumbline.backfill.rules import evaluate, read_rules
from plumbline.backfill.tsdb import Progress
from plumbline.engine import Engine
from plumbline.errors import UsageError
from plumbline.events import parse
from plumbline.expose.block import Block

_SCRATCH = "backfill.tmp"


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


def backfill(
    path: Path,
    engine: Engine,
    tsdb: Path,
    *,
    step: float,
    rules: Sequence[Path] = (),
    rule_step: float | None = None,
    labels: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    rule_progress: Progress | None = None,
) -> HistoryReport:
    """Load a history file.

    Args:
        path: NDJSON events in time order; they end at least three hours before now.
        engine: on the data folder that keeps the events.
        tsdb: folder of the TSDB; no Prometheus may have it open.
        step: seconds between samples of the engine's series.
        rules: Prometheus rule files whose recording rules are evaluated.
        rule_step: seconds between samples of recorded series, a multiple of ``step``.
        labels: labels that a scrape would add (job, instance).
        progress: of the events: (bytes read, bytes in all, time reached).
        rule_progress: of the rules: (queries done, queries in all, recorded name).

    Raises:
        UsageError: if the steps do not fit or a rule file is none.
        TableError: if the history cannot be used; with file and line.
        StoreError: from the store.
        ToolError: from promtool or Prometheus.
    """
    every = step if rule_step is None else rule_step
    if step <= 0 or every < step or every % step:
        raise UsageError(f"the rules' step ({every:g} s) must be a multiple of the step ({step:g} s)")
    recording = read_rules(rules)
    started = time.monotonic()
    scratch = tsdb / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was cut off
    try:
        report = load(
            path, EngineAtEventTime(engine), tsdb, scratch, step=step, labels=dict(labels or {}),
            progress=progress,
        )  # fmt: skip
        if recording:
            report.recorded_samples = evaluate(
                recording, tsdb, scratch, report.first, report.last, every, rule_progress
            )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    report.seconds = time.monotonic() - started
    return report
