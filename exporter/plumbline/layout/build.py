"""Freezes the layout of a model version: every counter that it may need, in one order."""

from __future__ import annotations

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.catalogue.model import Model
from plumbline.layout.early import place_early, place_young
from plumbline.layout.features import FeatureSlot, place_feature
from plumbline.layout.quality import QualityCells, place_quality
from plumbline.layout.section import LayoutBuilder, Section
from plumbline.layout.trials import place_trial
from plumbline.layout.version import VersionLayout
from plumbline.names import Metric


def build_layout(model_name: str, version: str, model: Model | None, baseline: Baseline | None) -> VersionLayout:
    """Freeze the layout of a version.

    Args:
        model_name: value of the label ``model``.
        version: value of the label ``version``.
        model: its entry in the catalogue; None for models that have none.
        baseline: its baseline; without one there are no bins, only problems are counted per feature.
    """
    b = LayoutBuilder()
    mv = (model_name, version)

    def single(metric: Metric, *rest: str) -> int:
        return b.add(metric, [(*mv, *rest)]).offset

    predictions, errors = single(names.PREDICTIONS), single(names.PREDICTION_ERRORS)
    latency = b.add(names.PREDICTION_LATENCY, [mv])
    last = single(names.PREDICTION_LAST)
    slots: list[FeatureSlot] = []
    prediction_slot = score_slot = None
    if model is not None:
        slots = [
            place_feature(b, mv, name, feature.type == "numeric", baseline) for name, feature in model.features.items()
        ]
        if baseline is not None and names.PREDICTION_FEATURE in baseline.features:
            numeric = baseline.features[names.PREDICTION_FEATURE].kind == "numeric"
            prediction_slot = place_feature(b, mv, names.PREDICTION_FEATURE, numeric, baseline)
        if baseline is not None and names.SCORE_FEATURE in baseline.features:
            score_slot = place_feature(b, mv, names.SCORE_FEATURE, True, baseline)
    skew_rows, skew_mismatches = (
        b.add(metric, [(*mv, slot.name) for slot in slots]).offset
        for metric in (names.FEATURE_SKEW_ROWS, names.FEATURE_SKEW_MISMATCHES)
    )
    outcomes = b.add(names.OUTCOMES, [(*mv, state) for state in names.OUTCOME_STATES]).offset
    retracted = b.add(names.RETRACTED[names.OUTCOMES.name], [(*mv, state) for state in names.RETRACTABLE_STATES]).offset
    delay = b.add(names.OUTCOME_DELAY, [mv])
    matured, outcomes_matured = single(names.PREDICTIONS_MATURED), single(names.OUTCOMES_MATURED)
    before = len(b.sections)
    quality = QualityCells() if model is None else place_quality(b, mv, model, baseline)
    young = None if model is None else place_young(b, mv, model)
    retractions: tuple[tuple[Section, Section], ...] = ()
    if model is not None and model.outcome.corrections:
        retractions = tuple(
            (section, b.add(names.RETRACTED[section.metric.name], section.labels))
            for section in b.sections[before:]
            if section.metric.name in names.RETRACTED
        )
    early = None if model is None else place_early(b, mv, model)
    kpis, kpi_events, kpi_squares = {}, {}, {}
    for kpi in model.kpis if model is not None else ():
        kpis[kpi] = b.add(names.KPI, [(*mv, kpi, sign) for sign in names.SIGNS]).offset
        kpi_events[kpi] = single(names.KPI_EVENTS, kpi)
        kpi_squares[kpi] = single(names.KPI_SQUARED, kpi)
    trial = trial_retracted = None
    if model is not None and version != names.UNKNOWN:
        trial = place_trial(b, mv, model)
        if model.outcome.corrections:
            trial_retracted = place_trial(b, mv, model, of=trial)
    return VersionLayout(
        model=model_name,
        version=version,
        sections=tuple(b.sections),
        size=b.size,
        predictions=predictions,
        errors=errors,
        latency=latency,
        last=last,
        features=tuple(slots),
        prediction_slot=prediction_slot,
        score_slot=score_slot,
        skew_rows=skew_rows,
        skew_mismatches=skew_mismatches,
        outcomes=outcomes,
        outcomes_retracted=retracted,
        delay=delay,
        predictions_matured=matured,
        outcomes_matured=outcomes_matured,
        quality=quality,
        young=young,
        early=early,
        retractions=retractions,
        kpis=kpis,
        kpi_events=kpi_events,
        kpi_squares=kpi_squares,
        trial=trial,
        trial_retracted=trial_retracted,
        baseline=None if baseline is None else baseline.digest,
    )
