"""The canary's test under repeated looks: false alarms and power, through the formula of its rules in numpy.

The recorded series equal these formulas (tests/e2e/test_comparisons.py compares them on a real Prometheus).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from plumbline_alerting.comparison_queries import CANARY_EFFECT, CANARY_FALSE_ALARM, CANARY_LINE, ERRORS_MINIMUM
from plumbline_alerting.trials import MIXTURE

LOOKS = 100
MINIMUM = 100  # outcome.minimum_samples

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def looks(rng: np.random.Generator, draw: Draw, trials: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Running (n, sum, sum of squares) of an arm at each look, shape (trials, LOOKS)."""
    losses = draw(rng, (trials, rows)).reshape(trials, LOOKS, -1)
    n = np.cumsum(np.full((trials, LOOKS), losses.shape[2], dtype=float), axis=1)
    return n, losses.sum(axis=2).cumsum(axis=1), (losses**2).sum(axis=2).cumsum(axis=1)


def compare(candidate: tuple[np.ndarray, ...], production: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """The recorded figures of a trial; see plumbline_alerting.trials."""
    (n1, s1, q1), (n0, s0, q0) = candidate, production
    difference = s1 / n1 - s0 / n0
    rows = 1 / (1 / n1 + 1 / n0)
    separate = (q1 / n1 - (s1 / n1) ** 2) / n1 + (q0 / n0 - (s0 / n0) ** 2) / n0
    pooled = ((q1 + q0) / (n1 + n0) - ((s1 + s0) / (n1 + n0)) ** 2) / rows
    variance = np.maximum(separate, pooled)
    t = MIXTURE**2 * rows
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = t / (1 + t) * difference**2 / variance / 2 - np.log(1 + t) / 2
    return {"difference": difference, "stderr": np.sqrt(variance), "rows": rows, "evidence": evidence}


def alarms(
    rng: np.random.Generator, candidate: Draw, production: Draw, trials: int, rows: tuple[int, int], counted: bool
) -> np.ndarray:
    """Whether the alert's condition held at any look, by trial."""
    arm = looks(rng, candidate, trials, rows[0])
    found = compare(arm, looks(rng, production, trials, rows[1]))
    fires = (found["evidence"] > CANARY_LINE) & (
        found["difference"] > CANARY_EFFECT * found["stderr"] * np.sqrt(found["rows"])
    )
    fires &= arm[0] >= MINIMUM
    if counted:
        fires &= arm[1] >= ERRORS_MINIMUM
    return fires.any(axis=1)


def wrong(share: float) -> Draw:
    return lambda rng, shape: (rng.random(shape) < share).astype(float)


def errors(scale: float) -> Draw:
    return lambda rng, shape: np.abs(rng.standard_t(4, shape)) * scale  # heavier tails than the normal's


ALIKE = {
    "half wrong, equal traffic": (wrong(0.5), (5000, 5000), True),
    "a tenth wrong, small canary": (wrong(0.1), (1000, 19000), True),
    "one in a hundred fails, small canary": (wrong(0.01), (1000, 19000), True),
    "two in a thousand fail": (wrong(0.002), (5000, 15000), True),
    "absolute errors": (errors(10.0), (1000, 9000), False),
}


@pytest.mark.parametrize("case", ALIKE)
def test_a_canary_that_is_no_worse_rarely_alarms_however_often_one_looks(case: str) -> None:
    draw, rows, counted = ALIKE[case]
    trials = 150
    found = alarms(np.random.default_rng(21), draw, draw, trials, rows, counted)
    assert found.sum() <= trials * CANARY_FALSE_ALARM


def test_a_plain_z_test_at_five_percent_would_alarm_in_every_third_trial() -> None:
    """What the sequential test is for (Johari et al.): the same looks with 1.96 standard errors."""
    rng = np.random.default_rng(22)
    found = compare(looks(rng, wrong(0.2), 500, 5000), looks(rng, wrong(0.2), 500, 5000))
    plain = (np.abs(found["difference"]) > 1.96 * found["stderr"]).any(axis=1).mean()
    always_valid = (found["evidence"] > np.log(1 / 0.05)).any(axis=1).mean()
    assert 0.25 < plain < 0.5
    assert always_valid < 0.04


@pytest.mark.parametrize(
    ("candidate", "production", "rows", "counted"),
    [
        (wrong(0.3), wrong(0.2), (3000, 3000), True),
        (wrong(0.3), wrong(0.2), (1500, 28500), True),
        (wrong(0.05), wrong(0.01), (1000, 19000), True),
        (errors(12.5), errors(10.0), (2000, 18000), False),
    ],
)
def test_a_canary_that_is_worse_is_found(
    candidate: Draw, production: Draw, rows: tuple[int, int], counted: bool
) -> None:
    found = alarms(np.random.default_rng(23), candidate, production, 60, rows, counted)
    assert found.mean() > 0.95


def coin_evidence(steps: np.ndarray) -> np.ndarray:
    """The shadow's log likelihood ratio after each decided pair; steps are +1 or -1."""
    n = np.arange(1, steps.shape[1] + 1)
    t = MIXTURE**2 * n
    return t / (1 + t) * steps.cumsum(axis=1) ** 2 / n / 2 - np.log(1 + t) / 2


def test_pairs_of_equal_versions_exceed_the_line_within_its_error_though_every_pair_is_looked_at() -> None:
    rng = np.random.default_rng(24)
    fair = rng.choice([-1.0, 1.0], (4000, 1000))
    assert 0.005 < (coin_evidence(fair) > np.log(20)).any(axis=1).mean() < 0.05
    plain = np.abs(fair.cumsum(axis=1)) > 1.96 * np.sqrt(np.arange(1, 1001))
    assert plain[:, 30:].any(axis=1).mean() > 0.3  # McNemar's test looked at as often


def test_a_shadow_that_wins_three_of_five_decided_pairs_is_found() -> None:
    better = np.where(np.random.default_rng(25).random((500, 1000)) < 0.6, 1.0, -1.0)
    assert (coin_evidence(better) > np.log(20)).any(axis=1).mean() > 0.95
