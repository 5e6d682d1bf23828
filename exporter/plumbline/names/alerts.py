"""Alerts by severity, and the least that they want to see."""

from __future__ import annotations

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

# Annotation of pages about a model: the version to roll back to; empty or absent = do not roll back.
ROLLBACK_ANNOTATION = "rollback_version"
