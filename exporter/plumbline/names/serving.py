"""Metrics of serving: predictions, their errors and latency."""

from __future__ import annotations

from plumbline.names.metric import MV, Family

_SERVING = Family("Serving")

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

PREDICTIONS = _SERVING.counter("ml_predictions_total", "Predictions stored.", MV)
PREDICTION_ERRORS = _SERVING.counter("ml_prediction_errors_total", "Predictions whose status was error.", MV)
PREDICTION_LATENCY = _SERVING.histogram(
    "ml_prediction_latency_seconds",
    "Time the service took to answer.",
    MV,
    LATENCY_BUCKETS,
    "14 buckets x model versions; versions are bounded by the series budget",
)
PREDICTION_LAST = _SERVING.gauge("ml_prediction_last_timestamp_seconds", "Time of the newest prediction.", MV)
