"""Texts of the alerts about models: quality, the service, drift, outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from plumbline import names
from plumbline.significance import sigmas
from plumbline_alerting import model_queries, quality_queries
from plumbline_alerting.maker import VALUE, Maker
from plumbline_alerting.model import Rule
from plumbline_alerting.sized import FAST, SLOW
from plumbline_alerting.templates import COUNT, MODEL, ask

WHO = "{{ $labels.model }} {{ $labels.version }}"
MV_OF = "model=%q, version=%q"


def quality(make: Maker) -> Iterable[Rule]:
    """Quality against the outcome."""
    fast = make.scene.fast

    def window(role: str) -> str:
        seconds = f"max({names.R_QUALITY_WINDOW.over(role)}{{{MV_OF}}})"
        return ask(seconds, *MODEL, unit="humanizeDuration")

    def numbers(severity: str) -> str:
        bound = f"max({names.OBJECTIVE.name}{{{MV_OF}, metric=%q, severity=`{severity}`}})".replace("`", '"')
        known = f"max({names.BASELINE_QUALITY.name}{{{MV_OF}, metric=%q}})"
        loss = f"max({names.R_QUALITY_LOSS.over(SLOW)}{{{MV_OF}, metric=%q}})"
        of = (*MODEL, "metric")
        return (
            f"objective {ask(bound, *of)}, baseline {ask(known, *of)}, "
            f"{ask(loss, *of)} times its noise worse, n = {outcomes} outcomes"
        )

    outcomes = ask(f"max({names.R_QUALITY_SAMPLES.over(SLOW)}{{{MV_OF}}})", *MODEL, unit=COUNT)
    now = f"max({names.R_QUALITY.over(FAST)}{{{MV_OF}, metric=%q}})"
    alert = partial(make.alert, dashboard="quality", variables=MODEL)
    yield from alert(
        "ModelQualityCritical",
        quality_queries.model_quality_critical(make.scene),
        keep=fast,  # until the fast window holds only newer outcomes: one incident, one notification
        summary="A model's quality has fallen below its critical objective.",
        description=(
            f"{{{{ $labels.metric }}}} of {WHO} is {VALUE} over {window(SLOW)} and "
            f"{ask(now, *MODEL, 'metric')} over {window(FAST)} ({numbers('critical')})."
        ),
    )
    yield from alert(
        "ModelQualityDecay",
        quality_queries.model_quality_decay(make.scene),
        keep=make.scene.lull(make.scene.slow),
        summary="A model's quality is below its warning objective.",
        description=(f"{{{{ $labels.metric }}}} of {WHO} is {VALUE} over {window(SLOW)} ({numbers('warning')})."),
    )
    noise = f"max({names.R_CALIBRATION_NOISE.over(SLOW)}{{{MV_OF}}})"
    yield from alert(
        "CalibrationDrift",
        quality_queries.calibration_drift(make.scene),
        keep=make.scene.lull(make.scene.slow),
        summary="A model's scores no longer mean what they meant in the baseline.",
        description=(
            f"Over {window(SLOW)} the share of positives of {WHO} is {VALUE} away from what the baseline "
            f"expects at the same scores (threshold {quality_queries.CALIBRATION_FLOOR:g} and "
            f"{sigmas(make.scene.slow, sides=2):g} times its noise, {ask(noise, *MODEL)}: the larger of its "
            "standard error and of what windows of the baseline stray; "
            f"n = {outcomes} outcomes)."
        ),
    )


def serving(make: Maker) -> Iterable[Rule]:
    """The service itself."""
    fast, short = make.scene.fast, make.scene.short

    def bound(metric: str) -> str:
        return ask(f'max({names.OBJECTIVE.name}{{{MV_OF}, metric="{metric}"}})', *MODEL)

    n = ask(f"max({names.R_INCREASES[names.PREDICTIONS.name].over(fast)}{{{MV_OF}}})", *MODEL, unit=COUNT)
    timed = ask(model_queries.timed(fast, f"{MV_OF}, "), *MODEL, unit=COUNT)
    alert = partial(make.alert, dashboard="fleet", variables=MODEL)
    yield from alert(
        "ModelErrorRateCritical",
        model_queries.model_error_rate_critical(make.scene),
        summary="A model answers with too many errors.",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the predictions of {WHO} failed over {fast} "
            f"(objective {bound(names.OBJECTIVE_ERRORS)} as a ratio, n = {n} predictions)."
        ),
    )
    yield from alert(
        "ModelLatencyCritical",
        model_queries.model_latency_critical(make.scene),
        summary="A model answers too slowly.",
        description=(
            f"The 99th percentile of the latency of {WHO} is {{{{ $value | humanizeDuration }}}} over "
            f"{fast} (objective {bound(names.OBJECTIVE_LATENCY)} s, n = {timed} predictions that tell it)."
        ),
    )
    yield from alert(
        "ModelTrafficLost",
        model_queries.model_traffic_lost(make.scene),
        summary="A model gets less traffic than at its quietest.",
        description=(
            f"{{{{ $labels.model }}}} gets {VALUE} predictions per second over {short}, all versions "
            f"together (expected at its quietest: {bound(names.OBJECTIVE_TRAFFIC)})."
        ),
    )


def drift(make: Maker) -> Iterable[Rule]:
    """Inputs and predictions against the baseline."""
    tile, window = make.scene.tile, make.scene.drift
    one = f"{MV_OF}, feature=%q"
    of = (*MODEL, "feature")
    known = f'max({names.BASELINE_FEATURE_SHARE.name}{{{one}, bin="{names.MISSING}"}})'

    def looked_at(over: str) -> str:
        bound = f"max({names.R_PROBLEMS_THRESHOLD.over(over)}{{{one}, problem=%q}})"
        n = f"max({names.R_FEATURE_INCREASE.over(over)}{{{one}}})"
        return f"threshold over {over} {ask(bound, *of, 'problem')}, n = {ask(n, *of, unit=COUNT)} values"

    # At a threshold of 1 the tile cannot tell, and the share is that of the longer window.
    later = "" if tile == window else f"; where that is 1: {looked_at(window)}"
    alert = partial(make.alert, dashboard="drift", variables=MODEL)
    yield from alert(
        "FeatureBroken",
        model_queries.feature_broken(make.scene),
        keep=tile,  # until the tile holds only newer values: one incident, one notification
        summary="A model's input is suddenly missing or invalid.",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the values of {{{{ $labels.feature }}}} for "
            f"{WHO} are {{{{ $labels.problem }}}} ({looked_at(tile)}{later}; "
            f"share missing in the baseline {ask(known, *of)})."
        ),
    )
    threshold = f"max({names.R_PSI_THRESHOLD.over(window)}{{{one}}})"
    n = f"max({names.R_FEATURE_INCREASE.over(window)}{{{one}}})"
    rows = f"max({names.BASELINE_ROWS.name}{{{MV_OF}}})"
    numbers = (
        f"{VALUE} over {window} (threshold {ask(threshold, *of)}, "
        f"n = {ask(n, *of, unit=COUNT)} predictions, "
        f"baseline {ask(rows, *MODEL, unit=COUNT)} rows)."
    )
    yield from alert(
        "FeatureDrift",
        model_queries.drift(make.scene, pseudo=False),
        keep=make.scene.lull(window),
        summary="A model's input has drifted from its baseline.",
        description=f"PSI of {{{{ $labels.feature }}}} for {WHO} is {numbers}",
    )
    yield from alert(
        "PredictionDrift",
        model_queries.drift(make.scene, pseudo=True),
        keep=make.scene.lull(window),
        summary="A model's predictions, or what came true, have drifted from its baseline.",
        description=f"PSI of {{{{ $labels.feature }}}} for {WHO} is {numbers}",
    )


def outcomes(make: Maker) -> Iterable[Rule]:
    """Whether quality can be known at all."""
    slow = make.scene.slow
    wanted = ask(f'max({names.OBJECTIVE.name}{{{MV_OF}, metric="{names.OBJECTIVE_COVERAGE}"}})', *MODEL)
    matured = names.R_INCREASES[names.PREDICTIONS_MATURED.name].over(slow)
    n = ask(f"max({matured}{{{MV_OF}}})", *MODEL, unit=COUNT)
    known = names.R_INCREASES[names.OUTCOMES.name].over(slow)
    reported = ask(f'sum({known}{{{MV_OF}, state=~"late|matched"}})', *MODEL, unit=COUNT)
    yield from make.alert(
        "OutcomesLate",
        quality_queries.outcomes_late(make.scene),
        summary="A model's outcomes arrive after their declared maturity.",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the outcomes of {WHO} came late over {slow} "
            f"(declared coverage {wanted}, n = {reported} outcomes)."
        ),
        dashboard="quality",
        variables=MODEL,
    )
    yield from make.alert(
        "OutcomeCoverageLow",
        quality_queries.outcome_coverage_low(make.scene),
        keep=make.scene.lull(slow),
        summary="Too few of a model's predictions have an outcome: its quality is not known.",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the mature predictions of {WHO} have an outcome "
            f"over {slow}, or over {make.scene.longest} where that is what proves it (threshold {wanted} "
            f"as a ratio, n = {n} mature predictions over {slow}); "
            "quality alerts hold below it."
        ),
        dashboard="quality",
        variables=MODEL,
    )
    yield from make.alert(
        "BaselineMissing",
        model_queries.baseline_missing(make.scene),
        summary="A production model has no baseline: neither drift nor loss of quality can be seen.",
        description=(
            f'{{{{ if eq $labels.version "{names.UNKNOWN}" }}}}{{{{ $value | humanize }}}} predictions '
            f"of {{{{ $labels.model }}}} over {make.scene.slow} came from versions that neither "
            "a deployment nor a baseline names{{ else }}"
            f"{WHO} is in production without a baseline (expected 1, found 0)"
            "{{ end }}."
        ),
        dashboard="fleet",
        variables=MODEL,
    )
    yield from make.alert(
        "ModelSilent",
        model_queries.model_silent(make.scene),
        summary="A model of the catalogue has had no prediction for long, or never.",
        description=(
            "{{ $labels.model }} is silent for {{ $value | humanizeDuration }} (threshold "
            f"{make.scene.longest}): since its last prediction, or since the exporter knows of it."
        ),
        dashboard="fleet",
        variables=("model",),
    )
    yield from make.alert(
        "ModelRollout",
        model_queries.model_rollout(make.scene),
        summary="A model version has just entered production.",
        description=f"{WHO} entered production {{{{ $value | humanizeDuration }}}} ago.",
        dashboard="fleet",
        variables=MODEL,
    )
