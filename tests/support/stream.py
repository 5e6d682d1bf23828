"""A recorded stream as rows, and what numpy and scikit-learn say of a part of it.

Nothing here reads the engine's code: bins are looked up with the edges of the artefact's JSON alone.
"""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
)


def epoch(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@dataclass
class Stream:
    """Rows in time order; the outcome is NaN where it is never known."""

    ts: np.ndarray
    known: np.ndarray
    features: dict[str, np.ndarray]
    score: np.ndarray
    prediction: np.ndarray
    actual: np.ndarray

    def __len__(self) -> int:
        return len(self.ts)

    def between(self, start: float, end: float) -> Stream:
        """Rows predicted in [start, end)."""
        return self.only((self.ts >= start) & (self.ts < end))

    def only(self, keep: np.ndarray) -> Stream:
        """Rows where ``keep`` is true."""
        features = {name: values[keep] for name, values in self.features.items()}
        return Stream(
            self.ts[keep], self.known[keep], features, self.score[keep], self.prediction[keep], self.actual[keep]
        )


def read_stream(path: Path, numeric: list[str], categorical: list[str]) -> Stream:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))

    def numbers(column: str) -> np.ndarray:
        return np.array([float(row[column]) if row[column] not in ("", "nan") else np.nan for row in rows])

    features: dict[str, np.ndarray] = {name: numbers(name) for name in numeric}
    features |= {name: np.array([row[name] or None for row in rows], dtype=object) for name in categorical}
    known = np.array([epoch(row["label_ts"]) if row["label_ts"] else np.inf for row in rows])
    return Stream(
        ts=np.array([epoch(row["ts"]) for row in rows]),
        known=known,
        features=features,
        score=numbers("score"),
        prediction=numbers("prediction"),
        actual=numbers("label"),
    )


def quality(rows: Stream, task: str) -> dict[str, float]:
    """Every metric of the rows with an outcome, by scikit-learn."""
    rows = rows.between(-np.inf, np.inf)
    keep = ~np.isnan(rows.actual)
    actual, predicted, score = rows.actual[keep], rows.prediction[keep], rows.score[keep]
    if task == "regression":
        return {
            "mae": mean_absolute_error(actual, predicted),
            "rmse": float(np.sqrt(mean_squared_error(actual, predicted))),
            "bias": float(np.mean(predicted - actual)),
            "r2": r2_score(actual, predicted),
        } | {f"error_p{share}": float(np.quantile(np.abs(predicted - actual), share / 100)) for share in (50, 90, 99)}
    return {
        "accuracy": accuracy_score(actual, predicted),
        "precision": precision_score(actual, predicted),
        "recall": recall_score(actual, predicted),
        "f1": f1_score(actual, predicted),
        "roc_auc": roc_auc_score(actual, score),
        "average_precision": average_precision_score(actual, score),
        "brier": brier_score_loss(actual, score),
        "log_loss": log_loss(actual, score),
    }


def quality_without_bins(rows: Stream, task: str) -> dict[str, float]:
    """Metrics that are exact sums, by scikit-learn; of few rows, which may all be of one class."""
    keep = ~np.isnan(rows.actual)
    actual, predicted, score = rows.actual[keep], rows.prediction[keep], rows.score[keep]
    if task == "regression":
        return quality(rows, task)
    return {
        "accuracy": accuracy_score(actual, predicted),
        "brier": brier_score_loss(actual, score, pos_label=1),
        "log_loss": log_loss(actual, score, labels=[0, 1]),
    }


def bin_counts(values: np.ndarray, bins: dict[str, Any]) -> np.ndarray:
    """Count values in the bins of an artefact's feature."""
    size = len(bins["labels"])
    if bins["kind"] == "numeric":
        codes = np.searchsorted(np.array(bins["uppers"]), values, side="left")
        codes[np.isnan(values)] = size - 1
    else:
        place = {level: i for i, level in enumerate(bins["categories"])}
        codes = np.array([size - 1 if v is None else place.get(v, size - 2) for v in values], dtype=int)
    return np.bincount(codes, minlength=size).astype(float)


def drift(counts: np.ndarray, bins: dict[str, Any]) -> dict[str, float]:
    """PSI, JS distance and (ordered bins) KS of counts against the artefact's, smoothed by 0.5 per bin."""
    reference = np.array(bins["counts"], dtype=float)
    p = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    q = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    middle = (p + q) / 2
    js = (np.sum(p * np.log2(p / middle)) + np.sum(q * np.log2(q / middle))) / 2
    found = {"psi": float(np.sum((p - q) * np.log(p / q))), "js": float(np.sqrt(max(js, 0.0)))}
    if bins["kind"] == "numeric":
        # Missing values have no place in the order.
        between = np.cumsum(p[:-1] / p[:-1].sum() - q[:-1] / q[:-1].sum())[:-1]
        found["ks"] = float(np.abs(between).max())
        if bins.get("stddev"):
            # The trapezoid rule over the edges; what lies beyond the reference counts as lying at its end.
            area = np.diff(bins["uppers"]) * (np.abs(between[1:]) + np.abs(between[:-1])) / 2
            found["wasserstein"] = float(area.sum() / bins["stddev"])
    return found


def read_artefact(folder: Path) -> dict[str, Any]:
    """The only baseline of a folder, as plain JSON."""
    (path,) = folder.glob("*.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document
