"""The contract: every metric, label, recorded series, alert and reason name, once.

Rules, dashboards, the exporter, the tests and the README's metric table all read this module, so they
cannot disagree. It reads nothing and imports nothing of ours.

Naming follows Prometheus: base units in the name, ``_total`` on counters, closed label sets, labels
``model, version`` first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

# --- label values that stand for "not one of the declared ones"; they bound every label set ---
UNKNOWN = "_unknown"
OTHER = "other"
MISSING = "missing"
ALL = "all"  # slice="all", value="all": every row of the model version

SCORE_FEATURE = "_score"
PREDICTION_FEATURE = "_prediction"
ACTUAL_FEATURE = "_actual"
# Counted in bins like features, without being inputs: what the model says, and what came true.
PSEUDO_FEATURES = (SCORE_FEATURE, PREDICTION_FEATURE, ACTUAL_FEATURE)

PROBLEMS = ("missing", "wrong_type", "unseen", "out_of_range")
OUTCOME_STATES = ("matched", "late", "orphan", "duplicate", "corrected")
# States that an event yet to come can take back: an earlier report of the same outcome, the prediction.
RETRACTABLE_STATES = ("late", "orphan")
YOUNG_AGES = {"1d": 86_400.0, "7d": 604_800.0}
EXCLUDE_REASONS = ("unknown_class", "not_a_number", "extreme")
# The embedded store keeps a kind by its place here: new ones go to the end. alert and action are made by the
# exporter itself, of what Alertmanager sends and of what its hooks did.
EVENT_KINDS = (
    "prediction", "outcome", "pipeline", "deployment", "kpi", "log", "alert", "action", "recomputed",
)  # fmt: skip
REJECT_REASONS = (
    "bad_json",
    "unknown_type",
    "missing_field",
    "bad_field",
    "bad_timestamp",
    "bad_id",
    "line_too_long",
)
# Why plumbline.Client gave an event up; see docs/client.md.
CLIENT_DROP_REASONS = (
    "invalid",
    "queue_full",
    "spool_full",
    "spool_damaged",
    "rejected",
    "too_large",
    "closed",
)
FOLLOW_RESULTS = ("accepted", "rejected", "unparsable")
REFUSE_REASONS = (
    "too_large",
    "wrong_type",
    "bad_encoding",
    "overloaded",
    "store_error",
    "bad_webhook",
    "too_slow",
)
UNKNOWN_KINDS = ("model", "version", "feature", "pipeline", "kpi", "class")
STAGES = ("production", "canary", "shadow", "retired")
TASKS = ("binary", "multiclass", "regression")
SEVERITIES = ("critical", "warning", "info")
ALERT_STATUSES = ("firing", "resolved")
HOOKS = ("rollback", "retrain", "freeze")
# How an action of a hook ended. The first four: the URL was called, or was tried.
HOOK_RESULTS = (
    "succeeded",  # answered 2xx (freeze: the evidence is on disk)
    "refused",  # answered anything else
    "unreachable",  # no request reached the other side, also when tried again
    "unknown",  # the request may have arrived: time-out, broken connection, or the exporter ended meanwhile
    "dry_run",  # would have been called
    "cooldown",  # the hook of this model was called a short while ago
    "held",  # the alert's verdict is not to roll back
    "stale",  # the version is not in production, or the target is not the version before it
    "resolved",  # the alert resolved before the call
    "expired",  # decided too long before it could be called
)
# Annotation of pages about a model: the version to roll back to; empty or absent = do not roll back.
ROLLBACK_ANNOTATION = "rollback_version"
SIGNS = ("positive", "negative")
ROW_OUTCOMES = ("in", "out", "rejected")
# What became of a class in one outcome of a multiclass model: predicted and true, predicted only, true only.
CLASS_RESULTS = ("hit", "false_positive", "false_negative")
PIPELINE_OBJECTIVES = ("freshness_seconds", "cadence_seconds", "rows_min", "rows_max")

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OUTCOME_DELAY_BUCKETS = (
    1.0, 10.0, 60.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0, 172800.0, 604800.0, 2592000.0,
)  # fmt: skip
PIPELINE_DURATION_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)
SELF_DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(frozen=True, slots=True)
class Metric:
    """One exposed metric family.

    Attributes:
        name: full name as a user queries it; counters end in ``_total``.
        kind: counter, gauge or histogram.
        help: the HELP text.
        labels: label names in the order in which they are rendered.
        group: heading of the README's table.
        above_100: why this family may exceed 100 series, and what caps it; empty means it may not.
        buckets: upper bounds (without +Inf) of a histogram.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    group: str = ""
    above_100: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """Name of the family in OpenMetrics: without ``_total``."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name


MV = ("model", "version")
_PER_BIN = "features x bins of the frozen layout; capped by the catalogue's series budget"
_PER_CLASS = "classes squared x declared slice values; capped by the catalogue's series budget"

# --- serving ---
PREDICTIONS = Metric("ml_predictions_total", "counter", "Predictions stored.", MV, "Serving")
PREDICTION_ERRORS = Metric(
    "ml_prediction_errors_total", "counter", "Predictions whose status was error.", MV, "Serving"
)
PREDICTION_LATENCY = Metric(
    "ml_prediction_latency_seconds", "histogram", "Time the service took to answer.", MV, "Serving",
    "14 buckets x model versions; versions are bounded by the series budget", LATENCY_BUCKETS,
)  # fmt: skip
PREDICTION_LAST = Metric(
    "ml_prediction_last_timestamp_seconds", "gauge", "Time of the newest prediction.", MV, "Serving"
)

# --- drift ---
FEATURE_VALUES = Metric(
    "ml_feature_values_total", "counter",
    "Predictions by feature and bin of the baseline. Pseudo-features: _score, _prediction, and _actual, the "
    "mature outcomes.",
    (*MV, "feature", "bin"), "Drift", _PER_BIN,
)  # fmt: skip
FEATURE_PROBLEMS = Metric(
    "ml_feature_problems_total", "counter",
    "Feature values that were missing, of the wrong type, an unseen category, or outside the baseline.",
    (*MV, "feature", "problem"), "Drift", "4 per feature; capped by the catalogue's series budget",
)  # fmt: skip

FEATURE_SKEW_ROWS = Metric(
    "ml_feature_skew_rows_total", "counter",
    "Predictions whose served value of the feature was compared with the one that training code recomputed.",
    (*MV, "feature"), "Drift", "one per feature; capped by the catalogue's series budget",
)  # fmt: skip
FEATURE_SKEW_MISMATCHES = Metric(
    "ml_feature_skew_mismatches_total", "counter",
    "Of these, the ones where the two differ (numbers by more than 1e-6 of the larger; missing on one side).",
    (*MV, "feature"), "Drift", "one per feature; capped by the catalogue's series budget",
)  # fmt: skip

# --- quality ---
OUTCOMES = Metric(
    "ml_outcomes_total", "counter",
    "Outcomes by state; every outcome has exactly one: matched (in time), late (known after maturity), "
    "orphan (no prediction), duplicate, corrected.",
    (*MV, "state"), "Quality", "5 per model version",
)  # fmt: skip
OUTCOME_DELAY = Metric(
    "ml_outcome_delay_seconds", "histogram", "Time from prediction to known outcome.", MV, "Quality",
    "14 buckets x model versions; versions are bounded by the series budget", OUTCOME_DELAY_BUCKETS,
)  # fmt: skip
PREDICTIONS_MATURED = Metric(
    "ml_predictions_matured_total", "counter",
    "Predictions that have reached the model's outcome maturity: the denominator of coverage.", MV, "Quality",
)  # fmt: skip
OUTCOMES_MATURED = Metric(
    "ml_outcomes_matured_total", "counter",
    "Outcomes that have entered the quality counters: the numerator of coverage.", MV, "Quality",
)  # fmt: skip
CONFUSION = Metric(
    "ml_confusion_total", "counter", "Mature outcomes by actual and predicted class.",
    (*MV, "slice", "value", "actual", "predicted"), "Quality", _PER_CLASS,
)  # fmt: skip
SCORE_BINS = Metric(
    "ml_score_bins_total", "counter", "Mature outcomes by score bin and actual class (1 = positive).",
    (*MV, "bin", "actual"), "Quality", "2 x score bins (80) per model version",
)  # fmt: skip
SCORE_BIN_SUM = Metric(
    "ml_score_bin_sum_total", "counter", "Sum of the scores of mature outcomes by score bin.",
    (*MV, "bin"), "Quality", "score bins (80) per model version",
)  # fmt: skip
SCORE_POSITIVES_ABOVE = Metric(
    "ml_score_positives_above_total", "counter",
    "Mature positives scored above the bin, plus half of those in it: ROC-AUC is a sum of products.",
    (*MV, "bin"), "Quality", "score bins (80) per model version",
)  # fmt: skip
SQUARED_SCORE_ERROR = Metric(
    "ml_squared_score_error_total", "counter", "Sum of (score - actual)^2 of mature outcomes (Brier).",
    MV, "Quality",
)  # fmt: skip
LOG_LOSS = Metric("ml_log_loss_total", "counter", "Sum of the log-loss of mature outcomes.", MV, "Quality")
ESTIMATED_CONFUSION = Metric(
    "ml_estimated_confusion_total", "counter",
    "Expected confusion of all scored predictions, outcome or not: each adds its score bin's share of "
    "positives in the baseline to actual = positive, the rest to the other class (CBPE). An estimate.",
    (*MV, "actual", "predicted"), "Quality",
)  # fmt: skip
REGRESSION = Metric(
    "ml_regression_total", "counter", "Mature outcomes of a regression model.",
    (*MV, "slice", "value"), "Quality", "declared slice values; capped by the series budget",
)  # fmt: skip
ABSOLUTE_ERROR = Metric(
    "ml_absolute_error_total", "counter", "Sum of |prediction - actual| of mature outcomes.",
    (*MV, "slice", "value"), "Quality", "declared slice values; capped by the series budget",
)  # fmt: skip
SQUARED_ERROR = Metric(
    "ml_squared_error_total", "counter", "Sum of (prediction - actual)^2 of mature outcomes.",
    (*MV, "slice", "value"), "Quality", "declared slice values; capped by the series budget",
)  # fmt: skip
OVERPREDICTION = Metric(
    "ml_overprediction_total", "counter", "Sum of max(prediction - actual, 0) of mature outcomes.",
    (*MV, "slice", "value"), "Quality", "declared slice values; capped by the series budget",
)  # fmt: skip
UNDERPREDICTION = Metric(
    "ml_underprediction_total", "counter", "Sum of max(actual - prediction, 0) of mature outcomes.",
    (*MV, "slice", "value"), "Quality", "declared slice values; capped by the series budget",
)  # fmt: skip
ACTUAL = Metric(
    "ml_actual_total", "counter",
    "Sum of |actual - c| of mature outcomes on either side of c, the baseline's mean outcome "
    "(sign says the side: a counter cannot fall).",
    (*MV, "slice", "value", "sign"), "Quality", "declared slice values; capped by the series budget",
)  # fmt: skip
ACTUAL_SQUARED = Metric(
    "ml_actual_squared_total", "counter",
    "Sum of (actual - c)^2 of mature outcomes; c is the baseline's mean outcome.",
    (*MV, "slice", "value"), "Quality", "declared slice values; capped by the series budget",
)  # fmt: skip
EXCLUDED = Metric(
    "ml_outcomes_excluded_total", "counter",
    "Outcomes that cannot be compared with their prediction and stay out of quality: unknown_class (a class "
    "that is not declared), not_a_number, extreme (so far out that float64 sums would swallow the others).",
    (*MV, "reason"), "Quality", "1 or 2 per model version",
)  # fmt: skip

SCORE_NEGATIVES_ABOVE = Metric(
    "ml_score_negatives_above_total", "counter",
    "Mature negatives scored above the bin, plus half of those in it: precision at every bin.",
    (*MV, "bin"), "Quality", "score bins (80) per model version",
)  # fmt: skip
SCORED = Metric(
    "ml_scored_outcomes_total", "counter",
    "Mature outcomes of predictions that gave a score (binary) or scores (multiclass): the denominator of "
    "Brier and log-loss.", MV, "Quality",
)  # fmt: skip
CLASS_OUTCOMES = Metric(
    "ml_class_outcomes_total", "counter",
    "Mature outcomes of a multiclass model by class: hit (predicted and true), false_positive (predicted, "
    "not true), false_negative (true, not predicted).",
    (*MV, "slice", "value", "class", "result"), "Quality",
    "3 x classes x declared slice values; capped by the catalogue's series budget",
)  # fmt: skip
ERROR_MAGNITUDE = Metric(
    "ml_error_magnitude", "histogram",
    "|prediction - actual| of mature outcomes; the bounds are quantiles of the baseline's own errors.",
    MV, "Quality", "34 buckets x model versions; versions are bounded by the series budget",
)  # fmt: skip

# --- the early view: outcomes known soon, which flatter; never alerted on (docs/adr/0021) ---
EARLY_OUTCOMES = Metric(
    "ml_early_outcomes_total", "counter",
    "Outcomes known within the model's early horizon, counted on arrival. Early outcomes flatter.",
    MV, "Early view",
)  # fmt: skip
EARLY_CORRECT = Metric(
    "ml_early_correct_total", "counter", "Early outcomes whose class had been predicted.", MV, "Early view"
)
EARLY_ABSOLUTE_ERROR = Metric(
    "ml_early_absolute_error_total", "counter", "Sum of |prediction - actual| of early outcomes.",
    MV, "Early view",
)  # fmt: skip
EARLY_SQUARED_ERROR = Metric(
    "ml_early_squared_error_total", "counter", "Sum of (prediction - actual)^2 of early outcomes.",
    MV, "Early view",
)  # fmt: skip
EARLY_OVERPREDICTION = Metric(
    "ml_early_overprediction_total", "counter", "Sum of max(prediction - actual, 0) of early outcomes.",
    MV, "Early view",
)  # fmt: skip
EARLY_UNDERPREDICTION = Metric(
    "ml_early_underprediction_total", "counter", "Sum of max(actual - prediction, 0) of early outcomes.",
    MV, "Early view",
)  # fmt: skip

# --- versions at equal age: the predictions of a version's first day and week (docs/adr/0021) ---
YOUNG_OUTCOMES = Metric(
    "ml_young_outcomes_total", "counter",
    "Mature outcomes of predictions made within `age` of the version's first deployment.",
    (*MV, "age"), "Equal age",
)  # fmt: skip
YOUNG_CORRECT = Metric(
    "ml_young_correct_total", "counter", "Young outcomes whose class had been predicted.",
    (*MV, "age"), "Equal age",
)  # fmt: skip
YOUNG_ABSOLUTE_ERROR = Metric(
    "ml_young_absolute_error_total", "counter", "Sum of |prediction - actual| of young outcomes.",
    (*MV, "age"), "Equal age",
)  # fmt: skip


# --- corrections: a counter must not fall, so what is taken back is counted beside it; the recorded
# increases are net of it (docs/adr/0020) ---
def _retracted(m: Metric) -> Metric:
    """Return the counter of what is taken back of another one."""
    name = m.name.replace("_total", "_retracted_total")
    text = f"What later outcomes took back of {m.name}: subtract it."
    return Metric(name, "counter", text, m.labels, "Corrections", m.above_100)


RETRACTED: dict[str, Metric] = {
    m.name: _retracted(m)
    for m in (
        OUTCOMES, CONFUSION, CLASS_OUTCOMES, SCORE_BINS, SCORE_POSITIVES_ABOVE, SCORE_NEGATIVES_ABOVE,
        SQUARED_SCORE_ERROR, LOG_LOSS, ABSOLUTE_ERROR,
        SQUARED_ERROR, OVERPREDICTION, UNDERPREDICTION, ACTUAL, ACTUAL_SQUARED, YOUNG_CORRECT,
        YOUNG_ABSOLUTE_ERROR,
    )
}  # fmt: skip

# --- baseline and intent ---
BASELINE_INFO = Metric(
    "ml_baseline_info", "gauge", "Baseline in force for a model version; always 1.",
    (*MV, "baseline", "training_data", "commit"), "Baseline and intent",
)  # fmt: skip
BASELINE_FEATURE_SHARE = Metric(
    "ml_baseline_feature_share", "gauge", "Share of the baseline's rows in a bin, smoothed by 0.5 per bin.",
    (*MV, "feature", "bin"), "Baseline and intent", _PER_BIN,
)  # fmt: skip
BASELINE_FEATURE_NOISE = Metric(
    "ml_baseline_feature_noise", "gauge",
    "Largest leave-one-block-out PSI of the feature inside the baseline.",
    (*MV, "feature"), "Baseline and intent", "one per feature; capped by the series budget",
)  # fmt: skip
BASELINE_PROBLEM_PEAK = Metric(
    "ml_baseline_feature_problem_peak", "gauge",
    "Largest share of a feature's values with a problem in any window of this length of the baseline; "
    "absent where there was none.",
    (*MV, "feature", "problem", "window"), "Baseline and intent",
    "drift windows per feature that was ever missing; capped by the series budget",
)  # fmt: skip
BASELINE_FEATURE_CHI2 = Metric(
    "ml_baseline_feature_chi2", "gauge",
    "Chi-squared quantile (bins - 1 degrees of freedom, 1 - 0.001 / features) of the PSI threshold.",
    (*MV, "feature"), "Baseline and intent", "one per feature; capped by the series budget",
)  # fmt: skip
BASELINE_FEATURE_CUMULATIVE = Metric(
    "ml_baseline_feature_cumulative_share", "gauge",
    "Share of the baseline's values (missing ones apart) up to the bin's upper edge; numeric features.",
    (*MV, "feature", "bin"), "Baseline and intent", _PER_BIN,
)  # fmt: skip
BASELINE_FEATURE_EDGE_WEIGHT = Metric(
    "ml_baseline_feature_edge_weight", "gauge",
    "Half the distance between the edges beside the bin's upper edge, in the baseline's standard deviations: "
    "weight of the edge in the Wasserstein distance.",
    (*MV, "feature", "bin"), "Baseline and intent", _PER_BIN,
)  # fmt: skip
FEATURE_IMPORTANCE = Metric(
    "ml_feature_importance", "gauge", "Importance of a feature as the catalogue declares it.",
    (*MV, "feature"), "Baseline and intent", "one per feature; capped by the series budget",
)  # fmt: skip
BASELINE_ROWS = Metric("ml_baseline_rows", "gauge", "Rows of the baseline.", MV, "Baseline and intent")
BASELINE_QUALITY = Metric(
    "ml_baseline_quality", "gauge", "Quality of the model on the baseline's held-out rows.",
    (*MV, "metric"), "Baseline and intent", "at most 8 per model version",
)  # fmt: skip
BASELINE_QUALITY_STDDEV = Metric(
    "ml_baseline_quality_stddev", "gauge",
    "Standard deviation of the quality over the baseline's time blocks.",
    (*MV, "metric"), "Baseline and intent", "at most 8 per model version",
)  # fmt: skip
BASELINE_SCORE_POSITIVE_SHARE = Metric(
    "ml_baseline_score_positive_share", "gauge", "Share of positives per score bin in the baseline.",
    (*MV, "bin"), "Baseline and intent", "score bins (80) per model version",
)  # fmt: skip
BASELINE_CALIBRATION_SPREAD = Metric(
    "ml_baseline_calibration_gap_stddev", "gauge",
    "Root mean square, over the baseline's time blocks, of a block's calibration gap against the others.",
    MV, "Baseline and intent",
)  # fmt: skip
OBJECTIVE = Metric(
    "ml_objective", "gauge",
    "Threshold of an objective in the metric's own unit, resolved against the baseline.",
    (*MV, "metric", "severity"), "Baseline and intent", "objectives of the catalogue x model versions",
)  # fmt: skip
MODEL_INFO = Metric(
    "ml_model_info", "gauge", "A known model version; always 1.",
    (*MV, "owner", "stage", "task", "commit"), "Baseline and intent",
)  # fmt: skip
MODEL_DEPLOYED = Metric(
    "ml_model_deployed_timestamp_seconds", "gauge", "When the version entered its present stage.",
    MV, "Baseline and intent",
)  # fmt: skip
MODEL_DECLARED = Metric(
    "ml_model_declared_timestamp_seconds", "gauge",
    "When the exporter first knew of a model of the catalogue: since then its silence counts.",
    ("model", "owner"), "Baseline and intent",
)  # fmt: skip
ROLLBACK_INFO = Metric(
    "ml_model_rollback_info", "gauge",
    "The version that was in production before this one: where to roll back to; always 1.",
    (*MV, "rollback_version"), "Baseline and intent",
)  # fmt: skip

# --- pipelines ---
PS = ("pipeline", "stage")
PIPELINE_RUNS = Metric("ml_pipeline_runs_total", "counter", "Pipeline runs that ended.", PS, "Pipelines")
PIPELINE_FAILURES = Metric(
    "ml_pipeline_failures_total", "counter", "Pipeline runs that failed.", PS, "Pipelines"
)
PIPELINE_ROWS = Metric(
    "ml_pipeline_rows_total", "counter", "Rows read, written and rejected.", (*PS, "outcome"), "Pipelines",
    "3 per declared stage",
)  # fmt: skip
PIPELINE_DURATION = Metric(
    "ml_pipeline_duration_seconds", "histogram", "Duration of a pipeline stage.", PS, "Pipelines",
    "12 buckets per declared stage", PIPELINE_DURATION_BUCKETS,
)  # fmt: skip
PIPELINE_LAST_SUCCESS = Metric(
    "ml_pipeline_last_success_timestamp_seconds", "gauge", "When the stage last succeeded.", PS, "Pipelines"
)
PIPELINE_DECLARED = Metric(
    "ml_pipeline_declared_timestamp_seconds", "gauge",
    "When the exporter first knew of a stage of the catalogue: since then its silence counts.",
    PS, "Pipelines",
)  # fmt: skip
PIPELINE_DATA = Metric(
    "ml_pipeline_data_timestamp_seconds", "gauge", "Newest event time in the data of the last success.",
    PS, "Pipelines",
)  # fmt: skip
PIPELINE_CHECKS = Metric(
    "ml_pipeline_checks_total", "counter", "Data checks run.", (*PS, "check"), "Pipelines",
    "declared checks per stage",
)  # fmt: skip
PIPELINE_CHECK_FAILURES = Metric(
    "ml_pipeline_check_failures_total", "counter", "Data checks that failed.", (*PS, "check"), "Pipelines",
    "declared checks per stage",
)  # fmt: skip
PIPELINE_INFO = Metric(
    "ml_pipeline_info", "gauge", "A declared pipeline and the models that depend on it; always 1.",
    ("pipeline", "owner", "models"), "Pipelines",
)  # fmt: skip
PIPELINE_MODEL_INFO = Metric(
    "ml_pipeline_model_info", "gauge", "One per pipeline and dependent model, to join on; always 1.",
    ("pipeline", "model"), "Pipelines",
)  # fmt: skip
PIPELINE_OBJECTIVE = Metric(
    "ml_pipeline_objective", "gauge",
    "Declared bounds of a pipeline: freshness_seconds, cadence_seconds, rows_min, rows_max.",
    ("pipeline", "objective"), "Pipelines", "4 per declared pipeline",
)  # fmt: skip

# --- business ---
KPI = Metric(
    "ml_kpi_total", "counter", "Sum of |value| of a KPI; positive and negative values apart.",
    (*MV, "kpi", "sign"), "Business", "2 per declared KPI and model version",
)  # fmt: skip
KPI_EVENTS = Metric(
    "ml_kpi_events_total", "counter", "KPI events.", (*MV, "kpi"), "Business",
    "one per declared KPI and model version",
)  # fmt: skip

KPI_SQUARED = Metric(
    "ml_kpi_squared_total", "counter", "Sum of value^2 of a KPI: what its mean's standard error needs.",
    (*MV, "kpi"), "Business", "one per declared KPI and model version",
)  # fmt: skip
KPI_OBJECTIVE = Metric(
    "ml_kpi_objective", "gauge",
    "Declared bound of a KPI's mean per event or per prediction: floor, or max_drop as a share.",
    ("model", "kpi", "per", "bound"), "Business", "2 per declared KPI objective",
)  # fmt: skip

# --- trials: a canary beside the production version, from the moment both were deployed ---
_PER_ARM = "2 arms x 2 losses per model version"
TRIAL_SAMPLES = Metric(
    "ml_trial_samples_total", "counter",
    "Predictions (loss = failed) or mature outcomes since the canary's trial began, of the canary itself and "
    "of the production version beside it. Starts again with every trial.",
    (*MV, "arm", "loss"), "Trials", _PER_ARM,
)  # fmt: skip
TRIAL_LOSS = Metric(
    "ml_trial_loss_total", "counter",
    "Sum of the loss: 1 for a failed answer or a wrong class, the absolute error of a regression.",
    (*MV, "arm", "loss"), "Trials", _PER_ARM,
)  # fmt: skip
TRIAL_SQUARED_LOSS = Metric(
    "ml_trial_squared_loss_total", "counter", "Sum of the squared loss.", (*MV, "arm", "loss"), "Trials",
    _PER_ARM,
)  # fmt: skip

SHADOW_PAIRS = Metric(
    "ml_shadow_pairs_total", "counter",
    "Requests that a shadow and the production version beside it both answered, by whether alike. Starts "
    "again with every trial.",
    (*MV, "agreement"), "Trials", "2 per model version",
)  # fmt: skip
SHADOW_OUTCOMES = Metric(
    "ml_shadow_outcomes_total", "counter",
    "Such requests with a mature outcome, by whose answer was better: right where the other was wrong, or "
    "closer.",
    (*MV, "better"), "Trials", "3 per model version",
)  # fmt: skip
RETRACTED |= {m.name: _retracted(m) for m in (TRIAL_SAMPLES, TRIAL_LOSS, TRIAL_SQUARED_LOSS, SHADOW_OUTCOMES)}

# --- infrastructure ---
HOST_CPU = Metric(
    "plumbline_host_cpu_seconds_total",
    "counter",
    "CPU time of the host by mode.",
    ("mode",),
    "Infrastructure",
)
HOST_MEMORY = Metric(
    "plumbline_host_memory_bytes",
    "gauge",
    "Memory of the host: total, available.",
    ("state",),
    "Infrastructure",
)
HOST_DISK_READ = Metric(
    "plumbline_host_disk_read_bytes_total", "counter", "Bytes read from disks.", (), "Infrastructure"
)
HOST_DISK_WRITTEN = Metric(
    "plumbline_host_disk_written_bytes_total", "counter", "Bytes written to disks.", (), "Infrastructure"
)
HOST_NETWORK_RECEIVE = Metric(
    "plumbline_host_network_receive_bytes_total",
    "counter",
    "Bytes received, without loopback.",
    (),
    "Infrastructure",
)
HOST_NETWORK_TRANSMIT = Metric(
    "plumbline_host_network_transmit_bytes_total",
    "counter",
    "Bytes sent, without loopback.",
    (),
    "Infrastructure",
)
HOST_LOAD = Metric("plumbline_host_load1", "gauge", "Load average over one minute.", (), "Infrastructure")
PROCESS_COUNT = Metric(
    "plumbline_processes", "gauge", "Running processes of a group named in the catalogue.",
    ("process",), "Infrastructure",
)  # fmt: skip
PROCESS_CPU = Metric(
    "plumbline_process_cpu_seconds_total", "counter",
    "CPU time of a process group, its ended processes included.",
    ("process",), "Infrastructure",
)  # fmt: skip
PROCESS_MEMORY = Metric(
    "plumbline_process_resident_memory_bytes", "gauge", "Resident memory of a process group.",
    ("process",), "Infrastructure",
)  # fmt: skip

# --- the exporter itself ---
LINES = Metric(
    "plumbline_lines_total", "counter",
    "Event lines and alerts received, and actions recorded; equals stored + duplicates + rejected.",
    (), "Exporter",
)  # fmt: skip
EVENTS = Metric("plumbline_events_total", "counter", "Events stored, by kind.", ("kind",), "Exporter")
EVENTS_DUPLICATE = Metric(
    "plumbline_events_duplicate_total", "counter", "Events already stored (a resend); not counted again.",
    ("kind",), "Exporter",
)  # fmt: skip
EVENTS_REJECTED = Metric(
    "plumbline_events_rejected_total", "counter", "Event lines refused, by reason.", ("reason",), "Exporter"
)
EVENTS_UNKNOWN = Metric(
    "plumbline_events_unknown_total", "counter",
    "Names in stored events that the catalogue does not declare; stored and counted, given no series.",
    ("what",), "Exporter",
)  # fmt: skip
REQUESTS_REFUSED = Metric(
    "plumbline_requests_refused_total", "counter",
    "Whole requests refused: too_large, wrong_type, bad_encoding, overloaded, store_error, bad_webhook.",
    ("reason",), "Exporter",
)  # fmt: skip
ALERTS = Metric(
    "plumbline_alerts_total", "counter", "Alerts that Alertmanager sent, each status of an incident once.",
    ("severity", "status"), "Exporter",
)  # fmt: skip
ALERTS_TRUNCATED = Metric(
    "plumbline_alerts_truncated_total", "counter",
    "Alerts that Alertmanager left out of its notifications: its receiver's max_alerts is too small.",
    (), "Exporter",
)  # fmt: skip
HOOK_CALLS = Metric(
    "plumbline_hook_calls_total", "counter",
    "Actions of the catalogue's hooks by how they ended, dry runs and refusals to act among them.",
    ("hook", "result"), "Exporter",
)  # fmt: skip
INGEST_DURATION = Metric(
    "plumbline_ingest_duration_seconds", "histogram", "Time from a request's arrival to its answer.",
    (), "Exporter", "", SELF_DURATION_BUCKETS,
)  # fmt: skip
COMMIT_DURATION = Metric(
    "plumbline_commit_duration_seconds", "histogram", "Time of one durable commit of the store.",
    (), "Exporter", "", SELF_DURATION_BUCKETS,
)  # fmt: skip
QUEUE_EVENTS = Metric("plumbline_queue_events", "gauge", "Events waiting for the store.", (), "Exporter")
QUEUE_CAPACITY = Metric(
    "plumbline_queue_capacity_events",
    "gauge",
    "Events the queue holds before requests are refused.",
    (),
    "Exporter",
)
PENDING_OUTCOMES = Metric(
    "plumbline_pending_outcomes", "gauge", "Outcomes that wait for maturity.", (), "Exporter"
)
ORPHAN_OUTCOMES = Metric(
    "plumbline_orphan_outcomes", "gauge", "Outcomes that wait for their prediction.", (), "Exporter"
)
STORE_BYTES = Metric("plumbline_store_bytes", "gauge", "Size of the store on disk.", (), "Exporter")
STORE_FREE = Metric(
    "plumbline_store_disk_free_bytes", "gauge", "Free space on the store's file system.", (), "Exporter"
)
SERIES = Metric(
    "plumbline_series", "gauge", "Series exposed for a model, all versions.", ("model",), "Exporter"
)
SERIES_BUDGET = Metric(
    "plumbline_series_budget", "gauge", "Series a model may expose.", ("model",), "Exporter"
)
SERIES_REFUSED = Metric(
    "plumbline_series_refused_total", "counter",
    "Series not created because they would exceed the budget.", ("model",), "Exporter",
)  # fmt: skip
COLLECTOR_SUCCESS = Metric(
    "plumbline_collector_success", "gauge", "1 if the collector succeeded in this scrape, else 0.",
    ("collector",), "Exporter",
)  # fmt: skip
COLLECTOR_DURATION = Metric(
    "plumbline_collector_duration_seconds", "gauge", "Time the collector took in this scrape.",
    ("collector",), "Exporter",
)  # fmt: skip
BUILD_INFO = Metric(
    "plumbline_build_info", "gauge", "Version of the exporter and of Python; always 1.",
    ("version", "python"), "Exporter",
)  # fmt: skip
START_TIME = Metric("plumbline_start_time_seconds", "gauge", "When the exporter started.", (), "Exporter")

# --- plumbline.Client, in the services that use it; the exporter does not expose these ---
CLIENT_CREATED = Metric(
    "plumbline_client_created_events_total", "counter",
    "Events taken over by the client; equals plumbline_client_events_total + queued + spooled.", (), "Client",
)  # fmt: skip
CLIENT_EVENTS = Metric(
    "plumbline_client_events_total", "counter",
    "Events the client is done with: sent (the exporter has stored them), or the reason they were dropped.",
    ("result",), "Client",
)  # fmt: skip
CLIENT_QUEUED = Metric("plumbline_client_queued_events", "gauge", "Events waiting in memory.", (), "Client")
CLIENT_SPOOLED = Metric(
    "plumbline_client_spooled_events", "gauge", "Events waiting on disk for the exporter.", (), "Client"
)
CLIENT_SPOOL_BYTES = Metric(
    "plumbline_client_spool_bytes", "gauge", "Size of the client's spool on disk.", (), "Client"
)

# --- a follower, in the /metrics of `plumbline ingest --follow` ---
FOLLOW_LINES = Metric(
    "plumbline_follow_lines_total", "counter",
    "Lines of followed files: accepted or rejected by the exporter; unparsable: no event, no JSON log line.",
    ("result",), "Follower",
)  # fmt: skip
FOLLOW_GAPS = Metric(
    "plumbline_follow_gaps_total", "counter",
    "Times at which a followed file was cut or rotated out of reach before it was read to its end.", (),
    "Follower",
)  # fmt: skip
FOLLOW_BEHIND = Metric(
    "plumbline_follow_behind_bytes", "gauge", "Bytes of the followed files that were not read yet.", (),
    "Follower",
)  # fmt: skip
FOLLOW_LAST = Metric(
    "plumbline_follow_acknowledged_timestamp_seconds", "gauge",
    "When the exporter last acknowledged lines; 0 before the first.", (), "Follower",
)  # fmt: skip

METRICS: dict[str, Metric] = {
    m.name: m for m in (*list(globals().values()), *RETRACTED.values()) if isinstance(m, Metric)
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One family of recorded series; its name ends in the window (``level:metric:operation_1h``).

    Attributes:
        stem: the name without the window.
        help: what it is, for docs and panels.
        labels: labels that remain.
    """

    stem: str
    help: str
    labels: tuple[str, ...]

    def over(self, window: str) -> str:
        """Return the recorded name for a window such as ``1h``."""
        return f"{self.stem}_{window}"


_FEATURE = (*MV, "feature")
_METRIC = (*MV, "slice", "value", "metric")

R_BIN_INCREASE = Recorded("feature_bin:ml_feature_values:increase", "values per bin", (*_FEATURE, "bin"))
R_FEATURE_INCREASE = Recorded("feature:ml_feature_values:increase", "values per feature (n)", _FEATURE)
R_SHARE = Recorded("feature_bin:ml_feature_share:ratio", "smoothed share per bin", (*_FEATURE, "bin"))
R_PSI = Recorded("feature:ml_feature_psi:sum", "population stability index against the baseline", _FEATURE)
R_PSI_THRESHOLD = Recorded(
    "feature:ml_feature_psi_threshold:max", "max(0.1, the feature's noise, (1/n + 1/m) chi2)", _FEATURE
)
R_JS = Recorded(
    "feature:ml_feature_js:distance", "Jensen-Shannon distance (base 2) against the baseline", _FEATURE
)
R_KS = Recorded(
    "feature:ml_feature_ks:max",
    "Kolmogorov-Smirnov distance at the bin edges, of the values that are there; numeric features",
    _FEATURE,
)
R_WASSERSTEIN = Recorded(
    "feature:ml_feature_wasserstein:stddevs",
    "Wasserstein distance in the baseline's standard deviations, from bins; numeric features",
    _FEATURE,
)
R_DRIFT_IMPACT = Recorded(
    "feature:ml_feature_drift_impact:product", "PSI x declared importance: where drift may matter", _FEATURE
)
R_PROBLEMS = Recorded(
    "feature:ml_feature_problems:ratio", "share of values with a problem", (*_FEATURE, "problem")
)
R_PROBLEMS_THRESHOLD = Recorded(
    "feature:ml_feature_problems_threshold:max",
    "share above which a feature is broken: max(baseline + 0.2, the baseline's worst window, sampling)",
    (*_FEATURE, "problem"),
)
R_SKEW_ROWS = Recorded(
    "feature:ml_feature_skew_rows:increase", "served values compared with recomputed ones (n)", _FEATURE
)
R_SKEW_MISMATCHES = Recorded(
    "feature:ml_feature_skew_mismatches:increase", "served values that differ from recomputed ones", _FEATURE
)
R_SKEW = Recorded(
    "feature:ml_feature_skew:ratio", "share of served values that differ from recomputed ones", _FEATURE
)
R_QUALITY = Recorded("slice:ml_quality:value", "quality of mature outcomes by metric", _METRIC)
R_QUALITY_SAMPLES = Recorded(
    "slice:ml_quality:count", "mature outcomes behind the quality", (*MV, "slice", "value")
)
R_QUALITY_STDERR = Recorded("slice:ml_quality:stderr", "standard error of the quality at this n", _METRIC)
R_AUC_BOUND = Recorded("model:ml_roc_auc:error_bound", "largest error of the binned ROC-AUC", MV)
R_AP_BOUND = Recorded(
    "model:ml_average_precision:error_bound", "largest error of the binned average precision", MV
)
R_ERROR_QUANTILE_BOUND = Recorded(
    "model:ml_error_quantile:error_bound",
    "largest error of a quantile of the absolute error: the width of its bucket",
    (*MV, "metric"),
)
R_CLASS_QUALITY = Recorded(
    "class:ml_quality:value",
    "precision, recall and F1 of each class",
    (*MV, "slice", "value", "class", "metric"),
)
R_ECE = Recorded(
    "model:ml_ece:ratio", "expected calibration error over the score bins; biased upward at small n", MV
)
R_ECE_CHANCE = Recorded(
    "model:ml_ece_by_chance:ratio", "calibration error that a perfectly calibrated model shows at this n", MV
)
R_QUALITY_ESTIMATE = Recorded(
    "model:ml_quality_estimate:value",
    "quality expected without outcomes (CBPE from score bins): an estimate",
    (*MV, "metric"),
)
R_ESTIMATE_ERROR = Recorded(
    "model:ml_quality_estimate:error",
    "estimate minus measured quality, of predictions of the same time",
    (*MV, "metric"),
)
R_EARLY_QUALITY = Recorded(
    "model:ml_early_quality:value",
    "quality over the outcomes known within the early horizon: it flatters, and is only shown",
    (*MV, "metric"),
)
R_YOUNG_QUALITY = Recorded(
    "model:ml_young_quality:value",
    "quality over the predictions of the version's first `age`: compares versions at equal age",
    (*MV, "age", "metric"),
)
R_YOUNG_SAMPLES = Recorded(
    "model:ml_young_quality:count", "mature outcomes behind the quality at that age", (*MV, "age")
)
R_EARLY_SHARE = Recorded(
    "model:ml_early_outcomes:ratio", "early outcomes / predictions: how little the early view rests on", MV
)
R_COVERAGE = Recorded("model:ml_outcome_coverage:ratio", "mature outcomes / mature predictions", MV)
R_TRAFFIC = Recorded("model:ml_predictions:rate", "predictions per second", MV)
R_ERRORS = Recorded("model:ml_prediction_errors:ratio", "share of predictions in error", MV)
R_LATENCY_P99 = Recorded("model:ml_prediction_latency_seconds:p99", "99th percentile of the latency", MV)
R_PROBLEM_INCREASE = Recorded(
    "feature:ml_feature_problems:increase", "values with a problem", (*_FEATURE, "problem")
)
R_QUALITY_LOSS = Recorded(
    "slice:ml_quality_loss:sigmas",
    "loss against the baseline (positive = worse) in max(baseline's standard deviation, standard error)",
    _METRIC,
)
R_CALIBRATION_GAP = Recorded(
    "model:ml_calibration_gap:ratio", "(positives - positives the baseline expects at these scores) / n", MV
)
R_CALIBRATION_STDERR = Recorded("model:ml_calibration_gap:stderr", "standard error of the gap", MV)

# Slices against the rest of the model (docs/adr/0029); part is one of FAIRNESS_PARTS.
_PART = (*_METRIC, "part")
_BY_SLICE = (*MV, "slice", "metric")
R_FAIRNESS_COUNT = Recorded(
    "slice:ml_fairness:count", "mature outcomes behind a slice value's figure, and of the rest", _PART
)
R_FAIRNESS_SUM = Recorded("slice:ml_fairness:sum", "numerator of a slice value's figure", _PART)
R_FAIRNESS_SQUARES = Recorded(
    "slice:ml_fairness:squares", "sum of squares behind a slice value's MAE and bias", _PART
)
R_FAIRNESS = Recorded(
    "slice:ml_fairness:value",
    "selection rate, TPR, FPR and accuracy, or MAE and bias, of a slice value and of the rest of the model",
    _PART,
)
R_FAIRNESS_STDERR = Recorded("slice:ml_fairness:stderr", "standard error of the MAE and the bias", _PART)
R_FAIRNESS_LOWER = Recorded(
    "slice:ml_fairness:lower", "lower end of its interval, 95 % for all of a model together", _PART
)
R_FAIRNESS_UPPER = Recorded("slice:ml_fairness:upper", "upper end of the same interval", _PART)
R_DISPARITY = Recorded("slice:ml_disparity:difference", "slice value minus the rest of the model", _METRIC)
R_DISPARITY_LOWER = Recorded("slice:ml_disparity:lower", "lower end of the difference's interval", _METRIC)
R_DISPARITY_UPPER = Recorded("slice:ml_disparity:upper", "upper end of the difference's interval", _METRIC)
R_DISPARITY_SIGMAS = Recorded(
    "slice:ml_disparity:sigmas", "the difference in standard deviations of pure chance", _METRIC
)
R_GAP = Recorded(
    "slice:ml_fairness_gap:value", "largest minus smallest figure among a slice's values", _BY_SLICE
)
R_GAP_LOWER = Recorded("slice:ml_fairness_gap:lower", "lower end of the gap's interval", _BY_SLICE)
R_GAP_UPPER = Recorded("slice:ml_fairness_gap:upper", "upper end of the gap's interval", _BY_SLICE)

# KPIs of a model, all its versions together (docs/adr/0031); per is one of KPI_PER.
_KPI = ("model", "kpi", "per")
R_KPI_COUNT = Recorded("kpi:ml_kpi:count", "KPI events or predictions behind a KPI's mean", _KPI)
R_KPI_MEAN = Recorded("kpi:ml_kpi:mean", "mean of a KPI per event and per prediction", _KPI)
R_KPI_STDERR = Recorded("kpi:ml_kpi:stderr", "standard error of that mean", _KPI)

# A canary against production (docs/adr/0030), since the trial began: recorded as ``life`` only.
_LOSS = (*MV, "loss")
R_TRIAL_COUNT = Recorded("model:ml_trial:count", "predictions or mature outcomes of an arm", (*_LOSS, "arm"))
R_TRIAL_MEAN = Recorded("model:ml_trial_loss:mean", "mean loss of an arm", (*_LOSS, "arm"))
R_TRIAL_DIFFERENCE = Recorded(
    "model:ml_trial_difference:value", "mean loss of the canary minus production's", _LOSS
)
R_TRIAL_STDERR = Recorded("model:ml_trial_difference:stderr", "standard error of the difference", _LOSS)
R_TRIAL_ROWS = Recorded("model:ml_trial:effective_rows", "1 / (1 / canary's n + 1 / production's n)", _LOSS)
R_TRIAL_LOWER = Recorded(
    "model:ml_trial_difference:lower", "lower end of the difference's 95 % confidence sequence", _LOSS
)
R_TRIAL_UPPER = Recorded("model:ml_trial_difference:upper", "upper end of the same sequence", _LOSS)
R_SHADOW_AGREEMENT = Recorded(
    "model:ml_shadow_agreement:ratio", "share of requests that a shadow answered as production did", MV
)
R_SHADOW_COUNT = Recorded("model:ml_shadow:count", "pairs of answers whose outcome is mature", MV)
R_SHADOW_LEAD = Recorded(
    "model:ml_shadow_lead:ratio", "share of pairs in which the shadow was better minus that of production", MV
)
R_SHADOW_EVIDENCE = Recorded(
    "model:ml_shadow:log_likelihood_ratio",
    "natural log of the always-valid McNemar test's likelihood ratio: one is better, at error rate a, above "
    "ln(1 / a)",
    MV,
)
R_TRIAL_EVIDENCE = Recorded(
    "model:ml_trial:log_likelihood_ratio",
    "natural log of the mSPRT's likelihood ratio: the arms differ at error rate a once it exceeds ln(1 / a)",
    _LOSS,
)

# Increases of counters per window, one family per counter: every ratio below is made from these, and
# long windows are summed from short ones.
R_INCREASES: dict[str, Recorded] = {
    m.name: Recorded(
        f"{'slice' if 'slice' in m.labels else 'bin' if 'bin' in m.labels else 'model'}"
        f":{m.name.removesuffix('_total')}:increase",
        f"increase of {m.name}",
        m.labels,
    )
    for m in (
        CONFUSION, CLASS_OUTCOMES, SCORE_BINS, SCORE_BIN_SUM, SCORE_POSITIVES_ABOVE, SCORE_NEGATIVES_ABOVE,
        SCORED, SQUARED_SCORE_ERROR, LOG_LOSS,
        REGRESSION, ABSOLUTE_ERROR, SQUARED_ERROR, OVERPREDICTION, UNDERPREDICTION, ACTUAL, ACTUAL_SQUARED,
        ESTIMATED_CONFUSION, PREDICTIONS_MATURED, OUTCOMES_MATURED, OUTCOMES, PREDICTIONS, PREDICTION_ERRORS,
        KPI, KPI_EVENTS, KPI_SQUARED,
        EARLY_OUTCOMES, EARLY_CORRECT, EARLY_ABSOLUTE_ERROR, EARLY_SQUARED_ERROR, EARLY_OVERPREDICTION,
        EARLY_UNDERPREDICTION,
    )
}  # fmt: skip
R_LATENCY_INCREASE = Recorded(
    "model:ml_prediction_latency_seconds_bucket:increase", "predictions by latency bucket", (*MV, "le")
)
R_ERROR_MAGNITUDE_INCREASE = Recorded(
    "model:ml_error_magnitude_bucket:increase", "mature outcomes by size of the error", (*MV, "le")
)

RECORDED: tuple[Recorded, ...] = (
    *R_INCREASES.values(),
    *(r for r in list(globals().values()) if isinstance(r, Recorded)),
)

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
BINARY_METRICS = (
    "accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "brier", "log_loss",
)  # fmt: skip
MULTICLASS_METRICS = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
REGRESSION_METRICS = ("mae", "rmse", "r2", "bias", *ERROR_QUANTILES)

# Figures compared between a slice value and the rest of the model. What is worse: 1 = more, -1 = less,
# 0 = any difference (of which there is a ticket only where the catalogue declares a bound).
FAIRNESS_METRICS: dict[str, dict[str, int]] = {
    "binary": {"selection_rate": 0, "tpr": -1, "fpr": 1, "accuracy": -1},
    "multiclass": {"accuracy": -1},
    "regression": {"mae": 1, "bias": 0},
}
PROPORTIONS = ("selection_rate", "tpr", "fpr", "accuracy")  # the other figures are means
FAIRNESS_PARTS = ("own", "rest")
KPI_PER = ("event", "prediction")
KPI_BOUNDS = ("floor", "max_drop")
TRIAL_ARMS = ("candidate", "production")
AGREEMENTS = ("agree", "disagree")
BETTER = ("shadow", "production", "neither")
FAILED, WRONG, ABSOLUTE = "failed", "wrong", "absolute_error"
TRIAL_LOSSES = {"binary": (FAILED, WRONG), "multiclass": (FAILED, WRONG), "regression": (FAILED, ABSOLUTE)}

# Other values of ml_objective's metric label.
OBJECTIVE_DISPARITY = "disparity_"  # and a figure: the largest acceptable difference from the rest
OBJECTIVE_DISPARITY_SIGMAS = "disparity_sigmas"  # chance for all comparisons of the model together
OBJECTIVE_INTERVAL_SIGMAS = "disparity_interval_sigmas"  # half width of the intervals shown
OBJECTIVE_LATENCY = "latency_p99_seconds"
OBJECTIVE_ERRORS = "error_ratio"
OBJECTIVE_TRAFFIC = "predictions_per_second"
OBJECTIVE_COVERAGE = "outcome_coverage"
OBJECTIVE_SAMPLES = "outcome_samples"

# Least samples that the alerts want; the catalogue's check holds the declared traffic against them.
SIGMAS = 3  # a loss counts from this many max(baseline's standard deviation, standard error)
ALERT_FAST_SAMPLES = 30  # in the fast window a normal approximation suffices: the slow one holds the proof
ALERT_LATENCY_SAMPLES = 100  # below this a 99th percentile is one request
ALERT_TRAFFIC_EVENTS = 5  # expected per window; below it chance alone makes pauses

CRITICAL_ALERTS = (
    "ModelQualityCritical",
    "ModelErrorRateCritical",
    "ModelLatencyCritical",
    "ModelTrafficLost",
    "FeatureBroken",
    "PipelineFailed",
    "PipelineStale",
)
WARNING_ALERTS = (
    "FeatureDrift",
    "PredictionDrift",
    "ModelQualityDecay",
    "CalibrationDrift",
    "SliceDisparity",
    "OutcomesLate",
    "OutcomeCoverageLow",
    "PipelineRowsAnomalous",
    "KpiDrop",
    "CanaryWorse",
    "BaselineMissing",
    "ModelSilent",
    "SeriesBudgetNear",
    "DiskFillsSoon",
)
SELF_ALERTS = ("Watchdog", "ExporterDown", "EventsRejected", "RulesSlow", "NotificationsFailing")
# Unrouted (severity info): one per dependent model while a pipeline is broken. It exists to be the
# source of an inhibition, because Alertmanager can only mute along equal labels.
INHIBITOR_ALERTS = ("ModelInputBroken", "ModelRollout")

DEFAULT_PORT = 9877
ALERTS_PATH = "/v1/alerts"
CONTENT_TYPE_NDJSON = "application/x-ndjson"
CONTENT_TYPE_JSON = "application/json"
CONTENT_TYPE_TEXT = "text/plain; version=0.0.4; charset=utf-8"
CONTENT_TYPE_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# Literal uids, so that links in alerts and between dashboards never break.
DASHBOARD_UIDS: dict[str, str] = {
    "fleet": "plumbline-fleet",
    "quality": "plumbline-quality",
    "slices": "plumbline-slices",
    "trials": "plumbline-trials",
    "drift": "plumbline-drift",
    "pipelines": "plumbline-pipelines",
    "infrastructure": "plumbline-infrastructure",
    "exporter": "plumbline-exporter",
    "trace": "plumbline-trace",
    "predictions": "plumbline-predictions",
    "batch": "plumbline-batch",
}
# Those over the PostgreSQL store; the others ask Prometheus.
STORE_DASHBOARDS = ("trace", "predictions", "batch")
