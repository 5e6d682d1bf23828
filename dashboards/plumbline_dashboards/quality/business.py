"""Panels: the KPIs of the model and of the version."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import BLUE, ORANGE, band, graph, line, query, sized


def kpi_means(catalogue: Catalogue) -> timeseries.Panel:
    """Business figures of the model, whatever its version, with their uncertainty and their floor."""
    mean, stderr = q.kpi(names.R_KPI_MEAN), q.kpi(names.R_KPI_STDERR)
    panel = graph(
        "KPIs of the model",
        "Mean per KPI event, and per prediction (no event counts 0), of all versions together, with its 95 % "
        "interval; dashed: declared floors.",
        "short",
    )
    panel = (
        panel.with_target(query(mean, "{{kpi}} per {{per}}", "A"))
        .with_target(query(f"{mean} + 1.96 * {stderr}", "upper 95 %", "B"))
        .with_target(query(f"{mean} - 1.96 * {stderr}", "lower 95 %", "C"))
    )
    panel = sized(band(panel, "B", "C", "lower 95 %", BLUE), 16, 8)
    declared = (o.floor for model in catalogue.models.values() for o in model.kpi_objectives.values())
    if all(floor is None for floor in declared):
        return panel
    return line(panel.with_target(query(q.kpi_floor(), "floor of {{kpi}} per {{per}}", "D")), "D", ORANGE)


def kpis() -> timeseries.Panel:
    """Business figures of the version."""
    panel = graph("KPIs", "Mean value per KPI event of this version within the window.", "short")
    return sized(panel.with_target(query(q.kpi_per_event(), "{{kpi}}")), 8, 8)
