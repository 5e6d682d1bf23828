"""Pipeline health: is the models' food fresh, complete and checked?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import queries as q
from plumbline_dashboards import variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import ORANGE, RED, Column, graph, grid, instant, line, number, query, result, sized

STAGE = "{{pipeline}} {{stage}}"


def pipelines(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard."""
    checked = any(pipeline.checks for pipeline in catalogue.pipelines.values())
    health = [data_age(), success_age(), runs_and_failures(), rows_per_run(), rows_by_outcome(), duration()]
    return page(
        "pipelines",
        "Pipeline health",
        "Runs, freshness, row counts and data checks of the pipelines, and the models that depend on them.",
        [
            variables.several("pipeline", "Pipeline", names.PIPELINE_INFO.name, "Pipelines to show."),
            variables.window("window", catalogue.evaluation.quality, catalogue.evaluation.slow),
        ],
        [
            Row("Now", [runs(), failures(), stale(), failed_checks(), inventory(), stages()]),
            Row("Over time", health),
            *([Row("Data checks", [checks_over_time(), checks()])] if checked else []),
        ],
        catalogue,
        since="now-7d",
    )


def runs() -> stat.Panel:
    """Runs in the window."""
    panel = number("Runs", "Stage runs that ended within the window.", "short")
    return sized(panel.decimals(0).with_target(instant(q.increase(names.PIPELINE_RUNS, (), q.PIPELINE))), 6, 4)


def failures() -> stat.Panel:
    """Failures in the window."""
    panel = number("Failed runs", "Stage runs that failed within the window.", "short", 0.5)
    return sized(panel.decimals(0).with_target(instant(q.increase(names.PIPELINE_FAILURES, (), q.PIPELINE))), 6, 4)


def stale() -> stat.Panel:
    """Stages whose data are older than allowed."""
    panel = number("Stale stages", "Stages whose newest data are older than the freshness objective.", "short", 1)
    allowed = q.pipeline_objective("freshness_seconds")
    late = f"({q.age(names.PIPELINE_DATA)}) > on (pipeline) group_left () {allowed}"
    return sized(panel.with_target(instant(f"count({late}) or vector(0)")), 6, 4)


def failed_checks() -> stat.Panel:
    """Failed checks in the window."""
    panel = number("Failed checks", "Data checks that failed within the window.", "short", 0.5)
    failed = q.increase(names.PIPELINE_CHECK_FAILURES, (), q.PIPELINE)
    return sized(panel.decimals(0).with_target(instant(f"{failed} or vector(0)")), 6, 4)


def inventory() -> table.Panel:
    """Who owns what, who depends on it."""

    def bound(name: str) -> str:
        return q.by("max", ("pipeline",), q.pipeline_objective(name))

    panel = grid(
        "Pipelines",
        "Declared pipelines with their owner, the models that depend on them and their bounds.",
        "short",
        [
            Column("pipeline", "Pipeline"),
            Column("owner", "Owner"),
            Column("models", "Models that depend on it"),
            result(bound("cadence_seconds"), "Runs every", "s"),
            result(bound("freshness_seconds"), "Data at most", "s"),
        ],
        drop=["objective"],
        infos=[q.largest(names.PIPELINE_INFO, q.PIPELINE)],
    )
    return sized(panel, 24, 5)


def stages() -> table.Panel:
    """One row per stage."""

    def count(outcome: str) -> str:
        return q.increase(names.PIPELINE_ROWS, names.PS, f'{q.PIPELINE}, outcome="{outcome}"')

    panel = grid(
        "Stages",
        "Ages are measured now; runs, failures and rows within the window.",
        "short",
        [
            Column("pipeline", "Pipeline"),
            Column("stage", "Stage"),
            result(q.age(names.PIPELINE_LAST_SUCCESS), "Last success", "s"),
            result(q.age(names.PIPELINE_DATA), "Age of the data", "s"),
            result(q.increase(names.PIPELINE_RUNS, names.PS, q.PIPELINE), "Runs", "short"),
            result(q.increase(names.PIPELINE_FAILURES, names.PS, q.PIPELINE), "Failures", "short", bad_from=0.5),
            result(count("out"), "Rows out", "short"),
            result(count("rejected"), "Rows rejected", "short"),
        ],
    )
    return panel.decimals(0)


def data_age() -> timeseries.Panel:
    """Freshness against its objective."""
    panel = graph(
        "Age of the newest data", "Time since the newest event in the data; dashed: freshness objective.", "s"
    )
    panel = panel.min(0).with_target(query(q.age(names.PIPELINE_DATA), STAGE))
    objective = q.pipeline_objective("freshness_seconds")
    return line(panel.with_target(query(objective, "objective {{pipeline}}", "B")), "B", RED)


def success_age() -> timeseries.Panel:
    """Time since the last success."""
    panel = graph("Time since the last success", "Per stage; dashed: how often the pipeline should run.", "s")
    panel = panel.min(0).with_target(query(q.age(names.PIPELINE_LAST_SUCCESS), STAGE))
    cadence = q.pipeline_objective("cadence_seconds")
    return line(panel.with_target(query(cadence, "cadence {{pipeline}}", "B")), "B", ORANGE)


def runs_and_failures() -> timeseries.Panel:
    """Runs and failures within the window."""
    panel = graph("Runs and failures", "Stage runs that ended and that failed within the window.", "short").min(0)
    panel = panel.with_target(query(q.increase(names.PIPELINE_RUNS, names.PS, q.PIPELINE), f"runs {STAGE}"))
    failed = q.increase(names.PIPELINE_FAILURES, names.PS, q.PIPELINE)
    return line(panel.with_target(query(failed, f"failures {STAGE}", "B")), "B", RED, dashed=False)


def rows_per_run() -> timeseries.Panel:
    """Rows per run within bounds."""
    panel = graph("Rows out per run", "Mean over the runs of the window; dashed: declared bounds.", "short").min(0)
    panel = panel.with_target(query(q.rows_per_run(), STAGE))
    for ref, bound in (("B", "rows_min"), ("C", "rows_max")):
        legend = f"{bound.removeprefix('rows_')} {{{{pipeline}}}}"
        panel = line(panel.with_target(query(q.pipeline_objective(bound), legend, ref)), ref, ORANGE)
    return panel


def rows_by_outcome() -> timeseries.Panel:
    """Rows in, out and rejected."""
    panel = graph("Rows", "Rows read, written and rejected within the window.", "short").min(0)
    expr = q.increase(names.PIPELINE_ROWS, (*names.PS, "outcome"), q.PIPELINE)
    return panel.with_target(query(expr, f"{STAGE} {{{{outcome}}}}"))


def duration() -> timeseries.Panel:
    """Duration of the stages."""
    panel = graph(
        "Duration p90", "90th percentile of the stage's runs within the window, interpolated in buckets.", "s"
    )
    return panel.min(0).with_target(
        query(q.quantile(0.9, names.PIPELINE_DURATION, names.PS, q.PIPELINE, q.WINDOW), STAGE)
    )


def checks_over_time() -> timeseries.Panel:
    """Failed checks over time."""
    panel = graph("Failed data checks", "Per check, within the window.", "short").min(0)
    expr = q.increase(names.PIPELINE_CHECK_FAILURES, names.PIPELINE_CHECK_FAILURES.labels, q.PIPELINE)
    return panel.with_target(query(expr, f"{STAGE} {{{{check}}}}"))


def checks() -> table.Panel:
    """Each check."""
    labels = names.PIPELINE_CHECKS.labels
    panel = grid(
        "Data checks",
        "Checks run and failed within the window.",
        "short",
        [
            Column("pipeline", "Pipeline"),
            Column("stage", "Stage"),
            Column("check", "Check"),
            result(q.increase(names.PIPELINE_CHECKS, labels, q.PIPELINE), "Run", "short"),
            result(q.increase(names.PIPELINE_CHECK_FAILURES, labels, q.PIPELINE), "Failed", "short", bad_from=0.5),
        ],
    )
    return sized(panel.decimals(0), 12, 8)
