"""Alerts by severity, and the least that they want to see."""

from __future__ import annotations

# Least samples that the alerts want; the catalogue's check holds the declared traffic against them.
SIGMAS = 3  # a loss counts from this many max(baseline's standard deviation, standard error)
ALERT_FAST_SAMPLES = 30  # in the fast window a normal approximation suffices: the slow one holds the proof
ALERT_LATENCY_SAMPLES = 100  # below this a 99th percentile is one request
ALERT_TRAFFIC_EVENTS = 5  # expected per window; below it chance alone makes pauses

# Every alert and its severity: critical pages, warning opens a ticket, info goes to nobody. First those about a
# model version, for which hooks may wait.
MODEL_ALERTS = {
    "ModelQualityCritical": "critical",
    "ModelErrorRateCritical": "critical",
    "ModelLatencyCritical": "critical",
    "ModelTrafficLost": "critical",
    "FeatureBroken": "critical",
    "FeatureDrift": "warning",
    "PredictionDrift": "warning",
    "ModelQualityDecay": "warning",
    "CalibrationDrift": "warning",
    "SliceDisparity": "warning",
    "OutcomesLate": "warning",
    "OutcomeCoverageLow": "warning",
    "KpiDrop": "warning",
    "CanaryWorse": "warning",
    "BaselineMissing": "warning",
}
ALERT_SEVERITY = {
    **MODEL_ALERTS,
    "ModelSilent": "warning",
    "PipelineFailed": "critical",
    "PipelineStale": "critical",
    "PipelineRowsAnomalous": "warning",
    "SeriesBudgetNear": "warning",
    "DiskFillsSoon": "warning",
    "Watchdog": "info",
    "ExporterDown": "critical",
    "EventsRejected": "warning",
    "RulesSlow": "warning",
    "NotificationsFailing": "critical",
    # One per dependent model while a pipeline is broken, and after a deployment. They exist to be the source of
    # an inhibition, because Alertmanager can only mute along equal labels.
    "ModelInputBroken": "info",
    "ModelRollout": "info",
}

# Annotation of pages about a model: the version to roll back to; empty or absent = do not roll back.
ROLLBACK_ANNOTATION = "rollback_version"
