"""The list of collectors behind ``/metrics``: each run alone, timed, and allowed to fail alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import structlog

from plumbline import names
from plumbline.expose.block import Block

log = structlog.get_logger(__name__)


class Source(Protocol):
    """Something that is scraped. ``name`` is its value of the label ``collector``."""

    @property
    def name(self) -> str:
        """Short and unique."""

    def blocks(self) -> list[Block]:
        """Return the present values; may raise, which costs only its own series."""


class Registry:
    """Runs every collector at each scrape and reports on them.

    A collector that fails shows nothing at all in that scrape, never its last values: a frozen number
    looks like health.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._failing: dict[str, str] = {}
        self._generation = 0
        self._lock = threading.Lock()

    def collect(self) -> list[Block]:
        """Return the blocks of all collectors that work, and how each one fared."""
        found: list[Block] = []
        success = np.zeros(len(self._sources))
        duration = np.zeros(len(self._sources))
        for row, source in enumerate(self._sources):
            start = time.perf_counter()
            own = self._run(source)
            duration[row] = time.perf_counter() - start
            if own is not None:
                found += own
                success[row] = 1.0
        with self._lock:
            self._generation += 1
            generation = self._generation
        labels = tuple((source.name,) for source in self._sources)
        found.append(Block(names.COLLECTOR_SUCCESS, "registry/success", generation, labels, success))
        found.append(Block(names.COLLECTOR_DURATION, "registry/duration", generation, labels, duration))
        return found

    def _run(self, source: Source) -> list[Block] | None:
        try:
            blocks = source.blocks()
            for block in blocks:
                _check(block)
        # Whatever a collector raises, the others' series and the fact itself must still be scraped.
        except Exception as error:  # noqa: BLE001
            problem = f"{type(error).__name__}: {error}"
            with self._lock:
                changed = self._failing.get(source.name) != problem
                self._failing[source.name] = problem
            if changed:
                log.warning("collector failed; its series are left out", collector=source.name, problem=problem)
            return None
        with self._lock:
            recovered = self._failing.pop(source.name, None)
        if recovered is not None:
            log.info("collector works again", collector=source.name)
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
