"""What ``ml_objective`` and recorded series name in their label ``metric``."""

from __future__ import annotations

# Quality metrics: True where larger is better.
QUALITY_METRICS: dict[str, bool] = {
    "accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "roc_auc": True,
    "average_precision": True,
    "brier": False,
    "log_loss": False,
    "mae": False,
    "rmse": False,
    "r2": True,
    "error_p50": False,
    "error_p90": False,
    "error_p99": False,
    "macro_precision": True,
    "macro_recall": True,
    "macro_f1": True,
}
SIGNED_METRICS = ("bias",)  # 0 is best: shown, never an objective
ERROR_QUANTILES = {"error_p50": 0.5, "error_p90": 0.9, "error_p99": 0.99}
BINARY_METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "brier", "log_loss")
MULTICLASS_METRICS = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
REGRESSION_METRICS = ("mae", "rmse", "r2", "bias", *ERROR_QUANTILES)

# Figures compared between a slice value and the rest of the model. What is worse: 1 = more, -1 = less,
# 0 = any difference (of which there is a ticket only where the catalogue declares a bound).
FAIRNESS_METRICS: dict[str, dict[str, int]] = {
    "binary": {"selection_rate": 0, "tpr": -1, "fpr": 1, "accuracy": -1},
    "multiclass": {"accuracy": -1},
    "regression": {"mae": 1, "bias": 0},
}
# Shown beside the rest of the model, without an interval and without a ticket.
BESIDE_METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("brier", "log_loss"),
    "multiclass": ("brier", "log_loss"),
    "regression": ("rmse", "r2"),
}
PROPORTIONS = ("selection_rate", "tpr", "fpr", "accuracy")  # the other figures are means

# Other values of ml_objective's metric label.
OBJECTIVE_DISPARITY = "disparity_"  # and a figure: the largest acceptable difference from the rest
OBJECTIVE_DISPARITY_SIGMAS = "disparity_sigmas"  # chance for all comparisons of the model together
OBJECTIVE_INTERVAL_SIGMAS = "disparity_interval_sigmas"  # half width of the intervals shown
OBJECTIVE_LATENCY = "latency_p99_seconds"
OBJECTIVE_ERRORS = "error_ratio"
OBJECTIVE_TRAFFIC = "predictions_per_second"
OBJECTIVE_COVERAGE = "outcome_coverage"
OBJECTIVE_SAMPLES = "outcome_samples"
