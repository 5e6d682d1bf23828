"""Sections: consecutive cells of one metric, handed out one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.names import Metric

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive cells of one metric.

    Attributes:
        metric: the family.
        labels: one tuple of label values per row.
        offset: index of the first cell.
        columns: cells per row: 1, or buckets + 1 counts and a sum for a histogram.
    """

    metric: Metric
    labels: tuple[tuple[str, ...], ...]
    offset: int
    columns: int

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.labels) * self.columns

    @property
    def end(self) -> int:
        """Index after the last cell."""
        return self.offset + self.size

    def keys(self) -> Iterable[str]:
        """Name every cell, so that a changed layout can take over what it still has."""
        for row in self.labels:
            for column in range(self.columns):
                yield "\x1f".join((self.metric.name, *row, str(column)))


class LayoutBuilder:
    """Hands out consecutive cells."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.size = 0

    def add(self, metric: Metric, rows: Iterable[tuple[str, ...]]) -> Section:
        """Reserve cells for the rows of a metric."""
        columns = len(metric.buckets) + 2 if metric.kind == "histogram" else 1
        section = Section(metric, tuple(rows), self.size, columns)
        self.sections.append(section)
        self.size += section.size
        return section
