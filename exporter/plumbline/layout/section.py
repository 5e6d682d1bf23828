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

    def rows(self) -> Iterable[tuple[tuple[str, ...], list[str]]]:
        """Yield each row and the names of its cells: a changed layout takes over what it still has."""
        for row in self.labels:
            yield row, ["\x1f".join((self.metric.name, *row, str(at))) for at in range(self.columns)]

    def keys(self) -> Iterable[str]:
        """Name every cell."""
        return (key for _, keys in self.rows() for key in keys)


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
