"""Metrics of data pipelines."""

from __future__ import annotations

from plumbline.names.metric import Metric

PIPELINE_DURATION_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)

PS = ("pipeline", "stage")
PIPELINE_RUNS = Metric("ml_pipeline_runs_total", "counter", "Pipeline runs that ended.", PS, "Pipelines")
PIPELINE_FAILURES = Metric("ml_pipeline_failures_total", "counter", "Pipeline runs that failed.", PS, "Pipelines")
PIPELINE_ROWS = Metric(
    "ml_pipeline_rows_total",
    "counter",
    "Rows read, written and rejected.",
    (*PS, "outcome"),
    "Pipelines",
    "3 per declared stage",
)
PIPELINE_DURATION = Metric(
    "ml_pipeline_duration_seconds",
    "histogram",
    "Duration of a pipeline stage.",
    PS,
    "Pipelines",
    "12 buckets per declared stage",
    PIPELINE_DURATION_BUCKETS,
)
PIPELINE_LAST_SUCCESS = Metric(
    "ml_pipeline_last_success_timestamp_seconds", "gauge", "When the stage last succeeded.", PS, "Pipelines"
)
PIPELINE_DECLARED = Metric(
    "ml_pipeline_declared_timestamp_seconds",
    "gauge",
    "When the exporter first knew of a stage of the catalogue: since then its silence counts.",
    PS,
    "Pipelines",
)
PIPELINE_DATA = Metric(
    "ml_pipeline_data_timestamp_seconds", "gauge", "Newest event time in the data of the last success.", PS, "Pipelines"
)
PIPELINE_CHECKS = Metric(
    "ml_pipeline_checks_total", "counter", "Data checks run.", (*PS, "check"), "Pipelines", "declared checks per stage"
)
PIPELINE_CHECK_FAILURES = Metric(
    "ml_pipeline_check_failures_total",
    "counter",
    "Data checks that failed.",
    (*PS, "check"),
    "Pipelines",
    "declared checks per stage",
)
PIPELINE_INFO = Metric(
    "ml_pipeline_info",
    "gauge",
    "A declared pipeline and the models that depend on it; always 1.",
    ("pipeline", "owner", "models"),
    "Pipelines",
)
PIPELINE_MODEL_INFO = Metric(
    "ml_pipeline_model_info",
    "gauge",
    "One per pipeline and dependent model, to join on; always 1.",
    ("pipeline", "model"),
    "Pipelines",
)
PIPELINE_OBJECTIVE = Metric(
    "ml_pipeline_objective",
    "gauge",
    "Declared bounds of a pipeline: freshness_seconds, cadence_seconds, rows_min, rows_max.",
    ("pipeline", "objective"),
    "Pipelines",
    "4 per declared pipeline",
)
