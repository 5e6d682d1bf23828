"""Windows sized in outcomes, and how many standard errors a ticket must exceed."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.catalogue.model import Catalogue, Evaluation
from plumbline_alerting.significance import FALSE_PER_MONTH, crossings_per_month, sigmas
from plumbline_alerting.sized import FAST, SLOW, candidates


def test_roles_take_the_declared_window_or_a_longer_one(root_catalogue: Catalogue) -> None:
    changed = root_catalogue.model_copy(update={"evaluation": Evaluation()})
    assert candidates(changed, FAST) == ["1h", "6h", "1d", "7d"]
    assert candidates(changed, SLOW) == ["1d", "7d"]


@pytest.mark.parametrize("z", [2.0, 2.5, 3.0])
def test_moving_averages_of_noise_cross_as_often_as_the_formula_says(z: float) -> None:
    """A hundred years of white noise, averaged over a day, looked at every 15 minutes."""
    random = np.random.default_rng(7)
    per_day, days = 96, 36_500
    total = np.concatenate([[0.0], np.cumsum(random.normal(size=per_day * days))])
    average = (total[per_day:] - total[:-per_day]) / np.sqrt(per_day)
    above = np.flatnonzero(average > z)
    # One alarm is what lies closer together than a window: the same values make both.
    alarms = 1 + int((np.diff(above) > per_day).sum())
    assert alarms / (days / 30.4375) == pytest.approx(crossings_per_month(z, "1d", 1), rel=0.25)


def test_the_threshold_is_the_smallest_that_keeps_the_peace() -> None:
    for window, sides in (("1d", 1), ("1d", 2), ("7d", 1), ("7d", 2)):
        z = sigmas(window, sides)
        assert crossings_per_month(z, window, sides) <= FALSE_PER_MONTH
        assert crossings_per_month(z - 0.1, window, sides) > FALSE_PER_MONTH
    assert sigmas("7d", 1) < sigmas("1d", 1) < sigmas("1d", 2) < 4
