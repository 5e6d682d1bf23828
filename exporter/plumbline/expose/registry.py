"""The list of collectors behind ``/metrics``: each run alone, timed, and allowed to fail alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from plumbline import names
from plumbline.expose.block import Block, current

log = structlog.get_logger(__name__)


class Registry:
    """Runs every collector at each scrape and reports on them.

    A collector that fails shows nothing at all in that scrape, never its last values: a frozen number
    looks like health.

    Args:
        collectors: what each gives, by its value of the label ``collector``; one that raises costs only its own series.
    """

    def __init__(self, collectors: Mapping[str, Callable[[], list[Block]]]) -> None:
        self._collectors = dict(collectors)
        self._failing: dict[str, str] = {}
        self._lock = threading.Lock()

    def collect(self) -> list[Block]:
        """Return the blocks of all collectors that work, and how each one fared."""
        found: list[Block] = []
        success: dict[tuple[str, ...], float] = {}
        duration: dict[tuple[str, ...], float] = {}
        for name, collect in self._collectors.items():
            start = time.perf_counter()
            own = self._run(name, collect)
            duration[name,] = time.perf_counter() - start
            success[name,] = own is not None
            found += own or []
        return [*found, current(names.COLLECTOR_SUCCESS, success), current(names.COLLECTOR_DURATION, duration)]

    def _run(self, name: str, collect: Callable[[], list[Block]]) -> list[Block] | None:
        try:
            blocks = collect()
            for block in blocks:
                _check(block)
        # Whatever a collector raises, the others' series and the fact itself must still be scraped.
        except Exception as error:  # noqa: BLE001
            problem = f"{type(error).__name__}: {error}"
            with self._lock:
                changed = self._failing.get(name) != problem
                self._failing[name] = problem
            if changed:
                log.warning("collector failed; its series are left out", collector=name, problem=problem)
            return None
        with self._lock:
            recovered = self._failing.pop(name, None)
        if recovered is not None:
            log.info("collector works again", collector=name)
        return blocks


def _check(block: Block) -> None:
    """Raise ValueError if the block could not be rendered."""
    rows = len(block.labels)
    histogram = block.metric.kind == "histogram"
    shape = (rows, len(block.metric.buckets) + 1) if histogram else (rows,)
    if block.values.shape != shape:
        raise ValueError(f"{block.key}: values have shape {block.values.shape}, not {shape}")
    if histogram and (block.sums is None or block.sums.shape != (rows,)):
        raise ValueError(f"{block.key}: a histogram needs one sum per row")
    if rows and len(block.labels[0]) != len(block.metric.labels):
        raise ValueError(f"{block.key}: {len(block.labels[0])} label values for {block.metric.labels}")
