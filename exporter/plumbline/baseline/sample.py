"""A sample of rows to choose bins from: all of them up to a limit, a deterministic reservoir beyond.

Reads batches, holds at most ``limit`` rows. Which rows are kept depends only on their order, so the same
table gives the same bins on any machine and with any batch size. Algorithm R (Vitter 1985, "Random
Sampling with a Reservoir"), a batch at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from plumbline.baseline.convert import TextColumn

Floats = npt.NDArray[np.float64]
_T = TypeVar("_T", bound=np.generic)

SAMPLE_ROWS = 1_000_000
_SEED = 20130101


class RowSample:
    """Rows kept from a stream of batches.

    Args:
        numbers: keys of number columns.
        texts: keys of text columns.
        limit: most rows to keep.
    """

    def __init__(self, numbers: list[str], texts: list[str], limit: int = SAMPLE_ROWS) -> None:
        self._limit = limit
        self._seen = 0
        self._random = np.random.default_rng(_SEED)
        self._numbers: dict[str, Floats] = {key: np.empty(0) for key in numbers}
        self._codes: dict[str, npt.NDArray[np.int64]] = {key: np.empty(0, np.int64) for key in texts}
        self._levels: dict[str, dict[str, int]] = {key: {} for key in texts}

    def add(self, rows: int, numbers: Mapping[str, Floats], texts: Mapping[str, TextColumn]) -> None:
        """Offer a batch of ``rows`` rows; columns beyond those asked for are ignored."""
        source, target = self._places(rows)
        kept = min(self._seen + rows, self._limit)
        for key, held in self._numbers.items():
            self._numbers[key] = held = _grown(held, kept)
            held[target] = numbers[key][source]
        for key, codes in self._codes.items():
            self._codes[key] = codes = _grown(codes, kept)
            codes[target] = self._global_codes(key, texts[key], source)
        self._seen += rows

    def _places(self, rows: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return which rows of the batch are kept and where; a later row replaces an earlier one."""
        order = np.arange(self._seen, self._seen + rows)
        # Drawn for every row beyond the limit, so the draw of a row does not depend on the batches.
        beyond = order[order >= self._limit]
        draws = (self._random.random(beyond.size) * (beyond + 1)).astype(np.intp)
        places = np.concatenate([order[order < self._limit], draws])
        kept = np.flatnonzero(places < self._limit)
        # Of several rows for one place the last stays: keep each place's last occurrence.
        reversed_places = places[kept][::-1]
        _, last = np.unique(reversed_places, return_index=True)
        chosen = kept[::-1][last]
        return chosen, places[chosen]

    def _global_codes(self, key: str, column: TextColumn, source: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        levels = self._levels[key]
        codes = column.codes[source]
        table = np.full(len(column.levels) + 1, -1, np.int64)  # the last entry serves code -1
        for code in np.unique(codes[codes >= 0]):
            table[code] = levels.setdefault(column.levels[code], len(levels))
        return table[codes]

    def numbers(self, key: str) -> Floats:
        """Return the sampled values of a number column, NaN = missing."""
        return self._numbers[key]

    def texts(self, key: str) -> tuple[list[str], list[int]]:
        """Return the sampled levels of a text column and how many rows have each."""
        codes = self._codes[key]
        levels = list(self._levels[key])
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        present = [(level, int(count)) for level, count in zip(levels, counts, strict=True) if count]
        return [level for level, _ in present], [count for _, count in present]


def _grown(held: npt.NDArray[_T], size: int) -> npt.NDArray[_T]:
    if held.size >= size:
        return held
    grown = np.empty(size, held.dtype)
    grown[: held.size] = held
    return grown
