"""Panels: the metrics now and over time, with baseline and objectives; the versions of the model."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, timeseries

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    Column,
    band,
    graph,
    grid,
    instant,
    line,
    number,
    query,
    result,
    sized,
)


def outcomes_counted() -> stat.Panel:
    """The n behind everything on the page."""
    panel = number("Outcomes (n)", "Mature outcomes behind the quality, within the window.", "short")
    return panel.with_target(instant(q.samples(), "{{version}}"))


def coverage_now() -> stat.Panel:
    """Coverage."""
    panel = number("Coverage", "Mature predictions whose outcome is known, within the window.", "percentunit")
    return panel.with_target(instant(q.pick(names.R_COVERAGE, q.VERSION), "{{version}}"))


def deployed_for() -> stat.Panel:
    """Age of the deployment."""
    panel = number("In this stage for", "Time since the version entered its present stage.", "s")
    return panel.with_target(instant(f"time() - {q.largest(names.MODEL_DEPLOYED, q.VERSION)}", "{{version}}"))


def alerts_open() -> stat.Panel:
    """Alerts of this version."""
    panel = number("Alerts", "Pages and tickets of this version that fire now.", "short", 1)
    firing = q.by("count", q.MV, q.pick("ALERTS", f"{q.OPEN}, {q.VERSION}"))
    return panel.with_target(instant(f"{firing} or {q.by('max', q.MV, q.pick(names.MODEL_INFO, q.VERSION))} * 0"))


def stages() -> table.Panel:
    """Where each version runs and what it was built from."""
    info = q.largest(names.MODEL_INFO, 'model="$model"')
    built = q.by(
        "max", ("model", "version", "baseline", "training_data"), q.pick(names.BASELINE_INFO, 'model="$model"')
    )
    panel = grid(
        "Versions of this model",
        "Stage, commit, and the baseline in force, named by its sha256.",
        "short",
        [
            Column("version", "Version"),
            Column("stage", "Stage"),
            Column("commit", "Commit"),
            Column("baseline", "Baseline"),
            Column("training_data", "Training data"),
        ],
        drop=["model", "owner", "task"],
        infos=[info, built],
    )
    return sized(panel, 8, 4)


def metrics_now() -> table.Panel:
    """Every metric with its uncertainty, baseline and objectives."""
    return grid(
        "Metrics",
        "Standard error: of the value at this n. Spread: standard deviation over the baseline's time blocks. "
        "Worse by: in units of noise, the standard error together with what windows of this length of the "
        "baseline vary; more than three is bad.",
        "short",
        [
            Column("metric", "Metric"),
            result(q.quality(), "Now", "short"),
            result(q.quality_stderr(), "Standard error", "short"),
            result(q.largest(names.BASELINE_QUALITY, q.VERSION), "Baseline", "short"),
            result(q.largest(names.BASELINE_QUALITY_STDDEV, q.VERSION), "Spread", "short"),
            result(q.quality_loss(q.WINDOW, q.VERSION), "Worse by", "short"),
            result(q.quality_objective("warning", q.VERSION), "Ticket at", "short"),
            result(q.quality_objective("critical", q.VERSION), "Page at", "short"),
        ],
        drop=["model", "version"],
    )


def metric_over_time() -> timeseries.Panel:
    """One graph per metric: value, its interval, baseline with its spread, objectives."""
    metric = "$metric"
    value, stderr = q.quality(metric=metric), q.quality_stderr(metric=metric)
    panel = (
        graph(
            "$metric",
            "Solid: $version. Around it: 95 % interval at this n. Dashed grey: baseline, with a "
            "band of one standard "
            "deviation over its time blocks. Dashed orange and red: ticket and page objectives.",
            "short",
        )
        .repeat("metric")
        .repeat_direction("h")
        .max_per_row(3)
        .with_target(query(value, "{{version}}", "A"))
        .with_target(query(f"{value} + 1.96 * {stderr}", "upper 95 %", "B"))
        .with_target(query(f"{value} - 1.96 * {stderr}", "lower 95 %", "C"))
        .with_target(query(q.baseline(metric), "baseline", "D"))
        .with_target(query(q.baseline(metric, +1), "baseline + 1 sd", "E"))
        .with_target(query(q.baseline(metric, -1), "baseline - 1 sd", "F"))
        .with_target(query(q.objective(metric, q.VERSION, "warning"), "ticket", "G"))
        .with_target(query(q.objective(metric, q.VERSION, "critical"), "page", "H"))
    )
    panel = band(panel, upper="B", lower="C", below="lower 95 %", color=BLUE)
    panel = band(panel, upper="E", lower="F", below="baseline - 1 sd", color=GREY)
    panel = line(panel, "A", BLUE, dashed=False)
    panel = line(panel, "D", GREY)
    panel = line(panel, "G", ORANGE)
    return sized(line(panel, "H", RED), 24, 9)


def versions_compared() -> timeseries.Panel:
    """One graph per metric: all versions of the model."""
    expr = q.quality(selector='model="$model"', metric="$metric")
    panel = graph(
        "$metric of every version",
        "Same metric, all versions of the model; mature outcomes within the window.",
        "short",
    )
    panel = panel.repeat("metric").repeat_direction("h").max_per_row(3).with_target(query(expr, "{{version}}"))
    return sized(panel, 24, 7)


def at_equal_age() -> table.Panel:
    """What each version did in its first day and week."""
    of = 'model="$model"'
    value = q.by("max", (*q.MV, "age", "metric"), q.pick(names.R_YOUNG_QUALITY, of, "life"))
    n = q.by("max", (*q.MV, "age"), q.pick(names.R_YOUNG_SAMPLES, of, "life"))
    counted = f"{value} * 0 + on (model, version, age) group_left () {n}"
    panel = grid(
        "Versions at equal age",
        "Accuracy, or MAE, over the predictions of each version's first day and week since it was first "
        "deployed; n: mature outcomes behind it. A version still younger shows what it has so far.",
        "short",
        [
            Column("age", "First"),
            Column("version", "Version"),
            Column("metric", "Metric"),
            result(value, "Quality", "short"),
            result(counted, "Outcomes (n)", "short"),
        ],
        drop=["model"],
    )
    return sized(panel, 24, 8)
