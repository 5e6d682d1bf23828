"""Panels of regression models: direction and size of the error, shift of the outcome."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import graph, query

REGRESSION_ONLY = "Only for regression models: choose one above"


def over_and_under() -> timeseries.Panel:
    """Which way the model errs."""
    panel = graph(
        "Over- and under-prediction",
        "Mean of the part of the error above and below the outcome, in the outcome's unit; their sum is the MAE.",
        "short",
    )
    panel = panel.no_value(REGRESSION_ONLY)
    panel = panel.with_target(query(q.per_outcome(names.OVERPREDICTION), "over-prediction", "A"))
    return panel.with_target(query(q.per_outcome(names.UNDERPREDICTION), "under-prediction", "B"))


def outcome_shift() -> timeseries.Panel:
    """Drift of the target."""
    panel = graph(
        "Shift of the outcome",
        "Mean outcome within the window minus the baseline's mean outcome: a shift of the "
        "world, whatever the model does.",
        "short",
    )
    return panel.no_value(REGRESSION_ONLY).with_target(query(q.outcome_shift(), "{{version}}"))


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
