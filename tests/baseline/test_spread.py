"""The spread of quality between windows, of each length that the rules look over."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from plumbline.baseline.artefact import Quality
from plumbline.baseline.quality import Rows, measure, split
from plumbline.baseline.spread import squared_errors, window_gap_spreads, window_spreads

DAY = 86_400.0
MONDAY = 1_699_833_600.0
WINDOWS = {"5m": 300.0, "1h": 3600.0, "6h": 21_600.0, "1d": DAY, "7d": 7 * DAY}


def regression(days: int, per_day: int, between: float, seed: int) -> tuple[Rows, np.ndarray]:
    """Errors of standard deviation 1 around days that are better and worse by ``between``."""
    random = np.random.default_rng(seed)
    times = MONDAY + np.sort(random.uniform(0.0, days * DAY, days * per_day))
    day = ((times - MONDAY) // DAY).astype(int)
    error = 10.0 + random.normal(0.0, between, days)[day] + random.normal(0.0, 1.0, times.size)
    return Rows(error, np.zeros(times.size), None, np.zeros(times.size, np.intp)), times


def test_it_is_what_windows_stray_without_sampling() -> None:
    """A day strays by the spread of days, a week by that over the square root of 7, whatever the rows."""
    found = []
    for seed in range(20):
        rows, times = regression(140, 60, 2.0, seed)
        found.append(window_spreads(rows, times, WINDOWS, "regression", 0)["mae"])
    assert np.sqrt(np.mean([f["1d"] ** 2 for f in found])) == pytest.approx(2.0, rel=0.05)
    assert np.sqrt(np.mean([f["7d"] ** 2 for f in found])) == pytest.approx(2.0 / 7**0.5, rel=0.1)


def test_where_nothing_but_sampling_varies_nothing_is_left_of_it() -> None:
    rows, times = regression(140, 60, 0.0, 1)
    found = window_spreads(rows, times, WINDOWS, "regression", 0)
    assert found["mae"]["1d"] < 0.3 / 60**0.5  # a day's standard error is 1 / sqrt(60)
    # R2 has no standard error in the rules, so its spread keeps the sampling.
    assert found["rmse"]["1d"] == pytest.approx(1.0 / 60**0.5, rel=0.2)


def test_windows_with_too_few_rows_are_derived() -> None:
    rows, times = regression(140, 60, 2.0, 3)
    found = window_spreads(rows, times, WINDOWS, "regression", 0)["mae"]
    assert set(found) == {"1d", "7d"}  # 15 rows in 6h
    quality = Quality(value=1.0, stddev=0.5, rows=1, spreads=found)
    assert quality.spread_over("1d") == found["1d"]
    assert quality.spread_over("6h") == pytest.approx(found["1d"] * 2.0)
    assert quality.spread_over("30d") == found["7d"]
    assert Quality(value=1.0, stddev=0.5, rows=1).spread_over("1d") is None


def test_standard_errors_are_what_resampling_shows() -> None:
    random = np.random.default_rng(5)
    score = random.beta(2.0, 3.0, 4000)
    actual = (random.random(4000) < score).astype(float)
    predicted = (score > 0.5).astype(float)
    rows = Rows(predicted, actual, score, np.zeros(4000, np.intp))
    known = squared_errors(rows, measure(rows, "binary", 1), "binary", 1)
    drawn: dict[str, list[float]] = {name: [] for name in known}
    for _ in range(300):
        pick = random.integers(0, 4000, 4000)
        y, p, s = actual[pick], predicted[pick], score[pick]
        drawn["accuracy"].append(np.mean(y == p))
        drawn["precision"].append(y[p == 1].mean())
        drawn["recall"].append(p[y == 1].mean())
        drawn["f1"].append(f1_score(y, p))
        drawn["roc_auc"].append(roc_auc_score(y, s))
        drawn["brier"].append(brier_score_loss(y, s))
    for name, variance in known.items():
        assert variance**0.5 == pytest.approx(np.std(drawn[name]), rel=0.15), name


def test_blocks_are_split_as_a_mask_would() -> None:
    random = np.random.default_rng(2)
    blocks = random.integers(-1, 5, 300)
    rows = Rows(random.random(300), random.random(300), random.random(300), blocks)
    parts = list(split(rows, blocks))
    assert len(parts) == 5
    for number, part in enumerate(parts):
        assert part.actual.tolist() == rows.actual[blocks == number].tolist()
        assert part.score is not None
        assert part.score.tolist() == rows.score[blocks == number].tolist()  # type: ignore[index]


def test_calibration_strays_more_over_shorter_windows() -> None:
    random = np.random.default_rng(9)
    times = MONDAY + np.sort(random.uniform(0.0, 140 * DAY, 140 * 200))
    score = random.random(times.size)
    shift = random.normal(0.0, 0.05, 140)[((times - MONDAY) // DAY).astype(int)]
    positive = random.random(times.size) < np.clip(score + shift, 0.0, 1.0)
    found = window_gap_spreads(score, positive, times, WINDOWS, np.arange(0.1, 1.0, 0.1).tolist())
    assert found["1d"] > 1.7 * found["7d"] > 0.0
    assert "5m" not in found
