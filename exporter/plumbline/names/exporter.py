"""Metrics of the exporter itself."""

from __future__ import annotations

from plumbline.names.metric import Metric

SELF_DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

LINES = Metric(
    "plumbline_lines_total",
    "counter",
    "Event lines and alerts received, and actions recorded; equals stored + duplicates + rejected.",
    (),
    "Exporter",
)
EVENTS = Metric("plumbline_events_total", "counter", "Events stored, by kind.", ("kind",), "Exporter")
EVENTS_DUPLICATE = Metric(
    "plumbline_events_duplicate_total",
    "counter",
    "Events already stored (a resend); not counted again.",
    ("kind",),
    "Exporter",
)
EVENTS_REJECTED = Metric(
    "plumbline_events_rejected_total", "counter", "Event lines refused, by reason.", ("reason",), "Exporter"
)
EVENTS_UNKNOWN = Metric(
    "plumbline_events_unknown_total",
    "counter",
    "Names in stored events that the catalogue does not declare; stored and counted, given no series.",
    ("what",),
    "Exporter",
)
REQUESTS_REFUSED = Metric(
    "plumbline_requests_refused_total",
    "counter",
    "Whole requests refused: too_large, wrong_type, bad_encoding, overloaded, store_error, bad_webhook.",
    ("reason",),
    "Exporter",
)
LOG_LINES_DROPPED = Metric(
    "plumbline_log_lines_dropped_total",
    "counter",
    "Lines of the exporter's own log that were lost: standard error failed, or did not take them in time.",
    (),
    "Exporter",
)
ALERTS = Metric(
    "plumbline_alerts_total",
    "counter",
    "Alerts that Alertmanager sent, each status of an incident once.",
    ("severity", "status"),
    "Exporter",
)
ALERTS_TRUNCATED = Metric(
    "plumbline_alerts_truncated_total",
    "counter",
    "Alerts that Alertmanager left out of its notifications: its receiver's max_alerts is too small.",
    (),
    "Exporter",
)
HOOK_CALLS = Metric(
    "plumbline_hook_calls_total",
    "counter",
    "Actions of the catalogue's hooks by how they ended, dry runs and refusals to act among them.",
    ("hook", "result"),
    "Exporter",
)
INGEST_DURATION = Metric(
    "plumbline_ingest_duration_seconds",
    "histogram",
    "Time from a request's arrival to its answer.",
    (),
    "Exporter",
    "",
    SELF_DURATION_BUCKETS,
)
COMMIT_DURATION = Metric(
    "plumbline_commit_duration_seconds",
    "histogram",
    "Time of one durable commit of the store.",
    (),
    "Exporter",
    "",
    SELF_DURATION_BUCKETS,
)
QUEUE_EVENTS = Metric("plumbline_queue_events", "gauge", "Events waiting for the store.", (), "Exporter")
QUEUE_CAPACITY = Metric(
    "plumbline_queue_capacity_events", "gauge", "Events the queue holds before requests are refused.", (), "Exporter"
)
PENDING_OUTCOMES = Metric("plumbline_pending_outcomes", "gauge", "Outcomes that wait for maturity.", (), "Exporter")
ORPHAN_OUTCOMES = Metric(
    "plumbline_orphan_outcomes", "gauge", "Outcomes that wait for their prediction.", (), "Exporter"
)
STORE_BYTES = Metric("plumbline_store_bytes", "gauge", "Size of the store on disk.", (), "Exporter")
STORE_FREE = Metric(
    "plumbline_store_disk_free_bytes", "gauge", "Free space on the store's file system.", (), "Exporter"
)
SERIES = Metric("plumbline_series", "gauge", "Series exposed for a model, all versions.", ("model",), "Exporter")
SERIES_BUDGET = Metric("plumbline_series_budget", "gauge", "Series a model may expose.", ("model",), "Exporter")
SERIES_REFUSED = Metric(
    "plumbline_series_refused_total",
    "counter",
    "Series not created because they would exceed the budget.",
    ("model",),
    "Exporter",
)
COLLECTOR_SUCCESS = Metric(
    "plumbline_collector_success",
    "gauge",
    "1 if the collector succeeded in this scrape, else 0.",
    ("collector",),
    "Exporter",
)
COLLECTOR_DURATION = Metric(
    "plumbline_collector_duration_seconds",
    "gauge",
    "Time the collector took in this scrape.",
    ("collector",),
    "Exporter",
)
BUILD_INFO = Metric(
    "plumbline_build_info",
    "gauge",
    "Version of the exporter and of Python; always 1.",
    ("version", "python"),
    "Exporter",
)
START_TIME = Metric("plumbline_start_time_seconds", "gauge", "When the exporter started.", (), "Exporter")
