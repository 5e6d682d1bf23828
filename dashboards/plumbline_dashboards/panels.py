"""Panels with the house's defaults, so that a page states only what is particular to it.

Every panel gets a title, a description, a unit and the one data source; a page adds its queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Protocol, TypeVar

from grafana_foundation_sdk.builders import barchart, bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

# History is loaded with points up to an hour apart, further than Prometheus looks back: lines are drawn
# across such gaps, and across nothing longer, so that an outage stays visible.
SPAN_NULLS_MS = 65 * 60 * 1000

RED, ORANGE, GREEN, BLUE, GREY = "red", "orange", "green", "blue", "#8e8e8e"


class Sizable(Protocol):
    """What all panel builders of the SDK share and ``sized`` needs."""

    def height(self, h: int) -> object:
        """Set the height in grid rows."""

    def span(self, w: int) -> object:
        """Set the width in grid columns."""


Sized = TypeVar("Sized", bound=Sizable)


def query(expr: str, legend: str = "", ref: str = "A", *, exemplars: bool = False) -> prometheus.Dataquery:
    """A query over the dashboard's time range."""
    made = prometheus.Dataquery().datasource(DATASOURCE).expr(expr).range().ref_id(ref).legend_format(legend)
    return made.exemplar(True) if exemplars else made


def instant(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """A query at the end of the time range."""
    return prometheus.Dataquery().datasource(DATASOURCE).expr(expr).instant().ref_id(ref).legend_format(legend)


def rows(expr: str, ref: str = "A") -> prometheus.Dataquery:
    """A query at the end of the time range, as a table with one column per Prometheus label."""
    return instant(expr, ref=ref).format(PromQueryFormat.TABLE)


def graph(title: str, description: str, unit: str) -> timeseries.Panel:
    """Lines over time; the legend lists the newest values."""
    legend = (
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )
    tooltip = (
        common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI).sort(common_models.SortOrder.DESCENDING)
    )
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .legend(legend)
        .tooltip(tooltip)
        .line_width(1)
        .fill_opacity(0)
        .show_points(common_models.VisibilityMode.AUTO)
        .span_nulls(SPAN_NULLS_MS)
        .height(8)
        .span(12)
    )


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """Stack the series of a graph."""
    mode = common.StackingConfig().mode(common_models.StackingMode.NORMAL)
    return panel.stacking(mode).fill_opacity(40)


def line(panel: timeseries.Panel, ref: str, color: str, *, dashed: bool = True) -> timeseries.Panel:
    """Draw the series of one query as a line of reference: a threshold, a baseline."""
    properties = [_property("color", {"mode": "fixed", "fixedColor": color}), _property("custom.lineWidth", 2)]
    if dashed:
        properties.append(_property("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}))
    return panel.override_by_query(ref, properties)


def band(panel: timeseries.Panel, upper: str, lower: str, below: str, color: str) -> timeseries.Panel:
    """Fill between the series of two queries.

    Args:
        panel: the graph.
        upper: ref of the upper edge.
        lower: ref of the lower edge.
        below: legend of the lower edge, which must be the same for all its series.
        color: of the filling.
    """
    edge = [
        _property("custom.lineWidth", 0),
        _property("custom.showPoints", "never"),
        _property("color", {"mode": "fixed", "fixedColor": color}),
        _property("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False}),
    ]
    filling = [_property("custom.fillBelowTo", below), _property("custom.fillOpacity", 15)]
    return panel.override_by_query(upper, [*edge, *filling]).override_by_query(lower, edge)


def number(
    title: str,
    description: str,
    unit: str,
    bad_from: float | None = None,
    *,
    good_from: float | None = None,
    named: bool = False,
) -> stat.Panel:
    """One big number.

    Args:
        title: of the panel.
        description: of the panel.
        unit: of the number.
        bad_from: red from here on, green below.
        good_from: green from here on, red below. With neither, the number judges nothing and is blue.
        named: show the legend beside the value.
    """
    steps = [Threshold(value=None, color=BLUE)]
    if bad_from is not None:
        steps = [Threshold(value=None, color=GREEN), Threshold(value=bad_from, color=RED)]
    elif good_from is not None:
        steps = [Threshold(value=None, color=RED), Threshold(value=good_from, color=GREEN)]
    text = common_models.BigValueTextMode
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .text_mode(text.VALUE_AND_NAME if named else text.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(4)
        .span(4)
    )


def ranking(title: str, description: str, unit: str, bad_from: float | None) -> bargauge.Panel:
    """Horizontal bars, the longest first as the query sorts them, red from ``bad_from`` on; None = blue."""
    steps = [Threshold(value=None, color=BLUE)]
    if bad_from is not None:
        steps = [Threshold(value=None, color=GREEN), Threshold(value=bad_from, color=RED)]
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .thresholds(_thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(10)
        .span(12)
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        label: the Prometheus label it shows; empty where it shows the value of a query.
        title: heading.
        unit: Grafana unit; empty for text.
        bad_from: red background from this value on.
        link: data link (a URL); ``${__data.fields.<title>}`` stands for a cell of the same row.
        query: whose value it shows, at the end of the time range; see ``result``.
    """

    label: str
    title: str
    unit: str = ""
    bad_from: float | None = None
    link: str = ""
    query: str = ""


def result(query: str, title: str, unit: str, bad_from: float | None = None, link: str = "") -> Column:
    """A column that shows the value of a query."""
    return Column("", title, unit, bad_from, link, query)


def grid(
    title: str,
    description: str,
    unit: str,
    columns: Sequence[Column],
    drop: Iterable[str] = (),
    infos: Sequence[str] = (),
) -> table.Panel:
    """A table: instant queries merged on their common labels, columns in the order given.

    Args:
        title: of the panel.
        description: of the panel.
        unit: of the columns that name none.
        columns: shown, in this order.
        drop: fields to hide besides the time.
        infos: further queries of which only the labels are shown.
    """
    queries = [*infos, *(c.query for c in columns if c.query)]
    # Grafana calls the value of query A this when tables are merged.
    values = [f"Value #{ref}" for ref in ascii_uppercase] if len(queries) > 1 else ["Value"]
    numbered = iter(values[len(infos) :])
    fields = [next(numbered) if c.query else c.label for c in columns]
    organize = {
        "excludeByName": dict.fromkeys(("Time", *drop, *values[: len(infos)]), True),
        "indexByName": {field: i for i, field in enumerate(fields)},
        "renameByName": {field: c.title for field, c in zip(fields, columns, strict=True)},
    }
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(DataTransformerConfig(id_val="organize", options=organize))
        .height(8)
        .span(24)
    )
    for ref, asked in zip(ascii_uppercase, queries, strict=False):
        panel = panel.with_target(rows(asked, ref))
    for column in columns:
        properties = _column_properties(column)
        if properties:
            panel = panel.override_by_name(column.title, properties)
    return panel


def _column_properties(column: Column) -> list[DynamicConfigValue]:
    properties = []
    if column.unit:
        properties.append(_property("unit", column.unit))
    if column.bad_from is not None:
        steps = [{"color": "transparent", "value": None}, {"color": RED, "value": column.bad_from}]
        properties += [
            _property("custom.cellOptions", {"type": "color-background"}),
            _property("thresholds", {"mode": "absolute", "steps": steps}),
        ]
    if column.link:
        properties.append(_property("links", [{"title": f"Open {column.title}", "url": column.link}]))
    return properties


def _property(id_val: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=id_val, value=value)


def _thresholds(steps: list[Threshold]) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def sized(panel: Sized, width: int, height: int) -> Sized:
    """Give a panel a size other than its kind's."""
    panel.span(width)
    panel.height(height)
    return panel


def bars(title: str, description: str, unit: str, x: str, series: Mapping[str, str]) -> barchart.Panel:
    """Groups of bars: one group per value of a Prometheus label, one bar per query.

    Args:
        title: of the panel.
        description: of the panel.
        unit: of the bars.
        x: the label along the axis.
        series: name of the bars -> query.
    """
    fields = {f"Value #{ref}": name for ref, name in zip(ascii_uppercase, series, strict=False)}
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {x: 0, **{field: i for i, field in enumerate(fields, 1)}},
        "renameByName": fields,
    }
    panel = (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .x_field(x)
        .x_tick_label_rotation(-45)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": x}]}))
        .with_transformation(DataTransformerConfig(id_val="organize", options=organize))
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs([])
        )
        .height(10)
        .span(12)
    )
    for ref, asked in zip(ascii_uppercase, series.values(), strict=False):
        panel = panel.with_target(rows(asked, ref))
    return panel
