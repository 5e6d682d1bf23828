"""Panels of binary models.

The confusion; what is computed from score bins, with how far it can be off; ECE with its level by chance; the
estimate without outcomes, with its error so far.
"""

from __future__ import annotations

from collections.abc import Callable

from grafana_foundation_sdk.builders import barchart, table, timeseries

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import BLUE, GREY, band, bars, graph, line, query, sized
from plumbline_dashboards.quality.matrix import matrix

BINARY_ONLY = "Only for binary models: choose one above"
ESTIMATED = "Estimated and measured accuracy"
ESTIMATE_ERROR = "Error of the estimate so far"


def confusion() -> table.Panel:
    """Actual against predicted."""
    return sized(matrix("Confusion", "", BINARY_ONLY), 8, 9)


def auc_with_bound() -> timeseries.Panel:
    """ROC-AUC and how wrong the bins can make it."""
    return _with_bound(
        "ROC-AUC and the error of its bins",
        "ROC-AUC is computed from score bins; the truth lies within the band. The band says nothing about n.",
        "ROC-AUC",
        q.auc,
    )


def average_precision_with_bound() -> timeseries.Panel:
    """Average precision and how wrong the bins can make it."""
    return _with_bound(
        "Average precision and the error of its bins",
        "Average precision is computed from score bins; the truth lies within the band. The band "
        "allows for any order inside a bin, ties included, and says nothing about n.",
        "average precision",
        q.average_precision,
    )


def _with_bound(title: str, description: str, legend: str, curve: Callable[[int], str]) -> timeseries.Panel:
    panel = (
        graph(title, description, "short")
        .no_value(BINARY_ONLY)
        .with_target(query(curve(0), legend, "A"))
        .with_target(query(curve(+1), "upper bound", "B"))
        .with_target(query(curve(-1), "lower bound", "C"))
    )
    return sized(line(band(panel, "B", "C", "lower bound", BLUE), "A", BLUE, dashed=False), 8, 9)


def calibration() -> barchart.Panel:
    """Mean score against share of positives, per score bin."""
    panel = bars(
        "Calibration",
        "Per score bin: the mean score given and the share of positives that came. Equal bars = calibrated. "
        "Bins with few outcomes scatter.",
        "percentunit",
        x="bin",
        series={"mean score": q.mean_score(), "share of positives": q.positive_share()},
    )
    return sized(panel.no_value(BINARY_ONLY), 8, 9)


def calibration_error() -> timeseries.Panel:
    """ECE beside what chance alone gives."""
    panel = (
        graph(
            "Calibration error (ECE) and its level by chance",
            "Mean distance, over the score bins, of the mean score from the share of positives. Dashed: what "
            "a perfectly calibrated model shows at this n. Only what exceeds it is miscalibration.",
            "percentunit",
        )
        .no_value(BINARY_ONLY)
        .min(0)
        .with_target(query(q.pick(names.R_ECE, q.VERSION), "ECE", "A"))
        .with_target(query(q.pick(names.R_ECE_CHANCE, q.VERSION), "by chance", "B"))
    )
    return sized(line(panel, "B", GREY), 8, 9)


def estimated() -> timeseries.Panel:
    """CBPE beside the real one, of the same predictions and of the present ones."""
    accuracy = f'{q.VERSION}, metric="accuracy"'
    error = q.by("max", q.MV, q.pick(names.R_ESTIMATE_ERROR, accuracy))
    real = q.quality(metric="accuracy")
    panel = (
        graph(
            ESTIMATED,
            "Measured: of the outcomes that matured within the window. Estimated then: what the scores of "
            "the same predictions let expect when they were made. Estimated now: of the predictions made "
            "within the window, whose outcomes are yet to come. An estimate fails when the meaning of a "
            "score changes.",
            "percentunit",
        )
        .no_value(BINARY_ONLY)
        .with_target(query(real, "measured", "A"))
        .with_target(query(f"{q.by('max', q.MV, real)} + on (model, version) {error}", "estimated then", "B"))
        .with_target(query(q.pick(names.R_QUALITY_ESTIMATE, accuracy), "estimated now", "C"))
    )
    return sized(line(line(panel, "B", GREY), "C", BLUE), 12, 9)


def estimate_error() -> timeseries.Panel:
    """Estimate minus real, per metric."""
    panel = graph(
        ESTIMATE_ERROR,
        "Estimate minus measured quality of the same predictions: above 0 the estimate was too good. "
        "Outcomes that never come are in the estimate only.",
        "short",
    ).no_value(BINARY_ONLY)
    error = q.by("max", (*q.MV, "metric"), q.pick(names.R_ESTIMATE_ERROR, q.VERSION))
    return sized(panel.with_target(query(error, "{{metric}}")), 12, 9)
