"""The objectives of a version: what its alerts compare its values with."""

from __future__ import annotations

from plumbline import fairness, names
from plumbline.baseline.artefact import Baseline
from plumbline.catalogue.model import Model
from plumbline.units import parse_duration


def objectives(model: Model, baseline: Baseline | None) -> list[tuple[str, str, float]]:
    """Return (metric, severity, threshold) of a version; relative ones need the baseline's quality.

    A largest loss against the baseline becomes an absolute threshold here, so the rules compare two
    series and never need to know which form the catalogue used.
    """
    found: list[tuple[str, str, float]] = []
    for objective in model.objectives:
        threshold = objective.floor if objective.floor is not None else objective.ceiling
        if threshold is None and objective.max_drop is not None and baseline is not None:
            reference = baseline.quality.get(objective.metric)
            if reference is not None:
                sign = 1 if names.QUALITY_METRICS[objective.metric] else -1
                threshold = reference.value - sign * objective.max_drop
        if threshold is not None:
            found.append((objective.metric, objective.severity, threshold))
    serving = model.serving
    if serving.latency_p99 is not None:
        found.append((names.OBJECTIVE_LATENCY, "critical", parse_duration(serving.latency_p99)))
    if serving.error_ratio is not None:
        found.append((names.OBJECTIVE_ERRORS, "critical", serving.error_ratio))
    if serving.predictions_per_second is not None:
        found.append((names.OBJECTIVE_TRAFFIC, "critical", serving.predictions_per_second))
    found.append((names.OBJECTIVE_COVERAGE, "warning", model.outcome.minimum_coverage))
    found.append((names.OBJECTIVE_SAMPLES, "warning", float(model.outcome.minimum_samples)))
    return [*found, *fairness.objectives(model, baseline)]
