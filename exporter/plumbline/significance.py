"""How many standard errors a ticket's condition must exceed, from the false tickets people can bear.

A window that slides is looked at all the time, so "3 standard errors" is crossed far more often than the
normal table says of one look. For a moving average over windows of length T the crossings of a level z
come at random, at a rate of z phi(z) / T (Aldous 1989, "Probability Approximations via the Poisson Clumping
Heuristic", C5, the covariance falling linearly from 1 to 0 over T): at z = 3 and a day's window 0.4 a
month on one side. So a shorter window needs a higher z for the same peace.
"""

from __future__ import annotations

from statistics import NormalDist

from plumbline.units import MONTH_SECONDS, parse_duration

FALSE_PER_MONTH = 0.2  # of one ticket; the fatigue budget is 1 for all tickets of a model together
# Of one page: a tenth of the fatigue budget, 1 per model-quarter for all pages together.
FALSE_PAGES_PER_MONTH = 1 / 30
SHORTEST_OF_PAGES = "1h"  # as SHORTEST, of fast windows
SHORTEST = "6h"  # shorter slow windows are those of demos and tests, whose months are short as well


def crossings_per_month(z: float, window: str, sides: int) -> float:
    """Return how often a month the moving average of a noise strays beyond z standard deviations.

    Args:
        z: at least 1; below, the crossings are no rare events and the formula means nothing.
        window: of the average, e.g. ``1d``.
        sides: 1 or 2.
    """
    return sides * z * NormalDist().pdf(z) * MONTH_SECONDS / parse_duration(window)


def sigmas(window: str, sides: int, allowed: float = FALSE_PER_MONTH) -> float:
    """Return the smallest z, in tenths from 2 on, that noise crosses at most ``allowed`` times a month."""
    return _smallest(max(window, SHORTEST, key=parse_duration), sides, allowed)


def page_sigmas(window: str) -> float:
    """Return the same for one side of a page's window, of ``FALSE_PAGES_PER_MONTH``."""
    return _smallest(max(window, SHORTEST_OF_PAGES, key=parse_duration), 1, FALSE_PAGES_PER_MONTH)


def _smallest(window: str, sides: int, allowed: float) -> float:
    tenths = 20
    while crossings_per_month(tenths / 10, window, sides) > allowed and tenths < 100:
        tenths += 1
    return tenths / 10
