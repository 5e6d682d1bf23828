"""False tickets of KpiDrop on a KPI that does not change, through the formula of its rule in numpy.

The recorded figures equal these formulas (tests/e2e/test_comparisons.py compares them on a real Prometheus); the
rule itself is evaluated on one below, over a month of figures, and says the same as this module's copy of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.significance import FALSE_PER_MONTH
from plumbline_alerting.comparison_queries import KPI_SAMPLES, kpi_drop, kpi_sigmas
from plumbline_alerting.scene import Scene
from support.recorded_history import fired

STEP = 900.0  # seconds between looks
DAY = int(86_400 / STEP)
SLOW, LONGEST = DAY, 7 * DAY
HOLD = 4  # ticket_for, 1h
LULL = SLOW // 2  # for which the ticket goes on

Values = Callable[[np.random.Generator, int], np.ndarray]


@dataclass
class Figures:
    """Recorded figures of a window, per look."""

    count: np.ndarray
    mean: np.ndarray
    stderr: np.ndarray


def stream(rng: np.random.Generator, values: Values, per_day: float, days: int) -> np.ndarray:
    """Events, sum and sum of squares of each step, shape (3, steps)."""
    n = rng.poisson(per_day / DAY, days * DAY)
    step, x = np.repeat(np.arange(len(n)), n), values(rng, int(n.sum()))
    sums = [np.bincount(step, weights=w, minlength=len(n)) for w in (x, x**2)]
    return np.array([n.astype(float), *sums])


def figures(steps: np.ndarray, width: int) -> Figures:
    """Mean, standard error and n of the window that ends at each step; NaN before the first is full."""
    total = np.cumsum(steps, axis=1)
    n, s, q = (np.concatenate([np.full(width, np.nan), row[width:] - row[:-width]]) for row in total)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = s / np.where(n > 0, n, np.nan)
        return Figures(n, mean, np.sqrt(np.maximum(q / n - mean**2, 0) / n))


def earlier(values: np.ndarray, by: int) -> np.ndarray:
    return np.concatenate([np.full(by, np.nan), values[:-by]])


def condition(
    slow: Figures, longest: Figures, z: float, floor: float = -np.inf, max_drop: float = np.inf
) -> np.ndarray:
    """The rule's condition at each look; see ``comparison_queries.kpi_drop``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = longest.stderr * np.sqrt(longest.count / slow.count)
        below = floor - slow.mean > z * np.fmax(slow.stderr, usual)
    found = np.ones(len(slow.mean), dtype=bool)
    for figure, past in ((longest, SLOW), (slow, LONGEST)):
        count, then, error = (earlier(v, past) for v in (figure.count, figure.mean, figure.stderr))
        if np.isfinite(max_drop):
            found &= then - slow.mean > np.abs(then) * max_drop
        found &= then - slow.mean > z * np.sqrt(slow.stderr**2 + error**2)
        found &= count >= KPI_SAMPLES
    return ((found & np.isfinite(max_drop)) | below) & (slow.count >= KPI_SAMPLES)


def tickets(condition_: np.ndarray) -> int:
    """How many tickets are opened: the condition holds for HOLD, a ticket goes on for LULL after it."""
    held = condition_.copy()
    for by in range(1, HOLD + 1):
        held[by:] &= condition_[:-by]
        held[:by] = False
    at = np.flatnonzero(held)
    return int(len(at) > 0) + int((np.diff(at) > LULL).sum())


def looks(steps: np.ndarray, z: float, **bounds: float) -> np.ndarray:
    return condition(figures(steps, SLOW), figures(steps, LONGEST), z, **bounds)


# Mean 10 each; the last two as a KPI per prediction, most of which bring nothing.
VALUES: dict[str, Values] = {
    "normal, a third of the mean": lambda rng, n: rng.normal(10, 3, n),
    "exponential": lambda rng, n: rng.exponential(10, n),
    "log-normal, twice the mean": lambda rng, n: rng.lognormal(np.log(10) - np.log(5) / 2, np.log(5) ** 0.5, n),
    "one in ten sells": lambda rng, n: (rng.random(n) < 0.1) * 100.0,
    "one in fifty sells": lambda rng, n: (rng.random(n) < 0.02) * 500.0,
}
FEW, MANY = 130.0, 1000.0  # events a day; of fewer than 130, many a day has no KPI_SAMPLES


@pytest.fixture(scope="module")
def z(root_catalogue: Catalogue) -> float:
    return kpi_sigmas(Scene(root_catalogue))


@pytest.mark.parametrize(("per_day", "months"), [(FEW, 400), (MANY, 60)])
@pytest.mark.parametrize("kind", VALUES)
def test_a_kpi_that_does_not_change_rarely_opens_a_ticket(kind: str, per_day: float, months: int, z: float) -> None:
    """Even one that stands on its floor, or may not drop at all."""
    steps = stream(np.random.default_rng(31), VALUES[kind], per_day, 30 * months + 8)
    allowed = FALSE_PER_MONTH * months
    assert tickets(looks(steps, z, floor=10.0)) <= allowed
    assert tickets(looks(steps, z, max_drop=0.0)) <= allowed
    assert tickets(looks(steps, z, floor=9.5, max_drop=0.1)) <= allowed


def test_the_windows_own_spread_alone_would_take_a_day_without_sales_for_certain(z: float) -> None:
    """What the spread of the longest window is for: no sale among 130 has a standard error of 0."""
    steps = stream(np.random.default_rng(32), VALUES["one in fifty sells"], FEW, 308)
    slow = figures(steps, SLOW)
    with np.errstate(invalid="ignore"):
        alone = (10.0 - slow.mean > z * slow.stderr) & (slow.count >= KPI_SAMPLES)
    assert tickets(alone) > 10 * 3
    assert tickets(looks(steps, z, floor=10.0)) <= 2


@pytest.mark.parametrize(
    ("kind", "per_day", "left"), [("normal, a third of the mean", FEW, 0.8), ("one in ten sells", MANY, 0.6)]
)
def test_a_real_drop_is_found_within_its_week(kind: str, per_day: float, left: float, z: float) -> None:
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(100 + seed)
        before, after = stream(rng, VALUES[kind], per_day, 15), stream(rng, VALUES[kind], per_day, 6)
        after[1] *= left
        after[2] *= left**2
        steps = np.concatenate([before, after], axis=1)
        found += tickets(looks(steps, z, max_drop=0.1)[15 * DAY :]) > 0
    assert found >= 38


@pytest.mark.e2e
def test_the_real_rule_on_a_real_prometheus_says_the_same_at_every_look(
    root_catalogue: Catalogue, tmp_path: Path, z: float
) -> None:
    rng = np.random.default_rng(33)
    parts = [stream(rng, VALUES["exponential"], 400, days) for days in (20, 3, 12)]
    parts[1][1] *= 0.75  # three bad days
    parts[1][2] *= 0.75**2
    steps = np.concatenate(parts, axis=1)
    slow, longest = figures(steps, SLOW), figures(steps, LONGEST)
    bounds = {"floor": 8.6, "max_drop": 0.1}
    scene = Scene(root_catalogue)
    assert (scene.slow, scene.longest) == ("1d", "7d")
    times = 1_700_006_400.0 + STEP * np.arange(steps.shape[1])
    of = 'model="m", kpi="fee", per="event"'
    series: dict[str, np.ndarray] = {
        f'{names.KPI_OBJECTIVE.name}{{{of}, bound="{kind}"}}': np.full(len(times), bound)
        for kind, bound in bounds.items()
    }
    series[f'{names.MODEL_INFO.name}{{model="m", version="1", owner="team", stage="production"}}'] = np.ones(len(times))
    for window, recorded in (("1d", slow), ("7d", longest)):
        series |= {
            f"{names.R_KPI_COUNT.over(window)}{{{of}}}": recorded.count,
            f"{names.R_KPI_MEAN.over(window)}{{{of}}}": recorded.mean,
            f"{names.R_KPI_STDERR.over(window)}{{{of}}}": recorded.stderr,
        }
    said = fired(kpi_drop(scene), series, times, tmp_path)
    expected = condition(slow, longest, z, **bounds)
    assert np.array_equal(said, expected)
    assert 20 < expected.sum() < len(expected) / 2
