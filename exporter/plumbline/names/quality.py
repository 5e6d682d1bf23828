"""Metrics of quality: outcomes joined with their predictions, mature, early and at equal age."""

from __future__ import annotations

from plumbline.names.metric import MV, Family

_QUALITY = Family("Quality")
_EARLY_VIEW = Family("Early view")
_EQUAL_AGE = Family("Equal age")

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

OUTCOMES = _QUALITY.counter(
    "ml_outcomes_total",
    "Outcomes by state; every outcome has exactly one: matched (in time), late (known after maturity), "
    "orphan (no prediction), duplicate, corrected.",
    (*MV, "state"),
    "5 per model version",
)
OUTCOME_DELAY = _QUALITY.histogram(
    "ml_outcome_delay_seconds",
    "Time from prediction to known outcome.",
    MV,
    OUTCOME_DELAY_BUCKETS,
    "14 buckets x model versions; versions are bounded by the series budget",
)
PREDICTIONS_MATURED = _QUALITY.counter(
    "ml_predictions_matured_total",
    "Predictions that have reached the model's outcome maturity: the denominator of coverage.",
    MV,
)
OUTCOMES_MATURED = _QUALITY.counter(
    "ml_outcomes_matured_total", "Outcomes that have entered the quality counters: the numerator of coverage.", MV
)
CONFUSION = _QUALITY.counter(
    "ml_confusion_total",
    "Mature outcomes by actual and predicted class.",
    (*MV, "slice", "value", "actual", "predicted"),
    _PER_CLASS,
)
SCORE_BINS = _QUALITY.counter(
    "ml_score_bins_total",
    "Mature outcomes by score bin and actual class (1 = positive).",
    (*MV, "bin", "actual"),
    "2 x score bins (80) per model version",
)
SCORE_BIN_SUM = _QUALITY.counter(
    "ml_score_bin_sum_total",
    "Sum of the scores of mature outcomes by score bin.",
    (*MV, "bin"),
    "score bins (80) per model version",
)
SCORE_POSITIVES_ABOVE = _QUALITY.counter(
    "ml_score_positives_above_total",
    "Mature positives scored above the bin, plus half of those in it: ROC-AUC is a sum of products.",
    (*MV, "bin"),
    "score bins (80) per model version",
)
SQUARED_SCORE_ERROR = _QUALITY.counter(
    "ml_squared_score_error_total",
    "Sum of (score - actual)^2 of mature outcomes (Brier).",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
LOG_LOSS = _QUALITY.counter(
    "ml_log_loss_total",
    "Sum of the log-loss of mature outcomes.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
ESTIMATED_CONFUSION = _QUALITY.counter(
    "ml_estimated_confusion_total",
    "Expected confusion of all scored predictions, outcome or not: each adds its score bin's share of "
    "positives in the baseline to actual = positive, the rest to the other class (CBPE). An estimate.",
    (*MV, "actual", "predicted"),
)
REGRESSION = _QUALITY.counter(
    "ml_regression_total",
    "Mature outcomes of a regression model.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
ABSOLUTE_ERROR = _QUALITY.counter(
    "ml_absolute_error_total",
    "Sum of |prediction - actual| of mature outcomes.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
SQUARED_ERROR = _QUALITY.counter(
    "ml_squared_error_total",
    "Sum of (prediction - actual)^2 of mature outcomes.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
OVERPREDICTION = _QUALITY.counter(
    "ml_overprediction_total",
    "Sum of max(prediction - actual, 0) of mature outcomes.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
UNDERPREDICTION = _QUALITY.counter(
    "ml_underprediction_total",
    "Sum of max(actual - prediction, 0) of mature outcomes.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
ACTUAL = _QUALITY.counter(
    "ml_actual_total",
    "Sum of |actual - c| of mature outcomes on either side of c, the baseline's mean outcome "
    "(sign says the side: a counter cannot fall).",
    (*MV, "slice", "value", "sign"),
    "declared slice values; capped by the series budget",
)
ACTUAL_SQUARED = _QUALITY.counter(
    "ml_actual_squared_total",
    "Sum of (actual - c)^2 of mature outcomes; c is the baseline's mean outcome.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
EXCLUDED = _QUALITY.counter(
    "ml_outcomes_excluded_total",
    "Outcomes that cannot be compared with their prediction and stay out of quality: unknown_class (a class "
    "that is not declared), not_a_number, extreme (so far out that float64 sums would swallow the others), "
    "layout_changed (a correction of what was counted under other classes, or for an unknown version).",
    (*MV, "reason"),
    "1 to 3 per model version",
)

SCORE_NEGATIVES_ABOVE = _QUALITY.counter(
    "ml_score_negatives_above_total",
    "Mature negatives scored above the bin, plus half of those in it: precision at every bin.",
    (*MV, "bin"),
    "score bins (80) per model version",
)
SCORED = _QUALITY.counter(
    "ml_scored_outcomes_total",
    "Mature outcomes of predictions that gave a score (binary) or scores (multiclass): the denominator of "
    "Brier and log-loss.",
    (*MV, "slice", "value"),
    "declared slice values; capped by the series budget",
)
CLASS_OUTCOMES = _QUALITY.counter(
    "ml_class_outcomes_total",
    "Mature outcomes of a multiclass model by class: hit (predicted and true), false_positive (predicted, "
    "not true), false_negative (true, not predicted).",
    (*MV, "slice", "value", "class", "result"),
    "3 x classes x declared slice values; capped by the catalogue's series budget",
)
ERROR_MAGNITUDE = _QUALITY.histogram(
    "ml_error_magnitude",
    "|prediction - actual| of mature outcomes; the bounds are quantiles of the baseline's own errors.",
    MV,
    (),
    "34 buckets x model versions; versions are bounded by the series budget",
)

# The early view: outcomes known soon, which flatter; never alerted on (docs/adr/0021).
EARLY_OUTCOMES = _EARLY_VIEW.counter(
    "ml_early_outcomes_total",
    "Outcomes known within the model's early horizon, counted on arrival. Early outcomes flatter.",
    MV,
)
EARLY_CORRECT = _EARLY_VIEW.counter("ml_early_correct_total", "Early outcomes whose class had been predicted.", MV)
EARLY_ABSOLUTE_ERROR = _EARLY_VIEW.counter(
    "ml_early_absolute_error_total", "Sum of |prediction - actual| of early outcomes.", MV
)
EARLY_SQUARED_ERROR = _EARLY_VIEW.counter(
    "ml_early_squared_error_total", "Sum of (prediction - actual)^2 of early outcomes.", MV
)
EARLY_OVERPREDICTION = _EARLY_VIEW.counter(
    "ml_early_overprediction_total", "Sum of max(prediction - actual, 0) of early outcomes.", MV
)
EARLY_UNDERPREDICTION = _EARLY_VIEW.counter(
    "ml_early_underprediction_total", "Sum of max(actual - prediction, 0) of early outcomes.", MV
)

# Versions at equal age: the predictions of a version's first day and week (docs/adr/0021).
YOUNG_OUTCOMES = _EQUAL_AGE.counter(
    "ml_young_outcomes_total",
    "Mature outcomes of predictions made within `age` of the version's first deployment.",
    (*MV, "age"),
)
YOUNG_CORRECT = _EQUAL_AGE.counter(
    "ml_young_correct_total", "Young outcomes whose class had been predicted.", (*MV, "age")
)
YOUNG_ABSOLUTE_ERROR = _EQUAL_AGE.counter(
    "ml_young_absolute_error_total", "Sum of |prediction - actual| of young outcomes.", (*MV, "age")
)
