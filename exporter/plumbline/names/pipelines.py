"""Metrics of data pipelines."""

from __future__ import annotations

from plumbline.names.metric import Family

_PIPELINES = Family("Pipelines")

PIPELINE_DURATION_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)

PS = ("pipeline", "stage")
PIPELINE_RUNS = _PIPELINES.counter("ml_pipeline_runs_total", "Pipeline runs that ended.", PS)
PIPELINE_FAILURES = _PIPELINES.counter("ml_pipeline_failures_total", "Pipeline runs that failed.", PS)
PIPELINE_ROWS = _PIPELINES.counter(
    "ml_pipeline_rows_total", "Rows read, written and rejected.", (*PS, "outcome"), "3 per declared stage"
)
PIPELINE_DURATION = _PIPELINES.histogram(
    "ml_pipeline_duration_seconds",
    "Duration of a pipeline stage.",
    PS,
    PIPELINE_DURATION_BUCKETS,
    "12 buckets per declared stage",
)
PIPELINE_LAST_SUCCESS = _PIPELINES.gauge(
    "ml_pipeline_last_success_timestamp_seconds", "When the stage last succeeded.", PS
)
PIPELINE_DECLARED = _PIPELINES.gauge(
    "ml_pipeline_declared_timestamp_seconds",
    "When the exporter first knew of a stage of the catalogue: since then its silence counts.",
    PS,
)
PIPELINE_DATA = _PIPELINES.gauge(
    "ml_pipeline_data_timestamp_seconds", "Newest event time in the data of the last success.", PS
)
PIPELINE_CHECKS = _PIPELINES.counter(
    "ml_pipeline_checks_total", "Data checks run.", (*PS, "check"), "declared checks per stage"
)
PIPELINE_CHECK_FAILURES = _PIPELINES.counter(
    "ml_pipeline_check_failures_total", "Data checks that failed.", (*PS, "check"), "declared checks per stage"
)
PIPELINE_INFO = _PIPELINES.gauge(
    "ml_pipeline_info",
    "A declared pipeline and the models that depend on it; always 1.",
    ("pipeline", "owner", "models"),
)
PIPELINE_MODEL_INFO = _PIPELINES.gauge(
    "ml_pipeline_model_info", "One per pipeline and dependent model, to join on; always 1.", ("pipeline", "model")
)
PIPELINE_OBJECTIVE = _PIPELINES.gauge(
    "ml_pipeline_objective",
    "Declared bounds of a pipeline: freshness_seconds, cadence_seconds, rows_min, rows_max.",
    ("pipeline", "objective"),
    "4 per declared pipeline",
)
