"""Metrics of the inputs: values by bin, problems, skew against training code."""

from __future__ import annotations

from plumbline.names.metric import MV, PER_BIN, Metric

FEATURE_VALUES = Metric(
    "ml_feature_values_total",
    "counter",
    "Predictions by feature and bin of the baseline. Pseudo-features: _score, _prediction, and _actual, the "
    "mature outcomes.",
    (*MV, "feature", "bin"),
    "Drift",
    PER_BIN,
)
FEATURE_PROBLEMS = Metric(
    "ml_feature_problems_total",
    "counter",
    "Feature values that were missing, of the wrong type, an unseen category, or outside the baseline.",
    (*MV, "feature", "problem"),
    "Drift",
    "4 per feature; capped by the catalogue's series budget",
)

FEATURE_SKEW_ROWS = Metric(
    "ml_feature_skew_rows_total",
    "counter",
    "Predictions whose served value of the feature was compared with the one that training code recomputed.",
    (*MV, "feature"),
    "Drift",
    "one per feature; capped by the catalogue's series budget",
)
FEATURE_SKEW_MISMATCHES = Metric(
    "ml_feature_skew_mismatches_total",
    "counter",
    "Of these, the ones where the two differ (numbers by more than 1e-6 of the larger; missing on one side).",
    (*MV, "feature"),
    "Drift",
    "one per feature; capped by the catalogue's series budget",
)
