"""Metrics of a canary or a shadow beside the production version, from when both were deployed."""

from __future__ import annotations

from plumbline.names.metric import MV, Family

_TRIALS = Family("Trials")

_PER_ARM = "2 arms x 2 losses per model version"
TRIAL_SAMPLES = _TRIALS.counter(
    "ml_trial_samples_total",
    "Predictions (loss = failed) or mature outcomes since the canary's trial began, of the canary itself and "
    "of the production version beside it. Starts again with every trial.",
    (*MV, "arm", "loss"),
    _PER_ARM,
)
TRIAL_LOSS = _TRIALS.counter(
    "ml_trial_loss_total",
    "Sum of the loss: 1 for a failed answer or a wrong class, the absolute error of a regression.",
    (*MV, "arm", "loss"),
    _PER_ARM,
)
TRIAL_SQUARED_LOSS = _TRIALS.counter(
    "ml_trial_squared_loss_total", "Sum of the squared loss.", (*MV, "arm", "loss"), _PER_ARM
)

SHADOW_PAIRS = _TRIALS.counter(
    "ml_shadow_pairs_total",
    "Requests that a shadow and the production version beside it both answered, by whether alike. Starts "
    "again with every trial.",
    (*MV, "agreement"),
    "2 per model version",
)
SHADOW_OUTCOMES = _TRIALS.counter(
    "ml_shadow_outcomes_total",
    "Such requests with a mature outcome, by whose answer was better: right where the other was wrong, or closer.",
    (*MV, "better"),
    "3 per model version",
)
