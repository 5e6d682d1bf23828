"""How far quality varies by itself between windows of each length that the rules look over.

A day strays further than a week, so a loss over a day must be held against the spread of days. Of each
window length: the standard deviation of the metric over blocks of that length, less what sampling adds at
the block's number of rows, because the rules know the standard error at the live number and add it again.
Metrics whose standard error the rules do not know keep all of it.

Standard errors as the recording rules compute them: accuracy, precision and recall as proportions; F1 by the
delta method through t = TP / (TP + FP + FN); ROC-AUC after Hanley and McNeil (1982); MAE, bias and Brier from
the values of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from plumbline.baseline.observed import window_blocks
from plumbline.baseline.quality import Rows, gap_spread, measure, split, stable

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def window_spreads(
    rows: Rows, times: Floats, windows: Mapping[str, float], task: str, positive: int
) -> dict[str, dict[str, float]]:
    """Return, by metric and window name, the standard deviation between windows that is no sampling.

    A short window that holds too few rows is left out: ``Quality.spread_over`` derives it from a longer one.

    Args:
        rows: held-out rows.
        times: shape (n,), their times; epoch seconds.
        windows: name of each window and its length in seconds.
        task: binary, multiclass or regression.
        positive: index of the positive class (binary only).
    """
    found: dict[str, dict[str, float]] = {}
    for name, seconds in windows.items():
        blocks = window_blocks(times, seconds)
        if blocks is None:
            continue
        values: dict[str, list[float]] = {}
        errors: dict[str, list[float]] = {}
        for block in split(rows, blocks):
            measured = measure(block, task, positive)
            sampling = squared_errors(block, measured, task, positive)
            for metric, value in measured.items():
                values.setdefault(metric, []).append(value)
                errors.setdefault(metric, []).append(sampling.get(metric, 0.0))
        for metric, seen in values.items():
            if len(seen) > 1:
                between = float(np.var(seen, ddof=1)) - float(np.mean(errors[metric]))
                found.setdefault(metric, {})[name] = stable(max(between, 0.0) ** 0.5)
    return found


def window_gap_spreads(
    score: Floats, positive: Bools, times: Floats, windows: Mapping[str, float], uppers: Sequence[float]
) -> dict[str, float]:
    """Return, by window name, the root mean square of a window's calibration gap against all others.

    Args:
        score: shape (n,): probability of the positive class.
        positive: shape (n,): whether the outcome was positive.
        times: shape (n,); epoch seconds.
        windows: name of each window and its length in seconds.
        uppers: upper ends of the score bins but the last.
    """
    codes = np.searchsorted(uppers, score, side="left")
    found = {}
    for name, seconds in windows.items():
        blocks = window_blocks(times, seconds)
        spread = None if blocks is None else gap_spread(codes, positive, blocks, len(uppers) + 1)
        if spread is not None:
            found[name] = stable(spread)
    return found


def squared_errors(rows: Rows, measured: Mapping[str, float], task: str, positive: int) -> dict[str, float]:
    """Return the squared standard error of each metric whose standard error the rules know.

    Args:
        rows: at least one row.
        measured: the metrics of these rows.
        task: binary, multiclass or regression.
        positive: index of the positive class (binary only).
    """
    n = rows.actual.size
    if task == "regression":
        error = rows.predicted - rows.actual
        return {"mae": float(np.var(np.abs(error))) / n, "bias": float(np.var(error)) / n}
    found = {"accuracy": _proportion(measured["accuracy"], n)}
    if task == "multiclass":
        return found
    predicted, actual = rows.predicted == positive, rows.actual == positive
    called, true = int(predicted.sum()), int(actual.sum())
    if "precision" in measured:
        found["precision"] = _proportion(measured["precision"], called)
    if "recall" in measured:
        found["recall"] = _proportion(measured["recall"], true)
    if "f1" in measured:
        either = int((predicted | actual).sum())
        t = measured["f1"] / (2.0 - measured["f1"])
        found["f1"] = (2.0 / (1.0 + t) ** 2) ** 2 * _proportion(t, either)
    if "roc_auc" in measured:
        found["roc_auc"] = _hanley_mcneil(measured["roc_auc"], true, n - true)
    if rows.score is not None:
        found["brier"] = float(np.var((rows.score - actual) ** 2)) / n
    return found


def _proportion(p: float, n: int) -> float:
    return p * (1.0 - p) / n


def _hanley_mcneil(area: float, positives: int, negatives: int) -> float:
    q1 = area / (2.0 - area)
    q2 = 2.0 * area**2 / (1.0 + area)
    of_both = area * (1.0 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return max(of_both, 0.0) / (positives * negatives)
