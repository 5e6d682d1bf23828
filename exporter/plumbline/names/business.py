"""Metrics of business outcomes: KPIs."""

from __future__ import annotations

from plumbline.names.metric import MV, Metric

KPI = Metric(
    "ml_kpi_total",
    "counter",
    "Sum of |value| of a KPI; positive and negative values apart.",
    (*MV, "kpi", "sign"),
    "Business",
    "2 per declared KPI and model version",
)
KPI_EVENTS = Metric(
    "ml_kpi_events_total", "counter", "KPI events.", (*MV, "kpi"), "Business", "one per declared KPI and model version"
)

KPI_SQUARED = Metric(
    "ml_kpi_squared_total",
    "counter",
    "Sum of value^2 of a KPI: what its mean's standard error needs.",
    (*MV, "kpi"),
    "Business",
    "one per declared KPI and model version",
)
KPI_OBJECTIVE = Metric(
    "ml_kpi_objective",
    "gauge",
    "Declared bound of a KPI's mean per event or per prediction: floor, or max_drop as a share.",
    ("model", "kpi", "per", "bound"),
    "Business",
    "2 per declared KPI objective",
)
