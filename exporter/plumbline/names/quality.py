"""Metrics of quality: outcomes joined with their predictions, mature, early and at equal age."""

from __future__ import annotations

from plumbline.names.metric import MV, Metric

OUTCOME_DELAY_BUCKETS = (
    1.0,
    10.0,
    60.0,
    600.0,
    1800.0,
    3600.0,
    7200.0,
    21600.0,
    43200.0,
    86400.0,
    172800.0,
    604800.0,
    2592000.0,
)

_PER_CLASS = "classes squared x declared slice values; capped by the catalogue's series budget"

OUTCOMES = Metric(
    "ml_outcomes_total",
    "counter",
    "Outcomes by state; every outcome has exactly one: matched (in time), late (known after maturity), "
    "orphan (no prediction), duplicate, corrected.",
    (*MV, "state"),
    "Quality",
    "5 per model version",
)
OUTCOME_DELAY = Metric(
    "ml_outcome_delay_seconds",
    "histogram",
    "Time from prediction to known outcome.",
    MV,
    "Quality",
    "14 buckets x model versions; versions are bounded by the series budget",
    OUTCOME_DELAY_BUCKETS,
)
PREDICTIONS_MATURED = Metric(
    "ml_predictions_matured_total",
    "counter",
    "Predictions that have reached the model's outcome maturity: the denominator of coverage.",
    MV,
    "Quality",
)
OUTCOMES_MATURED = Metric(
    "ml_outcomes_matured_total",
    "counter",
    "Outcomes that have entered the quality counters: the numerator of coverage.",
    MV,
    "Quality",
)
CONFUSION = Metric(
    "ml_confusion_total",
    "counter",
    "Mature outcomes by actual and predicted class.",
    (*MV, "slice", "value", "actual", "predicted"),
    "Quality",
    _PER_CLASS,
)
SCORE_BINS = Metric(
    "ml_score_bins_total",
    "counter",
    "Mature outcomes by score bin and actual class (1 = positive).",
    (*MV, "bin", "actual"),
    "Quality",
    "2 x score bins (80) per model version",
)
SCORE_BIN_SUM = Metric(
    "ml_score_bin_sum_total",
    "counter",
    "Sum of the scores of mature outcomes by score bin.",
    (*MV, "bin"),
    "Quality",
    "score bins (80) per model version",
)
SCORE_POSITIVES_ABOVE = Metric(
    "ml_score_positives_above_total",
    "counter",
    "Mature positives scored above the bin, plus half of those in it: ROC-AUC is a sum of products.",
    (*MV, "bin"),
    "Quality",
    "score bins (80) per model version",
)
SQUARED_SCORE_ERROR = Metric(
    "ml_squared_score_error_total",
    "counter",
    "Sum of (score - actual)^2 of mature outcomes (Brier).",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
LOG_LOSS = Metric(
    "ml_log_loss_total",
    "counter",
    "Sum of the log-loss of mature outcomes.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
ESTIMATED_CONFUSION = Metric(
    "ml_estimated_confusion_total",
    "counter",
    "Expected confusion of all scored predictions, outcome or not: each adds its score bin's share of "
    "positives in the baseline to actual = positive, the rest to the other class (CBPE). An estimate.",
    (*MV, "actual", "predicted"),
    "Quality",
)
REGRESSION = Metric(
    "ml_regression_total",
    "counter",
    "Mature outcomes of a regression model.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
ABSOLUTE_ERROR = Metric(
    "ml_absolute_error_total",
    "counter",
    "Sum of |prediction - actual| of mature outcomes.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
SQUARED_ERROR = Metric(
    "ml_squared_error_total",
    "counter",
    "Sum of (prediction - actual)^2 of mature outcomes.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
OVERPREDICTION = Metric(
    "ml_overprediction_total",
    "counter",
    "Sum of max(prediction - actual, 0) of mature outcomes.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
UNDERPREDICTION = Metric(
    "ml_underprediction_total",
    "counter",
    "Sum of max(actual - prediction, 0) of mature outcomes.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
ACTUAL = Metric(
    "ml_actual_total",
    "counter",
    "Sum of |actual - c| of mature outcomes on either side of c, the baseline's mean outcome "
    "(sign says the side: a counter cannot fall).",
    (*MV, "slice", "value", "sign"),
    "Quality",
    "declared slice values; capped by the series budget",
)
ACTUAL_SQUARED = Metric(
    "ml_actual_squared_total",
    "counter",
    "Sum of (actual - c)^2 of mature outcomes; c is the baseline's mean outcome.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
EXCLUDED = Metric(
    "ml_outcomes_excluded_total",
    "counter",
    "Outcomes that cannot be compared with their prediction and stay out of quality: unknown_class (a class "
    "that is not declared), not_a_number, extreme (so far out that float64 sums would swallow the others), "
    "layout_changed (a correction of what was counted under other classes, or for an unknown version).",
    (*MV, "reason"),
    "Quality",
    "1 to 3 per model version",
)

SCORE_NEGATIVES_ABOVE = Metric(
    "ml_score_negatives_above_total",
    "counter",
    "Mature negatives scored above the bin, plus half of those in it: precision at every bin.",
    (*MV, "bin"),
    "Quality",
    "score bins (80) per model version",
)
SCORED = Metric(
    "ml_scored_outcomes_total",
    "counter",
    "Mature outcomes of predictions that gave a score (binary) or scores (multiclass): the denominator of "
    "Brier and log-loss.",
    (*MV, "slice", "value"),
    "Quality",
    "declared slice values; capped by the series budget",
)
CLASS_OUTCOMES = Metric(
    "ml_class_outcomes_total",
    "counter",
    "Mature outcomes of a multiclass model by class: hit (predicted and true), false_positive (predicted, "
    "not true), false_negative (true, not predicted).",
    (*MV, "slice", "value", "class", "result"),
    "Quality",
    "3 x classes x declared slice values; capped by the catalogue's series budget",
)
ERROR_MAGNITUDE = Metric(
    "ml_error_magnitude",
    "histogram",
    "|prediction - actual| of mature outcomes; the bounds are quantiles of the baseline's own errors.",
    MV,
    "Quality",
    "34 buckets x model versions; versions are bounded by the series budget",
)

# The early view: outcomes known soon, which flatter; never alerted on (docs/adr/0021).
EARLY_OUTCOMES = Metric(
    "ml_early_outcomes_total",
    "counter",
    "Outcomes known within the model's early horizon, counted on arrival. Early outcomes flatter.",
    MV,
    "Early view",
)
EARLY_CORRECT = Metric(
    "ml_early_correct_total", "counter", "Early outcomes whose class had been predicted.", MV, "Early view"
)
EARLY_ABSOLUTE_ERROR = Metric(
    "ml_early_absolute_error_total", "counter", "Sum of |prediction - actual| of early outcomes.", MV, "Early view"
)
EARLY_SQUARED_ERROR = Metric(
    "ml_early_squared_error_total", "counter", "Sum of (prediction - actual)^2 of early outcomes.", MV, "Early view"
)
EARLY_OVERPREDICTION = Metric(
    "ml_early_overprediction_total",
    "counter",
    "Sum of max(prediction - actual, 0) of early outcomes.",
    MV,
    "Early view",
)
EARLY_UNDERPREDICTION = Metric(
    "ml_early_underprediction_total",
    "counter",
    "Sum of max(actual - prediction, 0) of early outcomes.",
    MV,
    "Early view",
)

# Versions at equal age: the predictions of a version's first day and week (docs/adr/0021).
YOUNG_OUTCOMES = Metric(
    "ml_young_outcomes_total",
    "counter",
    "Mature outcomes of predictions made within `age` of the version's first deployment.",
    (*MV, "age"),
    "Equal age",
)
YOUNG_CORRECT = Metric(
    "ml_young_correct_total", "counter", "Young outcomes whose class had been predicted.", (*MV, "age"), "Equal age"
)
YOUNG_ABSOLUTE_ERROR = Metric(
    "ml_young_absolute_error_total",
    "counter",
    "Sum of |prediction - actual| of young outcomes.",
    (*MV, "age"),
    "Equal age",
)
