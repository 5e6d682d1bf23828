"""What the exporter says of its own work: refused requests, durations, queue, disk, version.

Small instruments, safe to use from any thread, that give blocks. Every known label set
starts at 0, because a counter born at 1 loses that increment. What must survive a restart (lines,
events, rejections) is not here: the engine keeps it in the store's own transaction.
"""

from __future__ import annotations

import platform
import shutil
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from plumbline import __version__, names
from plumbline.expose.block import Block, current
from plumbline.names import Metric


class Counters:
    """A counter with a closed set of values of its one label."""

    def __init__(self, metric: Metric, values: Sequence[str]) -> None:
        self._metric = metric
        self._counts: dict[tuple[str, ...], float] = {(value,): 0.0 for value in values}
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Count one; a label value outside the closed set is a mistake of ours and raises KeyError."""
        with self._lock:
            self._counts[value,] += 1

    def block(self) -> Block:
        """Return the counts."""
        with self._lock:
            return current(self._metric, self._counts)


class Durations:
    """A histogram without labels."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._counts = [0.0] * (len(metric.buckets) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        bucket = bisect_left(self._metric.buckets, seconds)
        with self._lock:
            self._counts[bucket] += 1
            self._sum += seconds

    def block(self) -> Block:
        """Return the counts."""
        with self._lock:
            return current(self._metric, {(): self._counts}, np.array([self._sum]))


class SelfMetrics:
    """The exporter's own metrics.

    Args:
        queue_capacity: events the queue may hold.
        started: epoch seconds of the start.
        data: folder of the store, whose file system's free space is shown; None shows none.
    """

    def __init__(self, queue_capacity: int, started: float, data: Path | None = None) -> None:
        self.refused = Counters(names.REQUESTS_REFUSED, names.REFUSE_REASONS)
        self.ingest = Durations(names.INGEST_DURATION)
        self.commit = Durations(names.COMMIT_DURATION)
        self.queued: Callable[[], int] = lambda: 0  # the writer puts its own here
        self.log_lines_dropped: Callable[[], int] = lambda: 0  # and whoever configures the log
        self._capacity = queue_capacity
        self._started = started
        self._data = data

    def blocks(self) -> list[Block]:
        """Return the present values."""
        single = {
            names.QUEUE_EVENTS: float(self.queued()),
            names.QUEUE_CAPACITY: float(self._capacity),
            names.START_TIME: self._started,
            names.LOG_LINES_DROPPED: float(self.log_lines_dropped()),
        }
        if self._data is not None:
            single[names.STORE_FREE] = float(shutil.disk_usage(self._data).free)
        return [
            self.refused.block(),
            self.ingest.block(),
            self.commit.block(),
            *(current(metric, {(): value}) for metric, value in single.items()),
            current(names.BUILD_INFO, {(__version__, platform.python_version()): 1.0}),
        ]
