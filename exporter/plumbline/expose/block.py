"""Blocks: how counts reach the scrape without one object per series.

A block holds many series of one metric: frozen label values and one numpy array. Everything exposed
(the engine's counters, the host's, the exporter's own) is a list of blocks, which ``plumbline.expose.text``
renders.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from plumbline.names import Metric

Floats = npt.NDArray[np.float64]

_GENERATIONS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """An example behind a histogram bucket (OpenMetrics only).

    Attributes:
        labels: e.g. {"request_id": "..."}; at most 128 characters in all.
        value: the observed value.
        timestamp: epoch seconds.
    """

    labels: dict[str, str]
    value: float
    timestamp: float


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Series of one metric that are rendered together.

    Attributes:
        metric: the family.
        key: unique among the blocks of one scrape and stable between scrapes; with ``generation`` it
            identifies the values, so a renderer may reuse bytes while neither changed.
        generation: changes whenever labels or values change.
        labels: n tuples of label values, in the order of ``metric.labels``.
        values: shape (n,) for counters and gauges; shape (n, len(buckets) + 1) of plain, not cumulative,
            bucket counts for histograms (the last is +Inf's own). NaN = this series is left out now.
        sums: shape (n,), sums of observed values; histograms only.
        exemplars: histograms only: (row, bucket) -> exemplar.
    """

    metric: Metric
    key: str
    generation: int
    labels: tuple[tuple[str, ...], ...]
    values: Floats
    sums: Floats | None = None
    exemplars: dict[tuple[int, int], Exemplar] = field(default_factory=dict)


def current(
    metric: Metric, values: Mapping[tuple[str, ...], float | Sequence[float]], sums: Floats | None = None
) -> Block:
    """Return a block of values by their labels that are read anew at each scrape, the only one of its metric."""
    numbers = np.array(list(values.values()), dtype=np.float64)
    return Block(metric, metric.name, next(_GENERATIONS), tuple(values), numbers, sums)
