"""Time blocks: how the reference is cut to see how much it varies by itself.

Blocks of a fixed length (that of the window of the drift tickets, or ``--block``) from the first row on,
where rows carry times. Two kinds of block are left out: a last one that is cut short (a week without its
Sunday drifts in ``weekday``, and a noise floor taken from it would hide real drift for ever), and those with
less than half the median number of rows. With fewer than 4 blocks left, or without times, blocks of equal
count: 8 for distributions, 4 for quality, whose spread falls with the length of a block and should be that of
the window it is held against. Quality that has times is cut by observed days instead (``observed``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.errors import UsageError
from plumbline.units import format_duration

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MINIMUM_BLOCKS = 4
EQUAL_BLOCKS = 8
_MAXIMUM_BLOCKS = 10_000  # an hour each for a year
_PARTS = 24  # parts of a block that are counted apart, because the first row's time is not known at first
_CUT_SHORT = 0.1  # share of its length that the last block may lack


class BlockCounter:
    """Counts rows per fixed-length block in a first pass over the rows.

    Args:
        seconds: length of a block.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._counts: dict[int, int] = {}
        self.start = float("inf")
        self.end = float("-inf")

    def add(self, times: Floats) -> None:
        """Count a batch of times (epoch seconds)."""
        if not times.size:
            return
        self.start = min(self.start, float(times.min()))
        self.end = max(self.end, float(times.max()))
        part = self._seconds / _PARTS
        numbers, counts = np.unique(np.floor(times / part).astype(np.int64), return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self._counts[number] = self._counts.get(number, 0) + count
        if len(self._counts) > _MAXIMUM_BLOCKS * _PARTS:
            raise self._too_many()

    def _too_many(self) -> UsageError:
        return UsageError(
            f"blocks of {format_duration(self._seconds)} cut the reference into more than "
            f"{_MAXIMUM_BLOCKS}: choose a longer --block"
        )

    def plan(self, rows: int, sample: Floats | None, equal: int = EQUAL_BLOCKS) -> BlockPlan:
        """Return how to cut: by time, or into equal counts.

        Args:
            rows: rows of the reference.
            sample: times of sampled rows, to cut equal counts in order of time; None = by row number.
            equal: how many blocks of equal count, where the rows do not fill ``MINIMUM_BLOCKS`` by time.
        """
        full = self._full_blocks()
        if len(full) >= MINIMUM_BLOCKS:
            return BlockPlan(len(full), rows, self._seconds, self._origin, {n: i for i, n in enumerate(full)}, None)
        edges = None
        if sample is not None and sample.size:
            edges = np.quantile(sample, np.arange(1, equal) / equal, method="lower")
        return BlockPlan(equal, rows, None, 0.0, {}, edges)

    @property
    def _origin(self) -> float:
        return min(self._counts) * self._seconds / _PARTS

    def _full_blocks(self) -> list[int]:
        if not self._counts:
            return []
        first = min(self._counts)
        blocks: dict[int, int] = {}
        for number, count in self._counts.items():
            block = (number - first) // _PARTS
            blocks[block] = blocks.get(block, 0) + count
        if len(blocks) > _MAXIMUM_BLOCKS:
            raise self._too_many()
        last = max(blocks)
        if self.end < self._origin + (last + 1 - _CUT_SHORT) * self._seconds:
            del blocks[last]
        enough = float(np.median(list(blocks.values()))) / 2.0 if blocks else 0.0
        return sorted(block for block, count in blocks.items() if count >= enough)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """Which block each row belongs to.

    Attributes:
        blocks: how many.
        rows: rows of the reference.
        seconds: length of a time block; None = equal counts.
        origin: when the first time block begins.
        numbers: number of a time block from the origin on -> index.
        edges: upper ends in time of the equal-count blocks but the last; None = by row number.
    """

    blocks: int
    rows: int
    seconds: float | None
    origin: float
    numbers: dict[int, int]
    edges: Floats | None

    def of(self, first_row: int, rows: int, times: Floats | None) -> Ints:
        """Return the block of each row of a batch, -1 = in none.

        Args:
            first_row: 0-based number of the batch's first row in the reference.
            rows: rows of the batch.
            times: their times, if the table has any.
        """
        if self.seconds is not None and times is not None:
            places = np.floor((times - self.origin) / self.seconds).astype(np.int64)
            numbers, inverse = np.unique(places, return_inverse=True)
            index = np.array([self.numbers.get(number, -1) for number in numbers.tolist()], dtype=np.intp)
            return index[inverse]
        if self.edges is not None and times is not None:
            return np.searchsorted(self.edges, times, side="left")
        return np.arange(first_row, first_row + rows) * self.blocks // self.rows

    def describe(self) -> str:
        """Return a few words for the summary, e.g. ``12 blocks of 7d``."""
        if self.seconds is not None:
            return f"{self.blocks} blocks of {format_duration(self.seconds)}"
        return f"{self.blocks} blocks of equal count"
