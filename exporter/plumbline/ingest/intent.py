"""Series that describe versions and the catalogue: baselines, objectives, stages, owners.

Constant until a deployment changes them. Rules and dashboards compare what is counted with these.
"""

from __future__ import annotations

from collections.abc import Iterator

from plumbline import fairness, names
from plumbline.baseline.artefact import Baseline
from plumbline.catalogue.model import Catalogue, Model
from plumbline.ingest.stages import Entry, rollback_target, stage_of
from plumbline.names import Metric
from plumbline.units import parse_duration

# The metric, the value, then the labels; of a version those behind ``model`` and ``version``.
Row = tuple[Metric, float, *tuple[str, ...]]


def intent_of_version(
    model: Model, version: str, baseline: Baseline | None, deployments: list[Entry], catalogue: Catalogue
) -> Iterator[Row]:
    """Yield the series of one version.

    Args:
        model: its entry in the catalogue.
        version: its name.
        baseline: its baseline, if any.
        deployments: of the model.
        catalogue: whose windows are shown.
    """
    entry = stage_of(deployments, version)
    yield names.MODEL_INFO, 1, model.owner, entry.stage, model.task, entry.commit or ""
    if entry.ts:
        yield names.MODEL_DEPLOYED, entry.ts
    target = rollback_target(deployments, version)
    if target is not None:
        yield names.ROLLBACK_INFO, 1, target
    for metric, severity, threshold in objectives(model, baseline):
        yield names.OBJECTIVE, threshold, metric, severity
    for name, feature in model.features.items():
        if feature.importance is not None:
            yield names.FEATURE_IMPORTANCE, feature.importance, name
    if baseline is not None:
        yield from _intent_of_baseline(baseline, catalogue)


def _intent_of_baseline(b: Baseline, catalogue: Catalogue) -> Iterator[Row]:
    evaluation = catalogue.evaluation
    windows = {name: parse_duration(name) for name in evaluation.drift}
    yield names.BASELINE_INFO, 1, b.digest, b.lineage.training_data, b.lineage.commit or ""
    yield names.BASELINE_ROWS, b.lineage.rows
    for name, bins in b.features.items():
        for bin_, share in zip(bins.labels, bins.shares, strict=True):
            yield names.BASELINE_FEATURE_SHARE, share, name, bin_
        # Ordered bins begin with the same labels that the shares have.
        for bin_, share in zip(bins.labels, bins.cumulative_shares, strict=False):
            yield names.BASELINE_FEATURE_CUMULATIVE, share, name, bin_
        for bin_, weight in zip(bins.labels, bins.edge_weights, strict=False):
            yield names.BASELINE_FEATURE_EDGE_WEIGHT, weight, name, bin_
        yield names.BASELINE_FEATURE_NOISE, bins.noise, name
        yield names.BASELINE_FEATURE_CHI2, bins.chi2, name
        for problem, window, peak in bins.peaks(windows):
            yield names.BASELINE_PROBLEM_PEAK, peak, name, problem, window
    for metric, quality in b.quality.items():
        yield names.BASELINE_QUALITY, quality.value, metric
        if quality.stddev is not None:
            yield names.BASELINE_QUALITY_STDDEV, quality.stddev, metric
        for window in evaluation.quality:
            if (spread := quality.spread_over(window)) is not None:
                yield names.BASELINE_QUALITY_SPREAD, spread, metric, window
    if b.score_bins is not None:
        for window in evaluation.quality:
            if (spread := b.score_bins.gap_spread_over(window)) is not None:
                yield names.BASELINE_CALIBRATION_SPREAD, spread, window
        for bin_, share in zip(b.score_bins.labels, b.score_bins.positive_shares, strict=True):
            yield names.BASELINE_SCORE_POSITIVE_SHARE, share, bin_


def intent_of_catalogue(catalogue: Catalogue) -> Iterator[Row]:
    """Yield the series of KPI objectives and pipelines."""
    for name, model in catalogue.models.items():
        for kpi, objective in model.kpi_objectives.items():
            for kind in names.KPI_BOUNDS:
                limit: float | None = getattr(objective, kind)
                if limit is not None:
                    yield names.KPI_OBJECTIVE, limit, name, kpi, objective.per, kind
    for name, pipeline in catalogue.pipelines.items():
        yield names.PIPELINE_INFO, 1, name, pipeline.owner, ",".join(sorted(pipeline.models))
        for dependent in pipeline.models:
            yield names.PIPELINE_MODEL_INFO, 1, name, dependent
        bounds = {
            "freshness_seconds": parse_duration(pipeline.freshness),
            "cadence_seconds": parse_duration(pipeline.cadence),
            "rows_min": pipeline.rows.min,
            "rows_max": pipeline.rows.max,
        }
        for bounded, bound in bounds.items():
            if bound is not None:
                yield names.PIPELINE_OBJECTIVE, float(bound), name, bounded


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
