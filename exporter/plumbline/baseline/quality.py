"""Quality of a model on held-out rows, exactly, from the rows themselves.

Reads aligned arrays of predictions, scores and outcomes; returns the metrics of ``names`` by their
contract names. Live quality comes from counters in PromQL instead; both follow the same formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.baseline.artefact import Quality, ScoreBins
from plumbline.baseline.bins import SCORE_BINS, score_uppers
from plumbline.names import ERROR_QUANTILES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

# Bounds of the histogram of |error|: quantiles of the held-out errors, among them those that are shown,
# so that on the baseline itself a shown quantile lies on a bound; then equal ratios up to several times
# the largest error, so that the tail of a model much worse is still measured.
_ERROR_SHARES = (*np.arange(0.05, 0.951, 0.05).round(2).tolist(), 0.975, 0.99)
_ERROR_STEPS = 12
_ERROR_REACH = 8.0
ERROR_BUCKETS = len(_ERROR_SHARES) + _ERROR_STEPS

# Scores of exactly 0 and 1 are moved this far inwards before the logarithm (as scikit-learn does).
LOG_LOSS_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Rows:
    """Held-out rows with a known outcome.

    Attributes:
        predicted: shape (n,): class index (below 0: an undeclared class of a multiclass model), or the
            predicted number of a regression.
        actual: shape (n,): class index, or the actual number.
        score: shape (n,): probability of the positive class; None if the table has none.
        block: shape (n,): index of the row's time block; -1 = in none.
    """

    predicted: Floats
    actual: Floats
    score: Floats | None
    block: Ints

    def take(self, chosen: Ints) -> Rows:
        """Return the rows with these indices."""
        score = self.score[chosen] if self.score is not None else None
        return Rows(self.predicted[chosen], self.actual[chosen], score, self.block[chosen])


def split(rows: Rows, blocks: Ints) -> Iterator[Rows]:
    """Yield the rows of each block; those of block -1 are left out. One sort, however many blocks.

    Args:
        rows: n rows.
        blocks: shape (n,).
    """
    order = np.argsort(blocks, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
        if part.size and blocks[part[0]] >= 0:
            yield rows.take(part)


def measure(rows: Rows, task: str, positive: int) -> dict[str, float]:
    """Return every metric that is defined for the rows (ROC-AUC needs both classes, R2 a spread).

    Args:
        rows: at least one row.
        task: binary, multiclass or regression.
        positive: index of the positive class (binary only).
    """
    if task == "regression":
        return _regression(rows)
    if task == "multiclass":
        return _multiclass(rows)
    return _binary(rows, positive)


def measure_with_spread(rows: Rows, task: str, positive: int) -> dict[str, Quality]:
    """Return the metrics over all rows, each with its standard deviation (n - 1) over the time blocks."""
    overall = measure(rows, task, positive)
    blocks = [measure(block, task, positive) for block in split(rows, rows.block)]
    result = {}
    for metric, value in overall.items():
        values = [block[metric] for block in blocks if metric in block]
        stddev = float(np.std(values, ddof=1)) if len(values) > 1 else None
        result[metric] = Quality(
            value=stable(value), stddev=None if stddev is None else stable(stddev), rows=rows.actual.size
        )
    return result


def score_bins(score: Floats, positive: Bools, block: Ints, bins: int = SCORE_BINS) -> ScoreBins:
    """Return quantile bins of the held-out scores with positives and score sums per bin.

    Args:
        score: shape (n,): probability of the positive class.
        positive: shape (n,): whether the outcome was positive.
        block: shape (n,): time block of each row, -1 = in none.
        bins: most bins.
    """
    uppers = score_uppers(score, bins)
    codes = np.searchsorted(uppers, score, side="left")
    size = uppers.size + 1
    spread = gap_spread(codes, positive, block, size)
    return ScoreBins(
        uppers=[float(u) for u in uppers],
        labels=[f"{i:02d}" for i in range(size)],
        counts=np.bincount(codes, minlength=size).tolist(),
        positives=np.bincount(codes[positive], minlength=size).tolist(),
        score_sums=[stable(s) for s in np.bincount(codes, weights=score, minlength=size)],
        gap_spread=None if spread is None else stable(spread),
    )


def gap_spread(codes: Ints, positive: Bools, block: Ints, bins: int) -> float | None:
    """Return the root mean square, over time blocks, of the calibration gap of a block against the others.

    The gap is (positives - positives expected at these scores) / rows, as recorded live; here the other
    blocks take the part of the baseline. So it holds all that a window strays by itself: sampling at a
    block's size, real change between blocks, and the error of a baseline learnt from so many rows.

    Args:
        codes: shape (n,): score bin of each row.
        positive: shape (n,).
        block: shape (n,): -1 = in none.
        bins: number of score bins.

    Returns:
        None with fewer than two blocks.
    """
    numbers, place = np.unique(block, return_inverse=True)
    # One pass, however many blocks: windows of minutes cut the rows into thousands.
    cell = place * bins + codes
    shape = (numbers.size, bins)
    rows = np.bincount(cell, minlength=numbers.size * bins).reshape(shape)
    hits = np.bincount(cell[positive], minlength=numbers.size * bins).reshape(shape)
    other_rows, other_hits = rows.sum(axis=0) - rows, hits.sum(axis=0) - hits
    overall = (other_hits.sum(axis=1, keepdims=True) + 0.5) / (other_rows.sum(axis=1, keepdims=True) + 1.0)
    expected = rows * (other_hits + overall) / (other_rows + 1.0)
    gaps = ((hits - expected).sum(axis=1) / rows.sum(axis=1))[numbers >= 0]
    if gaps.size < 2:
        return None
    return float(np.sqrt(np.mean(np.square(gaps))))


def roc_auc(score: Floats, positive: Bools) -> float | None:
    """Return the area under the ROC curve: P(positive scores above negative), ties counting half.

    None if one of the classes is absent.
    """
    n1 = int(positive.sum())
    n0 = positive.size - n1
    if not n0 or not n1:
        return None
    negatives = np.sort(score[~positive])
    scores = score[positive]
    below = np.searchsorted(negatives, scores, side="left")
    upto = np.searchsorted(negatives, scores, side="right")
    return float((below.sum(dtype=np.int64) + upto.sum(dtype=np.int64)) / (2.0 * n0 * n1))


def error_edges(predicted: Floats, actual: Floats) -> list[float]:
    """Return the upper bounds of the histogram of |predicted - actual|: increasing, all above 0.

    Args:
        predicted: shape (n,), n of at least 1.
        actual: shape (n,).
    """
    error = np.abs(predicted - actual)
    edges = np.quantile(error, _ERROR_SHARES, method="linear").tolist()
    last, reach = edges[-1] or float(error.max()), _ERROR_REACH * float(error.max())
    if reach > 0.0:
        edges += np.geomspace(last, reach, _ERROR_STEPS + 1).tolist()
    return sorted({stable(edge) for edge in edges if edge > 0.0})


def average_precision(score: Floats, positive: Bools) -> float | None:
    """Return the average precision: the mean, over the positives, of the precision at their score.

    Rows of equal score enter together, as in scikit-learn. None without a positive.
    """
    if not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    ranked, hit = score[order], positive[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # of the rows of equal score
    hits = np.cumsum(hit)[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])


def stable(value: float) -> float:
    """Round to 12 significant digits, so that summation order does not change the artefact's bytes."""
    return float(f"{value:.12g}")


def _binary(rows: Rows, positive: int) -> dict[str, float]:
    predicted, actual = rows.predicted == positive, rows.actual == positive
    hits = int((predicted & actual).sum())
    n_predicted, n_actual = int(predicted.sum()), int(actual.sum())
    result = {"accuracy": float(np.mean(rows.predicted == rows.actual))}
    if n_predicted:
        result["precision"] = hits / n_predicted
    if n_actual:
        result["recall"] = hits / n_actual
    if n_predicted + n_actual:
        result["f1"] = 2.0 * hits / (n_predicted + n_actual)
    if rows.score is not None:
        area = roc_auc(rows.score, actual)
        if area is not None:
            result["roc_auc"] = area
        precision = average_precision(rows.score, actual)
        if precision is not None:
            result["average_precision"] = precision
        result["brier"] = float(np.mean((rows.score - actual) ** 2))
        inside = np.clip(rows.score, LOG_LOSS_EPSILON, 1.0 - LOG_LOSS_EPSILON)
        result["log_loss"] = float(-np.mean(np.log(np.where(actual, inside, 1.0 - inside))))
    return result


def _multiclass(rows: Rows) -> dict[str, float]:
    """Accuracy, and the plain means over classes; a class that has no value takes no part in its mean.

    Undeclared classes, which are below 0, share the last one once each has been compared as itself.
    """
    size = int(max(rows.predicted.max(), rows.actual.max(), -1.0)) + 2
    predicted, actual = (
        np.where(codes < 0, size - 1, codes).astype(np.intp) for codes in (rows.predicted, rows.actual)
    )
    called, true = np.bincount(predicted, minlength=size), np.bincount(actual, minlength=size)
    hits = np.bincount(actual[rows.predicted == rows.actual], minlength=size)
    either = called + true
    return {
        "accuracy": float(hits.sum() / rows.actual.size),
        "macro_precision": float(np.mean(hits[called > 0] / called[called > 0])),
        "macro_recall": float(np.mean(hits[true > 0] / true[true > 0])),
        "macro_f1": float(np.mean(2.0 * hits[either > 0] / either[either > 0])),
    }


def _regression(rows: Rows) -> dict[str, float]:
    error = rows.predicted - rows.actual
    result = {
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "bias": float(np.mean(error)),
    }
    for metric, share in ERROR_QUANTILES.items():
        result[metric] = float(np.quantile(np.abs(error), share))
    spread = float(np.sum((rows.actual - rows.actual.mean()) ** 2))
    if spread > 0.0:
        result["r2"] = 1.0 - float(np.sum(error**2)) / spread
    return result
