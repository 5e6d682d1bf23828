"""Metrics of the exporter itself."""

from __future__ import annotations

from plumbline.names.metric import Family

_EXPORTER = Family("Exporter")

SELF_DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

LINES = _EXPORTER.counter(
    "plumbline_lines_total",
    "Event lines and alerts received, and actions recorded; equals stored + duplicates + rejected.",
)
EVENTS = _EXPORTER.counter("plumbline_events_total", "Events stored, by kind.", ("kind",))
EVENTS_DUPLICATE = _EXPORTER.counter(
    "plumbline_events_duplicate_total", "Events already stored (a resend); not counted again.", ("kind",)
)
EVENTS_REJECTED = _EXPORTER.counter("plumbline_events_rejected_total", "Event lines refused, by reason.", ("reason",))
EVENTS_UNKNOWN = _EXPORTER.counter(
    "plumbline_events_unknown_total",
    "Names in stored events that the catalogue does not declare; stored and counted, given no series.",
    ("what",),
)
REQUESTS_REFUSED = _EXPORTER.counter(
    "plumbline_requests_refused_total",
    "Whole requests refused: too_large, wrong_type, bad_encoding, overloaded, store_error, bad_webhook.",
    ("reason",),
)
LOG_LINES_DROPPED = _EXPORTER.counter(
    "plumbline_log_lines_dropped_total",
    "Lines of the exporter's own log that were lost: standard error failed, or did not take them in time.",
)
ALERTS = _EXPORTER.counter(
    "plumbline_alerts_total", "Alerts that Alertmanager sent, each status of an incident once.", ("severity", "status")
)
ALERTS_TRUNCATED = _EXPORTER.counter(
    "plumbline_alerts_truncated_total",
    "Alerts that Alertmanager left out of its notifications: its receiver's max_alerts is too small.",
)
HOOK_CALLS = _EXPORTER.counter(
    "plumbline_hook_calls_total",
    "Actions of the catalogue's hooks by how they ended, dry runs and refusals to act among them.",
    ("hook", "result"),
)
INGEST_DURATION = _EXPORTER.histogram(
    "plumbline_ingest_duration_seconds", "Time from a request's arrival to its answer.", (), SELF_DURATION_BUCKETS
)
COMMIT_DURATION = _EXPORTER.histogram(
    "plumbline_commit_duration_seconds", "Time of one durable commit of the store.", (), SELF_DURATION_BUCKETS
)
QUEUE_EVENTS = _EXPORTER.gauge("plumbline_queue_events", "Events waiting for the store.")
QUEUE_CAPACITY = _EXPORTER.gauge(
    "plumbline_queue_capacity_events", "Events the queue holds before requests are refused."
)
PENDING_OUTCOMES = _EXPORTER.gauge("plumbline_pending_outcomes", "Outcomes that wait for maturity.")
ORPHAN_OUTCOMES = _EXPORTER.gauge("plumbline_orphan_outcomes", "Outcomes that wait for their prediction.")
STORE_BYTES = _EXPORTER.gauge("plumbline_store_bytes", "Size of the store on disk.")
STORE_FREE = _EXPORTER.gauge("plumbline_store_disk_free_bytes", "Free space on the store's file system.")
SERIES = _EXPORTER.gauge("plumbline_series", "Series exposed for a model, all versions.", ("model",))
SERIES_BUDGET = _EXPORTER.gauge("plumbline_series_budget", "Series a model may expose.", ("model",))
SERIES_REFUSED = _EXPORTER.counter(
    "plumbline_series_refused_total", "Series not created because they would exceed the budget.", ("model",)
)
COLLECTOR_SUCCESS = _EXPORTER.gauge(
    "plumbline_collector_success", "1 if the collector succeeded in this scrape, else 0.", ("collector",)
)
COLLECTOR_DURATION = _EXPORTER.gauge(
    "plumbline_collector_duration_seconds", "Time the collector took in this scrape.", ("collector",)
)
BUILD_INFO = _EXPORTER.gauge(
    "plumbline_build_info", "Version of the exporter and of Python; always 1.", ("version", "python")
)
START_TIME = _EXPORTER.gauge("plumbline_start_time_seconds", "When the exporter started.")
