"""Quality equals scikit-learn's on the same rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn import metrics

from plumbline.baseline.quality import (
    ERROR_BUCKETS,
    Rows,
    error_edges,
    gap_spread,
    measure,
    measure_with_spread,
    roc_auc,
    score_bins,
)


def binary_rows(n=3000, ties=False) -> Rows:
    random = np.random.default_rng(3)
    actual = (random.random(n) < 0.3).astype(float)
    score = np.clip(random.normal(0.3 + 0.3 * actual, 0.25), 0, 1)
    if ties:
        score = np.round(score, 1)
    return Rows((score >= 0.5).astype(float), actual, score, np.arange(n) * 6 // n)


@pytest.mark.parametrize("ties", [False, True])
def test_binary_metrics_equal_scikit_learns(ties):
    rows = binary_rows(ties=ties)
    assert rows.score is not None
    found = measure(rows, "binary", 1)
    expected = {
        "accuracy": metrics.accuracy_score(rows.actual, rows.predicted),
        "precision": metrics.precision_score(rows.actual, rows.predicted),
        "recall": metrics.recall_score(rows.actual, rows.predicted),
        "f1": metrics.f1_score(rows.actual, rows.predicted),
        "roc_auc": metrics.roc_auc_score(rows.actual, rows.score),
        "average_precision": metrics.average_precision_score(rows.actual, rows.score),
        "brier": metrics.brier_score_loss(rows.actual, rows.score),
        "log_loss": metrics.log_loss(rows.actual, rows.score),
    }
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_positive_class_may_be_the_first():
    rows = binary_rows()
    found = measure(rows, "binary", 0)
    assert found["recall"] == pytest.approx(metrics.recall_score(rows.actual, rows.predicted, pos_label=0))


def test_regression_metrics_equal_scikit_learns():
    random = np.random.default_rng(4)
    actual = random.normal(10, 5, 2000)
    predicted = actual + random.normal(1, 3, 2000)
    found = measure(Rows(predicted, actual, None, np.zeros(2000, np.intp)), "regression", 0)
    expected = {
        "mae": metrics.mean_absolute_error(actual, predicted),
        "rmse": metrics.root_mean_squared_error(actual, predicted),
        "bias": float(np.mean(predicted - actual)),
        "r2": metrics.r2_score(actual, predicted),
        **{f"error_p{share}": float(np.quantile(np.abs(predicted - actual), share / 100)) for share in (50, 90, 99)},
    }
    assert found == pytest.approx(expected, rel=1e-12)


def test_multiclass_metrics_equal_scikit_learns():
    random = np.random.default_rng(5)
    actual = random.integers(0, 9, 2000).astype(float)
    predicted = np.where(random.random(2000) < 0.6, actual, random.integers(0, 8, 2000)).astype(float)
    predicted[actual == 3] = 4.0  # class 3 is never right, class 8 is predicted only where it is true
    found = measure(Rows(predicted, actual, None, np.zeros(2000, np.intp)), "multiclass", 0)
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(actual, predicted),
            "macro_precision": metrics.precision_score(actual, predicted, average="macro"),
            "macro_recall": metrics.recall_score(actual, predicted, average="macro"),
            "macro_f1": metrics.f1_score(actual, predicted, average="macro"),
        },
        rel=1e-12,
    )


def test_a_class_without_a_value_takes_no_part_in_the_mean():
    found = measure(Rows(np.array([0.0, 0.0]), np.array([0.0, 2.0]), None, np.zeros(2, np.intp)), "multiclass", 0)
    # Class 1 did not occur and was not predicted; class 2 was not predicted.
    assert found["macro_precision"] == 0.5
    assert found["macro_recall"] == (1.0 + 0.0) / 2
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0.0) / 2)


def test_bounds_of_the_error_rise_and_hold_the_shown_quantiles_and_several_times_the_largest_error():
    random = np.random.default_rng(6)
    error = random.exponential(10.0, 5000)
    edges = error_edges(error, np.zeros(5000))
    assert len(edges) == ERROR_BUCKETS
    assert edges == sorted(set(edges))
    for share in (0.5, 0.9, 0.99):
        assert np.isclose(edges, np.quantile(error, share), rtol=1e-9).any()
    assert edges[-1] == pytest.approx(8 * error.max())
    above = [e for e in edges if e >= np.quantile(error, 0.99)]
    assert max(b / a for a, b in pairwise(above)) < 1.6


def test_errors_that_are_all_0_have_no_bounds():
    assert error_edges(np.ones(9), np.ones(9)) == []


def test_the_spread_is_the_standard_deviation_over_blocks():
    rows = binary_rows()
    found = measure_with_spread(rows, "binary", 1)["accuracy"]
    per_block = [np.mean((rows.predicted == rows.actual)[rows.block == b]) for b in range(6)]
    assert found.stddev == pytest.approx(np.std(per_block, ddof=1), rel=1e-9)
    assert found.rows == 3000


def test_one_block_has_no_spread():
    rows = Rows(np.ones(5), np.ones(5), None, np.zeros(5, np.intp))
    assert measure_with_spread(rows, "binary", 1)["accuracy"].stddev is None


def test_metrics_that_one_class_cannot_define_are_left_out():
    found = measure(Rows(np.zeros(5), np.zeros(5), np.full(5, 0.2), np.zeros(5, np.intp)), "binary", 1)
    assert set(found) == {"accuracy", "brier", "log_loss"}
    assert roc_auc(np.full(5, 0.2), np.zeros(5, bool)) is None


def test_a_certain_and_wrong_score_costs_much_but_not_infinity():
    rows = Rows(np.array([1.0]), np.array([0.0]), np.array([1.0]), np.zeros(1, np.intp))
    assert measure(rows, "binary", 1)["log_loss"] == pytest.approx(36.04, abs=0.01)


@pytest.mark.parametrize("ties", [False, True])
def test_score_bins_add_up_to_the_rows(ties):
    rows = binary_rows(ties=ties)
    assert rows.score is not None
    positive = rows.actual == 1
    bins = score_bins(rows.score, positive, rows.block)
    assert sum(bins.counts) == 3000
    assert sum(bins.positives) == positive.sum()
    assert sum(bins.score_sums) == pytest.approx(rows.score.sum())
    assert len(bins.labels) == len(bins.counts) == len(bins.uppers) + 1 <= 80
    assert bins.uppers == sorted(set(bins.uppers))


def test_the_binned_auc_lies_within_half_the_tied_mass_of_the_exact_one():
    rows = binary_rows()
    assert rows.score is not None
    positive = rows.actual == 1
    bins = score_bins(rows.score, positive, rows.block)
    n1 = np.array(bins.positives, float)
    n0 = np.array(bins.counts) - n1
    above = n1.sum() - np.cumsum(n1)
    binned = float((n0 * (above + n1 / 2)).sum() / (n0.sum() * n1.sum()))
    bound = float(0.5 * (n0 / n0.sum() * n1 / n1.sum()).sum())
    assert abs(binned - roc_auc(rows.score, positive)) <= bound


def test_the_calibration_gap_of_alike_blocks_is_what_sampling_makes_of_it():
    """Scores that mean the same in every block: the spread is the standard error of a block, no more."""
    random = np.random.default_rng(8)
    found, expected = [], []
    for _ in range(40):
        score = random.random(4000)
        positive = random.random(4000) < score
        codes = (score * 20).astype(np.intp)
        spread = gap_spread(codes, positive, np.arange(4000) // 500, 20)
        assert spread is not None
        found.append(spread**2)
        # Of a block of 500, and of what the other 3,500 rows leave open.
        expected.append(np.mean(score * (1 - score)) * (1 / 500 + 1 / 3500))
    assert np.sqrt(np.mean(found)) == pytest.approx(np.sqrt(np.mean(expected)), rel=0.1)


def test_the_calibration_gap_of_each_block_is_against_all_rows_outside_it():
    """Also those that are in no block."""
    random = np.random.default_rng(8)
    codes, block = random.integers(0, 5, 300), random.integers(-1, 4, 300)
    positive = random.random(300) < 0.2 + 0.1 * block
    gaps = []
    for b in range(4):
        here, others = block == b, block != b
        overall = (positive[others].sum() + 0.5) / (others.sum() + 1)
        share = [
            (positive[others & (codes == c)].sum() + overall) / ((others & (codes == c)).sum() + 1) for c in range(5)
        ]
        gaps.append((positive[here].sum() - sum(share[c] for c in codes[here])) / here.sum())
    assert gap_spread(codes, positive, block, 5) == pytest.approx(np.sqrt(np.mean(np.square(gaps))))


def test_the_calibration_gap_of_unlike_blocks_is_how_far_they_lie_apart():
    random = np.random.default_rng(9)
    score = random.random(80_000)
    block = np.arange(80_000) // 10_000
    shift = np.where(block % 2 == 0, 0.1, -0.1)
    positive = random.random(80_000) < np.clip(score + shift, 0, 1)
    codes = (score * 20).astype(np.intp)
    # A block of one kind against 3 of its own and 4 of the other: 4/7 of the distance between the kinds.
    kinds = np.clip(score + 0.1, 0, 1).mean() - np.clip(score - 0.1, 0, 1).mean()
    assert gap_spread(codes, positive, block, 20) == pytest.approx(kinds * 4 / 7, rel=0.05)
    assert gap_spread(codes, positive, np.zeros(80_000, np.intp), 20) is None
    bins = score_bins(score, positive, block)
    assert bins.gap_spread == pytest.approx(kinds * 4 / 7, rel=0.05)
