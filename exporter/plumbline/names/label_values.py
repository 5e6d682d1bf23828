"""The closed sets of values that labels and fields of events may have."""

from __future__ import annotations

# Values that stand for "not one of the declared ones"; they bound every label set.
# Names begin with another sign, so that none is one of these.
UNKNOWN = "_unknown"
OTHER = "other"
MISSING = "missing"
# What no name may hold, as the inside of a regular expression's class: control characters and line ends.
CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
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
LAYOUT_CHANGED = "layout_changed"
# The embedded store keeps a kind by its place here: new ones go to the end. alert and action are made by the
# exporter itself, of what Alertmanager sends and of what its hooks did.
EVENT_KINDS = ("prediction", "outcome", "pipeline", "deployment", "kpi", "log", "alert", "action", "recomputed")
REJECT_REASONS = ("bad_json", "unknown_type", "missing_field", "bad_field", "bad_timestamp", "bad_id", "line_too_long")
# Why plumbline.Client gave an event up; see docs/client.md.
CLIENT_DROP_REASONS = ("invalid", "queue_full", "spool_full", "spool_damaged", "rejected", "too_large", "closed")
REFUSE_REASONS = ("too_large", "wrong_type", "bad_encoding", "overloaded", "store_error", "bad_webhook", "too_slow")
UNKNOWN_KINDS = ("model", "version", "feature", "pipeline", "kpi", "class")
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
    "failed",  # an error of the exporter's own; its log says which
)
SIGNS = ("positive", "negative")
ROW_OUTCOMES = ("in", "out", "rejected")
# What became of a class in one outcome of a multiclass model: predicted and true, predicted only, true only.
CLASS_RESULTS = ("hit", "false_positive", "false_negative")
PIPELINE_OBJECTIVES = ("freshness_seconds", "cadence_seconds", "rows_min", "rows_max")

FAIRNESS_PARTS = ("own", "rest")
KPI_PER = ("event", "prediction")
KPI_BOUNDS = ("floor", "max_drop")
TRIAL_ARMS = ("candidate", "production")
AGREEMENTS = ("agree", "disagree")
BETTER = ("shadow", "production", "neither")
FAILED, WRONG, ABSOLUTE = "failed", "wrong", "absolute_error"
TRIAL_LOSSES = {"binary": (FAILED, WRONG), "multiclass": (FAILED, WRONG), "regression": (FAILED, ABSOLUTE)}
