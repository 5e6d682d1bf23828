"""Blocks of observed time: how held-out rows are cut to see how much a model's quality varies by itself.

A live window of a week holds seven days. Rows are often held out by the day (one in four, say), and a week
of the calendar then holds one or two of them: the means of such weeks stray about twice as far as those of
whole ones, and an alert that takes that for noise sleeps through real losses. So a block is made of as many
*observed* days as the block's length has, consecutive among those that have rows. Days of the week that
never have any (a business that is closed on Sundays) are no gap: a week of such a model has six days.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plumbline.baseline.blocks import MINIMUM_BLOCKS
from plumbline.units import DAY_SECONDS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

SHORTEST = 2 * DAY_SECONDS  # of a block; shorter ones are cut by the clock
MOST_BLOCKS = 5_000
FEWEST_ROWS = 30  # of a block; with fewer there is sampling to see and nothing else
_CUT_SHORT = 0.5  # of the median rows of a day: with fewer it was not observed, or not for long
_WEEK = 7


def observed_blocks(times: Floats, seconds: float) -> Ints:
    """Return the block of each row, -1 = in none (a day cut short, or the rest that fills no block).

    Where the rows fill fewer than ``MINIMUM_BLOCKS``, that many of equal count in order of time: the spread
    falls with the length of a block, which is then as near the wanted one as so many blocks can be.

    Args:
        times: shape (n,), n of at least 1, epoch seconds, in any order.
        seconds: the wanted length of a block; at least ``SHORTEST``.
    """
    days, inverse, rows = np.unique(np.floor(times / DAY_SECONDS), return_inverse=True, return_counts=True)
    observed = rows >= _CUT_SHORT * np.median(rows)
    weekdays = np.unique(days[observed] % _WEEK).size
    # At least one: of a model that runs on Mondays only, two days of the calendar may hold none.
    per_block = max(round(seconds / DAY_SECONDS * weekdays / _WEEK), 1)
    blocks = int(observed.sum()) // per_block
    if blocks < MINIMUM_BLOCKS:
        edges = np.quantile(times, np.arange(1, MINIMUM_BLOCKS) / MINIMUM_BLOCKS, method="lower")
        return np.searchsorted(edges, times, side="left")
    number = np.where(observed, (np.cumsum(observed) - 1) // per_block, -1)
    number[number >= blocks] = -1
    index: Ints = number[inverse].astype(np.intp)
    return index


def window_blocks(times: Floats, seconds: float) -> Ints | None:
    """Return the block of each row for a window of the rules, -1 = in none; None if blocks would say nothing.

    As ``observed_blocks`` from ``SHORTEST`` on. Shorter windows are cut by the clock; those with less than
    half the median rows are left out (nights). None with too few rows in most of them, or with too few or
    too many of them.

    Args:
        times: shape (n,), n of at least 1, epoch seconds, in any order.
        seconds: length of the window.
    """
    if seconds >= SHORTEST:
        return observed_blocks(times, seconds)
    _, inverse, rows = np.unique(np.floor(times / seconds), return_inverse=True, return_counts=True)
    kept = rows >= _CUT_SHORT * np.median(rows)
    if not MINIMUM_BLOCKS <= int(kept.sum()) <= MOST_BLOCKS or np.median(rows) < FEWEST_ROWS:
        return None
    index: Ints = np.where(kept, np.cumsum(kept) - 1, -1)[inverse].astype(np.intp)
    return index
