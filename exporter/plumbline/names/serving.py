"""Metrics of serving: predictions, their errors and latency."""

from __future__ import annotations

from plumbline.names.metric import MV, Metric

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

PREDICTIONS = Metric("ml_predictions_total", "counter", "Predictions stored.", MV, "Serving")
PREDICTION_ERRORS = Metric(
    "ml_prediction_errors_total", "counter", "Predictions whose status was error.", MV, "Serving"
)
PREDICTION_LATENCY = Metric(
    "ml_prediction_latency_seconds",
    "histogram",
    "Time the service took to answer.",
    MV,
    "Serving",
    "14 buckets x model versions; versions are bounded by the series budget",
    LATENCY_BUCKETS,
)
PREDICTION_LAST = Metric(
    "ml_prediction_last_timestamp_seconds", "gauge", "Time of the newest prediction.", MV, "Serving"
)
