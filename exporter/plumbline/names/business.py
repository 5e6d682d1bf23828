"""Metrics of business outcomes: KPIs."""

from __future__ import annotations

from plumbline.names.metric import MV, Family

_BUSINESS = Family("Business")

KPI = _BUSINESS.counter(
    "ml_kpi_total",
    "Sum of |value| of a KPI; positive and negative values apart.",
    (*MV, "kpi", "sign"),
    "2 per declared KPI and model version",
)
KPI_EVENTS = _BUSINESS.counter(
    "ml_kpi_events_total", "KPI events.", (*MV, "kpi"), "one per declared KPI and model version"
)

KPI_SQUARED = _BUSINESS.counter(
    "ml_kpi_squared_total",
    "Sum of value^2 of a KPI: what its mean's standard error needs.",
    (*MV, "kpi"),
    "one per declared KPI and model version",
)
KPI_OBJECTIVE = _BUSINESS.gauge(
    "ml_kpi_objective",
    "Declared bound of a KPI's mean per event or per prediction: floor, or max_drop as a share.",
    ("model", "kpi", "per", "bound"),
    "2 per declared KPI objective",
)
