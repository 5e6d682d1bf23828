"""Dashboards and their uids."""

from __future__ import annotations

# Literal uids, so that links in alerts and between dashboards never break.
DASHBOARD_UIDS: dict[str, str] = {
    "fleet": "plumbline-fleet",
    "quality": "plumbline-quality",
    "slices": "plumbline-slices",
    "trials": "plumbline-trials",
    "drift": "plumbline-drift",
    "pipelines": "plumbline-pipelines",
    "infrastructure": "plumbline-infrastructure",
    "exporter": "plumbline-exporter",
    "trace": "plumbline-trace",
    "predictions": "plumbline-predictions",
    "batch": "plumbline-batch",
}
# Those over the PostgreSQL store; the others ask Prometheus.
STORE_DASHBOARDS = ("trace", "predictions", "batch")
