"""Metrics of the baseline and of what the catalogue intends."""

from __future__ import annotations

from plumbline.names.metric import MV, PER_BIN, Metric

BASELINE_INFO = Metric(
    "ml_baseline_info",
    "gauge",
    "Baseline in force for a model version; always 1.",
    (*MV, "baseline", "training_data", "commit"),
    "Baseline and intent",
)
BASELINE_FEATURE_SHARE = Metric(
    "ml_baseline_feature_share",
    "gauge",
    "Share of the baseline's rows in a bin, smoothed by 0.5 per bin.",
    (*MV, "feature", "bin"),
    "Baseline and intent",
    PER_BIN,
)
BASELINE_FEATURE_NOISE = Metric(
    "ml_baseline_feature_noise",
    "gauge",
    "Largest leave-one-block-out PSI of the feature inside the baseline.",
    (*MV, "feature"),
    "Baseline and intent",
    "one per feature; capped by the series budget",
)
BASELINE_PROBLEM_PEAK = Metric(
    "ml_baseline_feature_problem_peak",
    "gauge",
    "Largest share of a feature's values with a problem in any window of this length of the baseline; "
    "absent where there was none.",
    (*MV, "feature", "problem", "window"),
    "Baseline and intent",
    "drift windows per feature that was ever missing; capped by the series budget",
)
BASELINE_FEATURE_CHI2 = Metric(
    "ml_baseline_feature_chi2",
    "gauge",
    "Chi-squared quantile (bins - 1 degrees of freedom, 1 - 0.001 / features) of the PSI threshold.",
    (*MV, "feature"),
    "Baseline and intent",
    "one per feature; capped by the series budget",
)
BASELINE_FEATURE_CUMULATIVE = Metric(
    "ml_baseline_feature_cumulative_share",
    "gauge",
    "Share of the baseline's values (missing ones apart) up to the bin's upper edge; numeric features.",
    (*MV, "feature", "bin"),
    "Baseline and intent",
    PER_BIN,
)
BASELINE_FEATURE_EDGE_WEIGHT = Metric(
    "ml_baseline_feature_edge_weight",
    "gauge",
    "Half the distance between the edges beside the bin's upper edge, in the baseline's standard deviations: "
    "weight of the edge in the Wasserstein distance.",
    (*MV, "feature", "bin"),
    "Baseline and intent",
    PER_BIN,
)
FEATURE_IMPORTANCE = Metric(
    "ml_feature_importance",
    "gauge",
    "Importance of a feature as the catalogue declares it.",
    (*MV, "feature"),
    "Baseline and intent",
    "one per feature; capped by the series budget",
)
BASELINE_ROWS = Metric("ml_baseline_rows", "gauge", "Rows of the baseline.", MV, "Baseline and intent")
BASELINE_QUALITY = Metric(
    "ml_baseline_quality",
    "gauge",
    "Quality of the model on the baseline's held-out rows.",
    (*MV, "metric"),
    "Baseline and intent",
    "at most 8 per model version",
)
BASELINE_QUALITY_STDDEV = Metric(
    "ml_baseline_quality_stddev",
    "gauge",
    "Standard deviation of the quality over the baseline's time blocks.",
    (*MV, "metric"),
    "Baseline and intent",
    "at most 8 per model version",
)
BASELINE_QUALITY_SPREAD = Metric(
    "ml_baseline_quality_window_stddev",
    "gauge",
    "Standard deviation of the quality between windows of the baseline, without what sampling adds where the "
    "standard error is recorded.",
    (*MV, "metric", "window"),
    "Baseline and intent",
    "quality metrics x quality windows per model version",
)
BASELINE_SCORE_POSITIVE_SHARE = Metric(
    "ml_baseline_score_positive_share",
    "gauge",
    "Share of positives per score bin in the baseline.",
    (*MV, "bin"),
    "Baseline and intent",
    "score bins (80) per model version",
)
BASELINE_CALIBRATION_SPREAD = Metric(
    "ml_baseline_calibration_gap_stddev",
    "gauge",
    "Root mean square, over windows of the baseline, of a window's calibration gap against the others.",
    (*MV, "window"),
    "Baseline and intent",
    "quality windows per model version",
)
OBJECTIVE = Metric(
    "ml_objective",
    "gauge",
    "Threshold of an objective in the metric's own unit, resolved against the baseline.",
    (*MV, "metric", "severity"),
    "Baseline and intent",
    "objectives of the catalogue x model versions",
)
MODEL_INFO = Metric(
    "ml_model_info",
    "gauge",
    "A known model version; always 1.",
    (*MV, "owner", "stage", "task", "commit"),
    "Baseline and intent",
)
MODEL_DEPLOYED = Metric(
    "ml_model_deployed_timestamp_seconds",
    "gauge",
    "When the version entered its present stage.",
    MV,
    "Baseline and intent",
)
MODEL_DECLARED = Metric(
    "ml_model_declared_timestamp_seconds",
    "gauge",
    "When the exporter first knew of a model of the catalogue: since then its silence counts.",
    ("model", "owner"),
    "Baseline and intent",
)
ROLLBACK_INFO = Metric(
    "ml_model_rollback_info",
    "gauge",
    "The version that was in production before this one: where to roll back to; always 1.",
    (*MV, "rollback_version"),
    "Baseline and intent",
)
