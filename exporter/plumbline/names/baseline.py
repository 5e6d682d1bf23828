"""Metrics of the baseline and of what the catalogue intends."""

from __future__ import annotations

from plumbline.names.metric import MV, PER_BIN, Family

_BASELINE_AND_INTENT = Family("Baseline and intent")

BASELINE_INFO = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_info", "Baseline in force for a model version; always 1.", (*MV, "baseline", "training_data", "commit")
)
BASELINE_FEATURE_SHARE = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_feature_share",
    "Share of the baseline's rows in a bin, smoothed by 0.5 per bin.",
    (*MV, "feature", "bin"),
    PER_BIN,
)
BASELINE_FEATURE_NOISE = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_feature_noise",
    "Largest leave-one-block-out PSI of the feature inside the baseline.",
    (*MV, "feature"),
    "one per feature; capped by the series budget",
)
BASELINE_PROBLEM_PEAK = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_feature_problem_peak",
    "Largest share of a feature's values with a problem in any window of this length of the baseline; "
    "absent where there was none.",
    (*MV, "feature", "problem", "window"),
    "drift windows per feature that was ever missing; capped by the series budget",
)
BASELINE_FEATURE_CHI2 = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_feature_chi2",
    "Chi-squared quantile (bins - 1 degrees of freedom, 1 - 0.001 / features) of the PSI threshold.",
    (*MV, "feature"),
    "one per feature; capped by the series budget",
)
BASELINE_FEATURE_CUMULATIVE = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_feature_cumulative_share",
    "Share of the baseline's values (missing ones apart) up to the bin's upper edge; numeric features.",
    (*MV, "feature", "bin"),
    PER_BIN,
)
BASELINE_FEATURE_EDGE_WEIGHT = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_feature_edge_weight",
    "Half the distance between the edges beside the bin's upper edge, in the baseline's standard deviations: "
    "weight of the edge in the Wasserstein distance.",
    (*MV, "feature", "bin"),
    PER_BIN,
)
FEATURE_IMPORTANCE = _BASELINE_AND_INTENT.gauge(
    "ml_feature_importance",
    "Importance of a feature as the catalogue declares it.",
    (*MV, "feature"),
    "one per feature; capped by the series budget",
)
BASELINE_ROWS = _BASELINE_AND_INTENT.gauge("ml_baseline_rows", "Rows of the baseline.", MV)
BASELINE_QUALITY = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_quality",
    "Quality of the model on the baseline's held-out rows.",
    (*MV, "metric"),
    "at most 8 per model version",
)
BASELINE_QUALITY_STDDEV = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_quality_stddev",
    "Standard deviation of the quality over the baseline's time blocks.",
    (*MV, "metric"),
    "at most 8 per model version",
)
BASELINE_QUALITY_SPREAD = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_quality_window_stddev",
    "Standard deviation of the quality between windows of the baseline, without what sampling adds where the "
    "standard error is recorded.",
    (*MV, "metric", "window"),
    "quality metrics x quality windows per model version",
)
BASELINE_SCORE_POSITIVE_SHARE = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_score_positive_share",
    "Share of positives per score bin in the baseline.",
    (*MV, "bin"),
    "score bins (80) per model version",
)
BASELINE_CALIBRATION_SPREAD = _BASELINE_AND_INTENT.gauge(
    "ml_baseline_calibration_gap_stddev",
    "Root mean square, over windows of the baseline, of a window's calibration gap against the others.",
    (*MV, "window"),
    "quality windows per model version",
)
OBJECTIVE = _BASELINE_AND_INTENT.gauge(
    "ml_objective",
    "Threshold of an objective in the metric's own unit, resolved against the baseline.",
    (*MV, "metric", "severity"),
    "objectives of the catalogue x model versions",
)
MODEL_INFO = _BASELINE_AND_INTENT.gauge(
    "ml_model_info", "A known model version; always 1.", (*MV, "owner", "stage", "task", "commit")
)
MODEL_DEPLOYED = _BASELINE_AND_INTENT.gauge(
    "ml_model_deployed_timestamp_seconds", "When the version entered its present stage.", MV
)
MODEL_DECLARED = _BASELINE_AND_INTENT.gauge(
    "ml_model_declared_timestamp_seconds",
    "When the exporter first knew of a model of the catalogue: since then its silence counts.",
    ("model", "owner"),
)
ROLLBACK_INFO = _BASELINE_AND_INTENT.gauge(
    "ml_model_rollback_info",
    "The version that was in production before this one: where to roll back to; always 1.",
    (*MV, "rollback_version"),
)
