"""False tickets of SliceDisparity on groups that do not differ, through the formula of its rules in numpy.

The recorded series equal these formulas (tests/e2e/test_comparisons.py compares them with scipy).
"""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.catalogue.model import Model
from plumbline.fairness import DEFAULT_BOUNDS, alarm_sigmas

DAYS, WINDOW = 30, 7
MINIMUM = 100  # outcome.minimum_samples


def model(values: int) -> Model:
    return Model.model_validate(
        {
            "task": "binary",
            "owner": "team",
            "features": {"x": {"type": "numeric"}},
            "classes": ["0", "1"],
            "positive_class": "1",
            "slices": {"g": [f"v{i}" for i in range(values)]},
        }
    )


def log_likelihood(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    share = hits / np.maximum(rows, 1)
    return hits * np.log(np.clip(share, 1e-300, None)) + (rows - hits) * np.log(np.clip(1 - share, 1e-300, None))


def sigmas(bad: np.ndarray, rows: np.ndarray, bad_rest: np.ndarray, rows_rest: np.ndarray) -> np.ndarray:
    ratio = log_likelihood(bad, rows) + log_likelihood(bad_rest, rows_rest)
    return np.sqrt(2 * np.clip(ratio - log_likelihood(bad + bad_rest, rows + rows_rest), 0, None))


def tickets(rng: np.random.Generator, months: int, rate: float, per_day: np.ndarray, excess: float = 0.0) -> np.ndarray:
    """Whether each model-month has a ticket; the window moves by a quarter of a day at a time.

    Args:
        rng: source of chance.
        months: model-months.
        rate: share of bad rows of every group.
        per_day: rows a day of each group.
        excess: added to the rate of the first group.
    """
    steps = DAYS * 4
    rows = rng.poisson(per_day / 4, (months, steps + WINDOW * 4, len(per_day)))
    rates = np.full(len(per_day), rate)
    rates[0] += excess
    bad = rng.binomial(rows, rates)
    width = WINDOW * 4

    def windows(counts: np.ndarray) -> np.ndarray:
        total = np.cumsum(counts, axis=1)
        return (total[:, width:] - total[:, :-width]).astype(float)

    n, x = windows(rows), windows(bad)
    rest, worse = n.sum(axis=2, keepdims=True) - n, x.sum(axis=2, keepdims=True) - x
    difference = x / np.maximum(n, 1) - worse / np.maximum(rest, 1)
    z = alarm_sigmas(model(len(per_day)))
    fires = (difference >= DEFAULT_BOUNDS["accuracy"]) & (sigmas(x, n, worse, rest) > z)
    fires &= (n >= MINIMUM) & (rest >= MINIMUM)
    return fires.any(axis=(1, 2))


GROUPS = {
    "two alike": np.array([300.0, 300.0]),
    "one small": np.array([20.0, 700.0]),
    "many": np.array([16.0, 20.0, 40.0, 40.0, 60.0, 100.0, 200.0, 300.0]),
}


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_groups_that_do_not_differ_open_less_than_one_ticket_in_thirty_model_months(groups: str, rate: float) -> None:
    false = tickets(np.random.default_rng(11), 120, rate, GROUPS[groups])
    assert false.sum() <= 120 / 30


def test_without_the_correction_and_the_bound_chance_would_open_many() -> None:
    """The test above can fail: at a plain 95 % most months have a ticket."""
    rng = np.random.default_rng(11)
    rows = rng.poisson(GROUPS["many"] * WINDOW, (2000, 8)).astype(float)
    bad = rng.binomial(rows.astype(int), 0.3).astype(float)
    n, x = rows.sum(axis=1, keepdims=True), bad.sum(axis=1, keepdims=True)
    found = sigmas(bad, rows, x - bad, n - rows) > 1.96
    assert 0.2 < found.any(axis=1).mean() < 0.5


@pytest.mark.parametrize("groups", GROUPS)
def test_a_group_twice_as_often_wrong_is_found(groups: str) -> None:
    # Groups of a few hundred rows a window need a large difference; that is what the data can show.
    found = tickets(np.random.default_rng(12), 60, 0.15, GROUPS[groups], excess=0.2)
    assert found.mean() > 0.95
