"""Blocks hold as many observed days as a live window does, whatever days were held out."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.baseline.observed import observed_blocks
from plumbline.units import DAY_SECONDS as DAY

WEEK = 7 * DAY
MONDAY = 1_699_833_600.0  # 2023-11-13T00:00Z


def days(*numbers: int, rows: int = 24) -> np.ndarray:
    return np.concatenate([MONDAY + day * DAY + np.arange(rows) * 3600.0 for day in numbers])


def sizes(blocks: np.ndarray) -> list[int]:
    return [int((blocks == b).sum()) for b in range(blocks.max() + 1)]


def test_every_day_observed_gives_weeks():
    times = days(*range(35))
    assert observed_blocks(times, WEEK).tolist() == np.repeat(np.arange(5), 7 * 24).tolist()


def test_one_day_in_four_gives_blocks_of_seven_such_days():
    times = days(*range(0, 4 * 35, 4))
    assert observed_blocks(times, WEEK).tolist() == np.repeat(np.arange(5), 7 * 24).tolist()


def test_a_business_closed_at_weekends_has_weeks_of_five_days():
    times = days(*(day for day in range(35) if day % 7 < 5))
    assert observed_blocks(times, WEEK).tolist() == np.repeat(np.arange(5), 5 * 24).tolist()


@pytest.mark.parametrize("window", [2, 3, 7])
def test_of_a_model_that_runs_once_a_week_every_run_is_a_block(window):
    """Two days of the calendar hold less than half of such a day."""
    times = days(*range(0, 20 * 7, 7))
    assert observed_blocks(times, window * DAY).tolist() == np.repeat(np.arange(20), 24).tolist()


def test_days_cut_short_and_the_rest_are_in_no_block():
    times = np.concatenate([days(0, rows=3), days(*range(1, 31))])
    blocks = observed_blocks(times, WEEK)
    assert (blocks[:3] == -1).all()
    assert sizes(blocks) == [168] * 4
    assert (blocks[-2 * 24 :] == -1).all()


def test_less_than_four_weeks_are_cut_into_four():
    blocks = observed_blocks(days(*range(0, 88, 4)), WEEK)
    assert max(sizes(blocks)) - min(sizes(blocks)) <= 1
    assert blocks.max() == 3


def test_order_of_rows_does_not_matter():
    times = days(*range(35))
    order = np.random.default_rng(3).permutation(times.size)
    assert (observed_blocks(times[order], WEEK) == observed_blocks(times, WEEK)[order]).all()


def test_spread_is_that_of_whole_weeks_when_one_day_in_four_was_held_out():
    """Good and bad days: weeks of the calendar hold one or two such days and stray about twice as far."""
    random = np.random.default_rng(11)
    spread, calendar = [], []
    for _ in range(200):
        chosen = list(range(0, 4 * 84, 4))
        times = days(*chosen)
        errors = np.repeat(random.normal(20.0, 5.0, len(chosen)), 24) + random.normal(0.0, 1.0, times.size)
        blocks = observed_blocks(times, WEEK)
        spread.append(np.var([errors[blocks == b].mean() for b in range(blocks.max() + 1)], ddof=1))
        weeks = np.floor((times - MONDAY) / WEEK)
        calendar.append(np.var([errors[weeks == w].mean() for w in np.unique(weeks)], ddof=1))
    assert np.sqrt(np.mean(spread)) == pytest.approx(5.0 / np.sqrt(7.0), rel=0.05)
    assert np.sqrt(np.mean(calendar)) > 1.8 * np.sqrt(np.mean(spread))
