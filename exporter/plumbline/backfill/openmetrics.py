"""Series as OpenMetrics text with timestamps, the form that ``promtool`` makes blocks of.

Reads blocks (``plumbline.expose.block``), writes lines. The samples carry no TYPE lines: TSDB blocks do
not hold metadata, and without them the families need not be contiguous, so the text can be written step
by step and history may be larger than memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import IO

import numpy as np

from plumbline.expose.block import Block
from plumbline.expose.text import escape_label, go_float

END = "# EOF\n"


def series_text(name: str, labels: Mapping[str, str]) -> str:
    """Return ``name{a="x",b="y"}``; a label without a value is left out, as Prometheus does."""
    inner = ",".join(f'{key}="{escape_label(value)}"' for key, value in labels.items() if value)
    return f"{name}{{{inner}}}" if inner else name


class BlockWriter:
    """Writes the samples of engine blocks; label text is made once per block layout.

    Attributes:
        samples: number of samples written so far.
    """

    def __init__(self, extra_labels: Mapping[str, str]) -> None:
        self.samples = 0
        self._extra = dict(extra_labels)
        self._cache: dict[str, tuple[tuple[tuple[str, ...], ...], list[str]]] = {}

    def write(self, blocks: Iterable[Block], time: float, out: IO[str]) -> None:
        """Write one sample per series at ``time`` (epoch seconds); NaN values are left out."""
        stamp = f" {time:.3f}\n"
        for block in blocks:
            prefixes = self._prefixes(block)
            values = _flat_values(block)
            lines = [
                f"{prefix} {value!r}{stamp}"
                for prefix, value in zip(prefixes, values, strict=True)
                if not math.isnan(value)
            ]
            self.samples += len(lines)
            out.write("".join(lines))

    def _prefixes(self, block: Block) -> list[str]:
        known = self._cache.get(block.key)
        if known is not None and (known[0] is block.labels or known[0] == block.labels):
            return known[1]
        prefixes: list[str] = []
        metric = block.metric
        for values in block.labels:
            labels = {**dict(zip(metric.labels, values, strict=True)), **self._extra}
            if metric.kind == "histogram":
                prefixes += [
                    series_text(f"{metric.name}_bucket", {**labels, "le": go_float(bound)})
                    for bound in (*metric.buckets, math.inf)
                ]
                prefixes.append(series_text(f"{metric.name}_count", labels))
                prefixes.append(series_text(f"{metric.name}_sum", labels))
            else:
                prefixes.append(series_text(metric.name, labels))
        self._cache[block.key] = (block.labels, prefixes)
        return prefixes


def _flat_values(block: Block) -> list[float]:
    """Return the values in the order of the prefixes; histogram buckets become cumulative."""
    if block.metric.kind != "histogram":
        values: list[float] = block.values.tolist()
        return values
    cumulative = np.cumsum(block.values, axis=1)
    sums = block.sums if block.sums is not None else np.full(len(block.labels), np.nan)
    rows = np.concatenate([cumulative, cumulative[:, -1:], sums[:, None]], axis=1)
    flat: list[float] = rows.ravel().tolist()
    return flat
