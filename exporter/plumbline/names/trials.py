"""Metrics of a canary or a shadow beside the production version, from when both were deployed."""

from __future__ import annotations

from plumbline.names.metric import MV, Metric

_PER_ARM = "2 arms x 2 losses per model version"
TRIAL_SAMPLES = Metric(
    "ml_trial_samples_total",
    "counter",
    "Predictions (loss = failed) or mature outcomes since the canary's trial began, of the canary itself and "
    "of the production version beside it. Starts again with every trial.",
    (*MV, "arm", "loss"),
    "Trials",
    _PER_ARM,
)
TRIAL_LOSS = Metric(
    "ml_trial_loss_total",
    "counter",
    "Sum of the loss: 1 for a failed answer or a wrong class, the absolute error of a regression.",
    (*MV, "arm", "loss"),
    "Trials",
    _PER_ARM,
)
TRIAL_SQUARED_LOSS = Metric(
    "ml_trial_squared_loss_total", "counter", "Sum of the squared loss.", (*MV, "arm", "loss"), "Trials", _PER_ARM
)

SHADOW_PAIRS = Metric(
    "ml_shadow_pairs_total",
    "counter",
    "Requests that a shadow and the production version beside it both answered, by whether alike. Starts "
    "again with every trial.",
    (*MV, "agreement"),
    "Trials",
    "2 per model version",
)
SHADOW_OUTCOMES = Metric(
    "ml_shadow_outcomes_total",
    "counter",
    "Such requests with a mature outcome, by whose answer was better: right where the other was wrong, or closer.",
    (*MV, "better"),
    "Trials",
    "3 per model version",
)
