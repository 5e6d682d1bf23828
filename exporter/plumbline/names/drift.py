"""Metrics of the inputs: values by bin, problems, skew against training code."""

from __future__ import annotations

from plumbline.names.metric import MV, PER_BIN, Family

_DRIFT = Family("Drift")

FEATURE_VALUES = _DRIFT.counter(
    "ml_feature_values_total",
    "Predictions by feature and bin of the baseline. Pseudo-features: _score, _prediction, and _actual, the "
    "mature outcomes.",
    (*MV, "feature", "bin"),
    PER_BIN,
)
FEATURE_PROBLEMS = _DRIFT.counter(
    "ml_feature_problems_total",
    "Feature values that were missing, of the wrong type, an unseen category, or outside the baseline.",
    (*MV, "feature", "problem"),
    "4 per feature; capped by the catalogue's series budget",
)

FEATURE_SKEW_ROWS = _DRIFT.counter(
    "ml_feature_skew_rows_total",
    "Predictions whose served value of the feature was compared with the one that training code recomputed.",
    (*MV, "feature"),
    "one per feature; capped by the catalogue's series budget",
)
FEATURE_SKEW_MISMATCHES = _DRIFT.counter(
    "ml_feature_skew_mismatches_total",
    "Of these, the ones where the two differ (numbers by more than 1e-6 of the larger; missing on one side).",
    (*MV, "feature"),
    "one per feature; capped by the catalogue's series budget",
)
