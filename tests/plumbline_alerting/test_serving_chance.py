"""False pages about errors and latency, and false tickets about coverage, of a model that does not change.

Each rule is copied in numpy, and the copy is held against the rule on a real Prometheus. The model stands on its very
objective, which is the worst that is still no fault; most stand well inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.significance import FALSE_PAGES_PER_MONTH, page_sigmas, sigmas
from plumbline_alerting.model_queries import model_error_rate_critical, model_latency_critical
from plumbline_alerting.quality_queries import FALSE_PER_MONTH_OF_COVERAGE, outcome_coverage_low
from plumbline_alerting.query_parts import ERRORS_MINIMUM
from plumbline_alerting.scene import Scene
from support.recorded_history import fired

HOUR, SHORT = 60, 5  # minutes of the fast and the shortest window
PAGE_HOLD = 5  # alert_for
MINUTES = 30 * 24 * 60
MODEL = 'model="m", version="1"'


def window(counts: np.ndarray, width: int) -> np.ndarray:
    """Sum of the last ``width`` steps; NaN before there are as many."""
    total = np.cumsum(counts.astype(float))
    return np.concatenate([np.full(width, np.nan), total[width:] - total[:-width]])


def root(share: np.ndarray, n: np.ndarray, bound: float) -> np.ndarray:
    """Twice the binomial's log likelihood ratio; see ``query_parts.beyond``."""
    rest = 1 - share
    tiny = 1e-300
    with np.errstate(invalid="ignore"):
        return (
            2
            * n
            * (share * np.log(np.maximum(share, tiny) / bound) + rest * np.log(np.maximum(rest, tiny) / (1 - bound)))
        )


def incidents(condition: np.ndarray, hold: int, apart: int = 1) -> int:
    """How often the condition holds for ``hold`` more steps, times less than ``apart`` steps apart once."""
    held = condition.copy()
    for by in range(1, hold + 1):
        held[by:] &= condition[:-by]
        held[:by] = False
    at = np.flatnonzero(held)
    return int(len(at) > 0) + int((np.diff(at) > apart).sum())


@dataclass
class Bad:
    """Predictions, and the bad ones among them, of the fast and the shortest window, at each minute."""

    n: np.ndarray
    share: np.ndarray
    now: np.ndarray

    @classmethod
    def of(cls, rng: np.random.Generator, per_hour: float, share: float, months: float) -> Bad:
        steps = rng.poisson(per_hour / 60, int(months * MINUTES))
        bad = rng.binomial(steps, share)
        n, short = window(steps, HOUR), window(steps, SHORT)
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls(n, window(bad, HOUR) / n, window(bad, SHORT) / short)

    def beyond(self, bound: float, z: float) -> np.ndarray:
        """More than the bound by more than chance, and more than the bound now."""
        return (self.share > bound) & (root(self.share, self.n, bound) > z**2) & (self.now > bound)

    def failing(self, bound: float, z: float) -> np.ndarray:
        return self.beyond(bound, z) & (self.share * self.n > ERRORS_MINIMUM - 1e-6)

    def slow(self, z: float) -> np.ndarray:
        return self.beyond(0.01, z) & (self.n >= names.ALERT_LATENCY_SAMPLES)


@pytest.fixture(scope="module")
def z(root_catalogue: Catalogue) -> float:
    scene = Scene(root_catalogue)
    assert (scene.fast, scene.short) == ("1h", "5m")
    return page_sigmas(scene.fast)


@pytest.mark.parametrize(("per_hour", "months"), [(100, 90), (500, 90), (2000, 60)])
@pytest.mark.parametrize("bound", [0.001, 0.01, 0.05])
def test_errors_that_stand_on_their_objective_rarely_page(bound: float, per_hour: int, months: int, z: float) -> None:
    model = Bad.of(np.random.default_rng(41), per_hour, bound, months)
    assert incidents(model.failing(bound, z), PAGE_HOLD) <= max(1, FALSE_PAGES_PER_MONTH * months)


@pytest.mark.parametrize(("per_hour", "months"), [(120, 90), (500, 90), (2000, 60)])
def test_a_p99_that_stands_on_its_objective_rarely_pages(per_hour: int, months: int, z: float) -> None:
    model = Bad.of(np.random.default_rng(42), per_hour, 0.01, months)
    assert incidents(model.slow(z), PAGE_HOLD) <= max(1, FALSE_PAGES_PER_MONTH * months)


def test_without_the_likelihood_a_service_half_as_slow_as_it_may_be_would_page_every_week(z: float) -> None:
    model = Bad.of(np.random.default_rng(43), 120, 0.005, 20)
    alone = (model.share > 0.01) & (model.now > 0.01) & (model.n >= names.ALERT_LATENCY_SAMPLES)
    assert incidents(alone, PAGE_HOLD) > 4 * 20
    assert incidents(model.slow(z), PAGE_HOLD) == 0


@pytest.mark.parametrize(("per_hour", "share"), [(150, 0.3), (500, 0.05), (2000, 0.03)])
def test_a_fault_pages_within_its_first_hours(per_hour: int, share: float, z: float) -> None:
    rng = np.random.default_rng(44)
    found = [Bad.of(rng, per_hour, share, 3 / 24 / 30) for _ in range(100)]
    assert sum(incidents(m.failing(0.01, z), PAGE_HOLD) > 0 for m in found) >= 95
    assert sum(incidents(m.slow(z), PAGE_HOLD) > 0 for m in found) >= 95


DAY, WEEK, TICKET_HOLD = 96, 7 * 96, 4  # quarters of an hour


def coverage(
    rng: np.random.Generator, per_day: float, share: float, months: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(coverage, n) of the slow and the longest window."""
    mature = rng.poisson(per_day / DAY, months * 30 * DAY)
    known = rng.binomial(mature, share)
    return [(window(known, w) / np.maximum(window(mature, w), 1), window(mature, w)) for w in (DAY, WEEK)]


def uncovered(windows: list[tuple[np.ndarray, np.ndarray]], minimum: float) -> np.ndarray:
    found = np.zeros(len(windows[0][0]), dtype=bool)
    for (share, n), name in zip(windows, ("1d", "7d"), strict=True):
        found |= (
            (share < minimum)
            & (root(share, n, minimum) > sigmas(name, 1, FALSE_PER_MONTH_OF_COVERAGE) ** 2)
            & (n >= 100)
        )
    return found


@pytest.mark.parametrize("per_day", [130, 1000])
@pytest.mark.parametrize("minimum", [0.8, 0.9])
def test_coverage_that_stands_on_its_minimum_rarely_opens_a_ticket(minimum: float, per_day: int) -> None:
    months = 100
    windows = coverage(np.random.default_rng(45), per_day, minimum, months)
    # Either window may open one, which goes on for half a day.
    found = incidents(uncovered(windows, minimum), TICKET_HOLD, DAY // 2)
    assert found <= 2 * FALSE_PER_MONTH_OF_COVERAGE * months
    plain = (windows[0][0] < minimum) & (windows[0][1] >= 100)
    assert incidents(plain, TICKET_HOLD) > 10 * months


@pytest.mark.parametrize(("share", "days"), [(0.75, 3), (0.86, 14)])
def test_coverage_that_is_too_small_is_told_in_time(share: float, days: int) -> None:
    windows = coverage(np.random.default_rng(46), 200, share, 1)
    assert uncovered(windows, 0.9)[: days * DAY].any()


@pytest.mark.e2e
@pytest.mark.parametrize("about", ["errors", "latency", "coverage"])
def test_the_real_rules_on_a_real_prometheus_say_the_same_at_every_look(
    about: str, root_catalogue: Catalogue, tmp_path: Path, z: float
) -> None:
    scene, rng = Scene(root_catalogue), np.random.default_rng(47)
    ones = np.ones(4000)
    series = {f'{names.MODEL_INFO.name}{{{MODEL}, owner="team", stage="production"}}': ones}

    def objective(metric: str, value: float) -> None:
        series[f'{names.OBJECTIVE.name}{{{MODEL}, metric="{metric}"}}'] = value * ones

    if about == "coverage":
        parts = [coverage(rng, 300, share, 1) for share in (0.91, 0.86, 0.9)]
        windows = [tuple(np.concatenate([part[at][i] for part in parts])[: len(ones)] for i in (0, 1)) for at in (0, 1)]
        for (share, n), name in zip(windows, ("1d", "7d"), strict=True):
            series[f"{names.R_COVERAGE.over(name)}{{{MODEL}}}"] = share
            series[f"{names.R_INCREASES[names.PREDICTIONS_MATURED.name].over(name)}{{{MODEL}}}"] = n
        objective(names.OBJECTIVE_COVERAGE, 0.9)
        objective(names.OBJECTIVE_SAMPLES, 100)
        expr, step, expected = outcome_coverage_low(scene), 900.0, uncovered(windows, 0.9)
    else:
        months = len(ones) / 2 / MINUTES
        one, two = (Bad.of(rng, 300, share, months) for share in (0.01, 0.04))
        model = Bad(*(np.concatenate([getattr(one, f), getattr(two, f)]) for f in ("n", "share", "now")))
        if about == "errors":
            series[f"{names.R_INCREASES[names.PREDICTIONS.name].over('1h')}{{{MODEL}}}"] = model.n
            series[f"{names.R_ERRORS.over('1h')}{{{MODEL}}}"] = model.share
            series[f"{names.R_ERRORS.over('5m')}{{{MODEL}}}"] = model.now
            series[f"{names.R_INCREASES[names.PREDICTION_ERRORS.name].over('1h')}{{{MODEL}}}"] = (
                model.share * model.n + 1e-9
            )
            objective(names.OBJECTIVE_ERRORS, 0.01)
            expr, expected = model_error_rate_critical(scene), model.failing(0.01, z)
        else:
            # The p99 is above the objective where more than 1 % of the predictions are.
            series[f'{names.R_LATENCY_INCREASE.over("1h")}{{{MODEL}, le="+Inf"}}'] = model.n
            series[f"{names.R_LATENCY_SLOW.over('1h')}{{{MODEL}}}"] = model.share
            series[f"{names.R_LATENCY_P99.over('1h')}{{{MODEL}}}"] = np.where(model.share > 0.01, 0.3, 0.2)
            series[f"{names.R_LATENCY_P99.over('5m')}{{{MODEL}}}"] = np.where(model.now > 0.01, 0.3, 0.2)
            objective(names.OBJECTIVE_LATENCY, 0.25)
            expr, expected = model_latency_critical(scene), model.slow(z)
        step = 60.0
    times = 1_700_006_400.0 + step * np.arange(len(ones))
    said = fired(expr, series, times, tmp_path)
    assert np.array_equal(said, expected)
    assert 20 < expected.sum() < 0.9 * len(ones)
