"""Panels: traffic, errors and latency of the version."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import RED, graph, line, query, sized


def traffic() -> timeseries.Panel:
    """Predictions per second."""
    panel = graph("Traffic", "Predictions per second within the window.", "reqps").min(0)
    return sized(panel.with_target(query(q.pick(names.R_TRAFFIC, q.VERSION), "{{version}}")), 8, 8)


def errors() -> timeseries.Panel:
    """Error ratio."""
    panel = graph("Errors", "Share of predictions in error within the window; dashed: objective.", "percentunit")
    panel = panel.min(0).with_target(query(q.pick(names.R_ERRORS, q.VERSION), "{{version}}"))
    objective = query(q.objective(names.OBJECTIVE_ERRORS, q.VERSION), "objective", "B")
    return sized(line(panel.with_target(objective), "B", RED), 8, 8)


def latency() -> timeseries.Panel:
    """Latency; its exemplars name requests."""
    panel = graph(
        "Latency", "Within the window; dashed: objective. The dots are single requests with their id.", "s"
    ).min(0)
    for ref, part in (("A", 0.5), ("B", 0.99)):
        expr = q.quantile(part, names.PREDICTION_LATENCY, q.MV, q.VERSION, q.WINDOW)
        panel = panel.with_target(query(expr, f"p{part * 100:.0f}", ref, exemplars=part > 0.9))
    objective = query(q.objective(names.OBJECTIVE_LATENCY, q.VERSION), "objective", "C")
    return sized(line(panel.with_target(objective), "C", RED), 8, 8)
