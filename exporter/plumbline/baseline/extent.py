"""The first pass over the reference: how far it reaches, and a sample to choose bins from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.baseline.blocks import BlockCounter, BlockPlan
from plumbline.baseline.quality import stable
from plumbline.baseline.rows import TIME, Progress, Source, no_rows
from plumbline.baseline.sample import RowSample
from plumbline.catalogue.model import Model


@dataclass(frozen=True, slots=True)
class Extent:
    """What the first pass found.

    Attributes:
        rows: of the reference.
        sample: of the rows, to choose bins from.
        minimum: smallest finite value per number column; so are ``maximum`` and ``stddev``.
        plan: how the reference is cut into time blocks.
        plan_times: epoch seconds of the first and last row; None without times.
    """

    rows: int
    sample: RowSample
    minimum: dict[str, float]
    maximum: dict[str, float]
    stddev: dict[str, float]
    plan: BlockPlan
    plan_times: tuple[float, float] | None


class _Spread:
    """Mean and sum of squared deviations of values that come in batches (Chan, Golub, LeVeque 1983)."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Take finite values, at least one."""
        mean = float(values.mean())
        step = mean - self._mean
        total = self._count + values.size
        self._squares += float(((values - mean) ** 2).sum()) + step**2 * self._count * values.size / total
        self._mean += step * values.size / total
        self._count = total

    @property
    def stddev(self) -> float:
        """Standard deviation; 0 of no values."""
        return float(np.sqrt(self._squares / self._count)) if self._count else 0.0


def first_pass(source: Source, model: Model, block_seconds: float, progress: Progress) -> Extent:
    """Read the reference once; raise a TableError if it has no row."""
    numbers = [key for key, request in source.wanted.items() if request.kind != "category"]
    texts = [
        key for key, feature in model.features.items() if feature.type == "categorical" and feature.categories is None
    ]
    sample = RowSample(numbers, texts)
    counter = BlockCounter(block_seconds)
    rows = 0
    minimum = {key: float("inf") for key in numbers}
    maximum = {key: float("-inf") for key in numbers}
    spread = {key: _Spread() for key in numbers}
    for batch in source.batches(progress, "reading the reference"):
        rows += batch.rows
        sample.add(batch.rows, batch.numbers, batch.texts)
        for key in numbers:
            finite = batch.numbers[key][np.isfinite(batch.numbers[key])]
            if finite.size:
                minimum[key] = min(minimum[key], float(finite.min()))
                maximum[key] = max(maximum[key], float(finite.max()))
                spread[key].add(finite)
        if TIME in batch.numbers:
            counter.add(batch.numbers[TIME])
    if not rows:
        raise no_rows(source, "reference")
    timed = TIME in source.wanted
    plan = counter.plan(rows, sample.numbers(TIME) if timed else None)
    times = (counter.start, counter.end) if timed else None
    stddev = {key: stable(values.stddev) for key, values in spread.items()}
    return Extent(rows, sample, minimum, maximum, stddev, plan, times)
