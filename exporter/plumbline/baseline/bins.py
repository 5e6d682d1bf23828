"""Bins: how they are chosen from reference values, and which bin a value falls into.

Reads reference values, returns the parts of a ``FeatureBins``; ``bin_numeric`` is the only code that decides a
number's bin, for the baseline and for live traffic alike. A category's is decided by ``plumbline.values``.

Numeric bins (METHODS: quantiles of the training rows, intervals (a, b] as Prometheus ``le``)::

    below | [min, e1] | (e1, e2] | ... | (e9, max] | above | missing

The inner edges e are the unique 10%, 20% ... 90% quantiles (for B = 10; numpy's linear method). Every
value that holds at least 1/B of the mass ends an interval, and leaves the interval before it if other
values are there: ``(a, v)`` and ``= v``. So a constant column has the bins below, ``= v`` and above, and
any move away from the constant is seen. An interval without a single reference row is no bin: it joins
the bin to its right. An empty bin would add only pseudo-counts to a PSI, and with a large reference
those alone can exceed the threshold of a small sample.

Infinite values, which no event and no table can carry, would be counted below and above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.names import MISSING, OTHER

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

TOP_CATEGORIES = 20
SCORE_BINS = 80  # docs/adr/0012-score-bins.md


@dataclass(frozen=True, slots=True)
class NumericBins:
    """Chosen numeric bins.

    Attributes:
        uppers: upper ends of all bins but *above* and *missing* (see ``FeatureBins.uppers``).
        labels: one text per bin, *missing* last.
    """

    uppers: tuple[float, ...]
    labels: tuple[str, ...]


def bin_numeric(values: Floats, uppers: npt.ArrayLike) -> Codes:
    """Return the bin index of each value.

    Args:
        values: shape (n,), float64; NaN = missing. Never float32: it moves values across edges.
        uppers: upper ends of all K bins but *above* and *missing*; an array where it is called often.

    Returns:
        Shape (n,): 0 = below the reference's minimum (so is -inf), K-2 = above its maximum (so is
        +inf), K-1 = missing; in between, the first bin whose upper end is not less than the value.
    """
    ends = np.asarray(uppers, dtype=np.float64)
    codes = np.searchsorted(ends, values, side="left")
    codes[np.isnan(values)] = len(ends) + 1
    return codes


def choose_numeric(sample: Floats, minimum: float, maximum: float, bins: int) -> NumericBins:
    """Choose numeric bins.

    Args:
        sample: finite reference values (all of them, or a random sample), at least one.
        minimum: smallest finite reference value.
        maximum: largest finite reference value.
        bins: B, the number of quantile bins.

    Returns:
        At most 2 B - 1 bins between minimum and maximum, and below, above, missing.
    """
    levels, counts = np.unique(sample, return_counts=True)
    heavy = levels[counts * bins >= sample.size]
    inner = np.unique(np.quantile(sample, np.arange(1, bins) / bins, method="linear"))
    edges = np.unique(np.concatenate([inner, heavy, [maximum]]))
    before_heavy = np.nextafter(heavy, -np.inf)
    below = float(np.nextafter(minimum, -np.inf))
    candidates = np.unique(np.concatenate([edges, before_heavy]))
    candidates = candidates[(candidates > below) & (candidates <= maximum)]
    # Rows up to each candidate; a candidate that adds no row closes an empty interval and is dropped.
    # Minimum and maximum are reference rows even where a sample has missed them.
    levels = np.unique(np.concatenate([levels, [minimum, maximum]]))
    upto = np.searchsorted(levels, candidates, side="right")
    keep = np.diff(np.concatenate([[0], upto])) > 0
    uppers = [below, *(float(u) for u in candidates[keep])]
    opened = set(before_heavy.tolist()) - set(edges.tolist())
    alone = {float(v) for v, first in zip(heavy, np.isin(before_heavy, uppers), strict=True) if first}
    return NumericBins(tuple(uppers), _numeric_labels(uppers, minimum, opened, alone))


def choose_categories(levels: Sequence[str], counts: Sequence[int]) -> tuple[list[str], list[str]]:
    """Choose the levels that get a bin, the 20 most frequent (ties in text order), and the labels of all bins.

    No category is part of its label (``"00"``): a value that only the data knows never becomes a Prometheus label.

    Args:
        levels: levels seen in the reference.
        counts: rows of each level.
    """
    ranked = sorted(zip(levels, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))
    categories = [level for level, _ in ranked[:TOP_CATEGORIES]]
    return categories, [*(f"{i:02d}" for i in range(len(categories))), OTHER, MISSING]


def declared_labels(categories: Sequence[str]) -> list[str]:
    """Return the labels of declared categories or classes: ``"00 EWR"``, ..., other, missing."""
    return [*(f"{i:02d} {text}" for i, text in enumerate(categories)), OTHER, MISSING]


def score_uppers(scores: Floats, bins: int = SCORE_BINS) -> Floats:
    """Return the upper ends of all score bins but the last: the unique inner quantiles."""
    return np.unique(np.quantile(scores, np.arange(1, bins) / bins, method="linear"))


def _numeric_labels(uppers: Sequence[float], minimum: float, opened: set[float], alone: set[float]) -> tuple[str, ...]:
    """Return the label of each bin; ``opened`` are upper ends that exclude the next value, a heavy one."""
    write = _shortest(uppers, minimum)
    labels = [f"00 < {write(minimum)}"]
    for i in range(1, len(uppers)):
        lower, upper = uppers[i - 1], uppers[i]
        if upper in alone or (i == 1 and upper == minimum):
            labels.append(f"{i:02d} = {write(upper)}")
            continue
        left = f"[{write(minimum)}" if i == 1 else f"({write(lower)}"
        if upper in opened:
            labels.append(f"{i:02d} {left}, {write(float(np.nextafter(upper, np.inf)))})")
        else:
            labels.append(f"{i:02d} {left}, {write(upper)}]")
    labels.append(f"{len(uppers):02d} > {write(uppers[-1])}")
    labels.append(MISSING)
    return tuple(labels)


class _shortest:  # noqa: N801 - it is called like a function
    """Writes numbers with the fewest digits (6 or more) that keep different ends apart."""

    __slots__ = ("_digits",)

    def __init__(self, uppers: Sequence[float], minimum: float) -> None:
        ends = {minimum, *uppers[1:]}
        # The last float below a heavy value is written as that value, so it need not differ from it.
        ends = {e for e in ends if float(np.nextafter(e, np.inf)) not in ends}
        self._digits = 17
        for digits in (6, 9, 12):
            if len({f"{e:.{digits}g}" for e in ends}) == len(ends):
                self._digits = digits
                break

    def __call__(self, value: float) -> str:
        """Return the value's text."""
        text = f"{value:.{self._digits}g}"
        return "0" if text == "-0" else text
