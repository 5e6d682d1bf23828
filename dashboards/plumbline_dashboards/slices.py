"""Slices: each declared group of one model version beside the rest of it, with intervals."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.units import parse_duration
from plumbline_dashboards import queries as q
from plumbline_dashboards import variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import BLUE, Column, band, graph, grid, line, query, result, sized

NO_SLICES = "The model declares no slices, or no outcome is mature within the window"
_SLICE = f'{q.VERSION}, slice=~"$slice"'
_OF = ("slice", "value", "metric")
_BESIDE = '"' + "|".join(sorted({m for metrics in names.BESIDE_METRICS.values() for m in metrics})) + '"'


def slices(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard."""
    evaluation = catalogue.evaluation
    longest = max(evaluation.quality, key=parse_duration)  # groups are small
    figures = names.R_FAIRNESS.over(q.WINDOW) + '{model="$model"}'
    return page(
        "slices",
        "Slices",
        "Does the model serve every declared group alike? Each group beside the rest of the model.",
        [
            *variables.model_version(),
            variables.window("window", evaluation.quality, longest),
            variables.several("slice", "Slice", figures, "Slices and intersections to show."),
            variables.several("metric", "Figure", figures, "Figures to show."),
        ],
        [
            Row("Now", [against_the_rest(), scores_and_errors()]),
            Row("Gaps between the groups", [gaps()]),
            Row("Groups", [figures_over_time(), outcomes()]),
        ],
        catalogue,
        models='model="$model"',
        since="now-7d",
    )


def _figure(recorded: names.Recorded, part: str = "", metric: str = '=~"$metric"') -> str:
    selector = f"{_SLICE}, metric{metric}" + (f', part="{part}"' if part else "")
    return q.by("max", _OF, q.pick(recorded, selector))


def against_the_rest() -> table.Panel:
    """One row per group and figure."""
    panel = grid(
        "Every group beside the rest of the model",
        "Difference: group minus rest; its interval holds in 95 % for all rows of this table together. "
        "Standard deviations: how many of them chance would need; positive = the group has more.",
        "short",
        [
            Column("slice", "Slice"),
            Column("value", "Group"),
            Column("metric", "Figure"),
            result(_figure(names.R_FAIRNESS, "own"), "Group's", "short"),
            result(_figure(names.R_FAIRNESS, "rest"), "Rest's", "short"),
            result(_figure(names.R_DISPARITY), "Difference", "short"),
            result(_figure(names.R_DISPARITY_LOWER), "Lower end", "short"),
            result(_figure(names.R_DISPARITY_UPPER), "Upper end", "short"),
            result(_figure(names.R_DISPARITY_SIGMAS), "Standard deviations", "short"),
            result(_figure(names.R_FAIRNESS_COUNT, "own"), "Outcomes (n)", "short"),
        ],
    )
    return sized(panel.no_value(NO_SLICES), 24, 12)


def scores_and_errors() -> table.Panel:
    """One row per group and figure that has no interval."""
    own = q.by("max", _OF, q.pick(names.R_QUALITY, f"{_SLICE}, metric=~{_BESIDE}"))
    rest = q.by("max", _OF, q.pick(names.R_QUALITY_REST, f"{_SLICE}, metric=~{_BESIDE}"))
    panel = grid(
        "Brier, log-loss, RMSE and R² of every group beside the rest of the model",
        "Difference: group minus rest. None of it has an interval: judge by the number of outcomes above. A "
        "group whose outcomes vary more has a larger RMSE, and one with a rarer positive class a smaller "
        "Brier, from the same model.",
        "short",
        [
            Column("slice", "Slice"),
            Column("value", "Group"),
            Column("metric", "Figure"),
            result(f"{own} and {rest}", "Group's", "short"),
            result(rest, "Rest's", "short"),
            result(f"{own} - {rest}", "Difference", "short"),
        ],
    )
    return sized(panel.no_value(NO_SLICES), 24, 8)


def gaps() -> timeseries.Panel:
    """One graph per figure: the gap of each slice, with its interval."""

    def of(recorded: names.Recorded) -> str:
        return q.by("max", ("slice",), q.pick(recorded, f'{_SLICE}, metric="$metric"'))

    panel = (
        graph(
            "Gap of $metric",
            "Largest minus smallest figure among the groups of a slice that have enough outcomes, with its "
            "interval; a gap whose band touches 0 may be chance.",
            "short",
        )
        .no_value(NO_SLICES)
        .repeat("metric")
        .repeat_direction("h")
        .max_per_row(4)
        .min(0)
        .with_target(query(of(names.R_GAP), "{{slice}}", "A"))
        .with_target(query(of(names.R_GAP_UPPER), "upper end", "B"))
        .with_target(query(of(names.R_GAP_LOWER), "lower end", "C"))
    )
    return sized(band(panel, "B", "C", "lower end", BLUE), 24, 8)


def figures_over_time() -> timeseries.Panel:
    """One graph per figure: every group."""
    own = q.by("max", ("slice", "value"), q.pick(names.R_FAIRNESS, f'{_SLICE}, metric="$metric", part="own"'))
    whole = q.by("max", q.MV, q.pick(names.R_FAIRNESS, f'{_SLICE}, metric="$metric", part="rest"'))
    panel = graph(
        "$metric of every group",
        "Each group's figure; dashed: the largest among the rests of the model, for orientation.",
        "short",
    )
    panel = (
        panel.no_value(NO_SLICES)
        .repeat("metric")
        .repeat_direction("h")
        .max_per_row(4)
        .with_target(query(own, "{{slice}} {{value}}", "A"))
        .with_target(query(whole, "rest", "B"))
    )
    return sized(line(panel, "B", BLUE), 24, 9)


def outcomes() -> timeseries.Panel:
    """The n of every group."""
    count = q.by("max", ("slice", "value"), q.pick(names.R_FAIRNESS_COUNT, f'{_SLICE}, part="own"'))
    panel = graph(
        "Outcomes of every group (n)",
        "Mature outcomes within the window; dashed: below this, no ticket about a group.",
        "short",
    )
    panel = panel.no_value(NO_SLICES).min(0).with_target(query(count, "{{slice}} {{value}}", "A"))
    panel = panel.with_target(query(q.objective(names.OBJECTIVE_SAMPLES, q.VERSION), "minimum", "B"))
    return sized(line(panel, "B", BLUE), 24, 7)
