"""Panels of the quality page that say how a value was measured and how far it can be off.

Average precision and quantiles of the error come from bins, ECE has a level by chance, the estimate without
outcomes has an error so far; and a multiclass model has a value for each class.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import (
    BLUE,
    GREY,
    Column,
    band,
    graph,
    grid,
    line,
    query,
    rows,
    sized,
)

BINARY_ONLY = "Only for binary models: choose one above"
REGRESSION_ONLY = "Only for regression models: choose one above"
MULTICLASS_ONLY = "Only for multiclass models: choose one above"
ESTIMATED = "Estimated and measured accuracy"
ESTIMATE_ERROR = "Error of the estimate so far"


def average_precision_with_bound() -> timeseries.Panel:
    """Average precision and how wrong the bins can make it."""
    panel = (
        graph(
            "Average precision and the error of its bins",
            "Average precision is computed from score bins; the truth lies within the band. The band "
            "allows for any order inside a bin, ties included, and says nothing about n.",
            "short",
        )
        .no_value(BINARY_ONLY)
        .with_target(query(q.average_precision(), "average precision", "A"))
        .with_target(query(q.average_precision(+1), "upper bound", "B"))
        .with_target(query(q.average_precision(-1), "lower bound", "C"))
    )
    return sized(line(band(panel, "B", "C", "lower bound", BLUE), "A", BLUE, dashed=False), 8, 9)


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


def error_quantiles() -> timeseries.Panel:
    """Median, 90th and 99th percentile of the absolute error."""
    panel = graph(
        "Quantiles of the absolute error",
        "In the outcome's unit, interpolated inside buckets that end at quantiles of the baseline's errors.",
        "short",
    )
    panel = panel.no_value(REGRESSION_ONLY).min(0)
    for ref, metric in zip("ABC", names.ERROR_QUANTILES, strict=True):
        panel = panel.with_target(query(q.quality(metric=metric), metric.removeprefix("error_"), ref))
    return panel


def error_quantile_bounds() -> timeseries.Panel:
    """How far the quantiles can be off."""
    panel = graph(
        "Largest error of the quantiles",
        "Width of the bucket that holds the quantile. None = beyond eight times the baseline's largest "
        "error, where the quantile is at least what is shown.",
        "short",
    )
    bound = q.by("max", (*q.MV, "metric"), q.pick(names.R_ERROR_QUANTILE_BOUND, q.VERSION))
    return panel.no_value(REGRESSION_ONLY).min(0).with_target(query(bound, "{{metric}}"))


def classes() -> table.Panel:
    """Precision, recall and F1 of each class."""
    panel = grid(
        "Classes",
        "Of mature outcomes within the window. A class that was never predicted has no precision, one that "
        "never occurred no recall. Micro F1 of all classes is the accuracy.",
        "percentunit",
        [
            Column("class", "Class"),
            Column("Value #A", "Precision", "percentunit"),
            Column("Value #B", "Recall", "percentunit"),
            Column("Value #C", "F1", "percentunit"),
            Column("Value #D", "Outcomes", "short"),
        ],
    )
    for ref, metric in zip("ABC", ("precision", "recall", "f1"), strict=True):
        chosen = q.pick(names.R_CLASS_QUALITY, f'{q.VERSION}, {q.ALL_ROWS}, metric="{metric}"')
        panel = panel.with_target(rows(q.by("max", ("class",), chosen), ref))
    true = f'{q.VERSION}, {q.ALL_ROWS}, result!="false_positive"'
    seen = q.increase(names.CLASS_OUTCOMES, ("class",), true)
    return sized(panel.no_value(MULTICLASS_ONLY).with_target(rows(seen, "D")), 12, 12)


def class_matrix() -> table.Panel:
    """Which classes are mistaken for which."""
    matrix = {"columnField": "predicted", "rowField": "actual", "valueField": "Value"}
    panel = grid(
        "Confusion of the classes listed first",
        "Mature outcomes within the window: rows are actual, columns predicted classes. The first twenty of "
        "the catalogue; the rest together are other.",
        "short",
        [],
    )
    panel = panel.transformations([DataTransformerConfig(id_val="groupingToMatrix", options=matrix)])
    expr = q.increase(names.CONFUSION, ("actual", "predicted"), f"{q.VERSION}, {q.ALL_ROWS}")
    return sized(panel.decimals(0).no_value(MULTICLASS_ONLY).with_target(rows(expr)), 12, 12)
