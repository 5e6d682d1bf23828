"""How much of a feature was already missing at the worst moment of the reference.

A share of missing values is no accident of sampling: a station is silent for a day, a partner sends
nothing at night. What the reference itself shows over a window of some length is no fault when it comes
again, so FeatureBroken asks for more than that. Windows slide, because the rule's windows do: a day
without values from noon to noon is half a day in each of two calendar days.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A window with fewer rows has no share worth the name; the alert asks for as many.
FEWEST_ROWS = 30
_PARTS = 4  # of the shortest window: how finely windows slide
_MOST_SLOTS = 200_000


class PeakCounter:
    """Counts rows, and those with a problem, in slots of time.

    Args:
        windows: name of each window and its length in seconds.
        start: time of the first row; epoch seconds.
        end: time of the last.
    """

    def __init__(self, windows: Mapping[str, float], start: float, end: float) -> None:
        self._windows = dict(windows)
        shortest = min(self._windows.values(), default=end - start)
        self._slot = max(shortest / _PARTS, (end - start) / _MOST_SLOTS, 1e-3)
        self._start = start
        self._slots = int((end - start) // self._slot) + 1
        self._rows = np.zeros(self._slots, np.int64)
        self._hits: dict[str, Ints] = {}

    def add_rows(self, times: Floats) -> Ints:
        """Count a batch of rows and return the slot of each, to be given to ``add``."""
        slots = np.clip((times - self._start) // self._slot, 0, self._slots - 1).astype(np.int64)
        self._rows += np.bincount(slots, minlength=self._slots)
        return slots

    def add(self, key: str, slots: Ints) -> None:
        """Count rows of the batch that have the problem ``key``."""
        if not slots.size:
            return
        if key not in self._hits:
            self._hits[key] = np.zeros(self._slots, np.int64)
        self._hits[key] += np.bincount(slots, minlength=self._slots)

    def peaks(self, key: str) -> dict[str, float]:
        """Return the largest share per window, over every position of it that holds enough rows.

        A reference shorter than a window is one window. Empty if the problem never occurred.
        """
        if key not in self._hits:
            return {}
        found = {}
        for name, seconds in self._windows.items():
            width = min(max(round(seconds / self._slot), 1), self._slots)
            rows, hits = _sliding(self._rows, width), _sliding(self._hits[key], width)
            enough = rows >= FEWEST_ROWS
            if enough.any():
                found[name] = float((hits[enough] / rows[enough]).max())
        return {name: share for name, share in found.items() if share > 0.0}


def _sliding(counts: Ints, width: int) -> Ints:
    total = np.concatenate([[0], np.cumsum(counts)])
    sums: Ints = total[width:] - total[:-width]
    return sums
