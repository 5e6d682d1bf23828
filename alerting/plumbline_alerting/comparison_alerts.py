"""Texts of the alerts that compare: slices with the rest of their model, versions, KPIs with their past."""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline_alerting import comparison_queries as queries
from plumbline_alerting.maker import VALUE, Maker
from plumbline_alerting.model import Rule
from plumbline_alerting.model_alerts import MV_OF, WHO
from plumbline_alerting.templates import COUNT, MODEL, ask


def slices(make: Maker) -> Iterable[Rule]:
    """A slice value against the rest of its model."""
    window = make.scene.longest
    where = f"{MV_OF}, slice=%q, value=%q, metric=%q"
    of = (*MODEL, "slice", "value", "metric")

    def figure(part: str) -> str:
        return ask(f'max({names.R_FAIRNESS.over(window)}{{{where}, part="{part}"}})', *of)

    count = f'max({names.R_FAIRNESS_COUNT.over(window)}{{{where}, part="own"}})'
    bound = f'max({names.OBJECTIVE.name}{{{MV_OF}, metric="{names.OBJECTIVE_DISPARITY}%s"}})'
    sigmas = f"max(abs({names.R_DISPARITY_SIGMAS.over(window)}{{{where}}}))"
    yield from make.alert(
        "SliceDisparity",
        queries.slice_disparity(make.scene),
        summary="A model treats a declared group worse than the others.",
        description=(
            f"{{{{ $labels.metric }}}} of {WHO} for {{{{ $labels.slice }}}} = {{{{ $labels.value }}}} is "
            f"{figure('own')} over {window}, for the rest of the model {figure('rest')}: worse by {VALUE} "
            f"(threshold {ask(bound, *MODEL, 'metric')}, {ask(sigmas, *of)} standard deviations of chance, "
            f"n = {ask(count, *of, unit=COUNT)} outcomes)."
        ),
        dashboard="slices",
        variables=MODEL,
    )


def canaries(make: Maker) -> Iterable[Rule]:
    """A canary against the production version beside it."""
    one, of = f"{MV_OF}, loss=%q", (*MODEL, "loss")

    def arm(recorded: names.Recorded, which: str, unit: str = 'printf "%.4g"') -> str:
        return ask(f'max({recorded.over("life")}{{{one}, arm="{which}"}})', *of, unit=unit)

    ends = [ask(f"max({r.over('life')}{{{one}}})", *of) for r in (names.R_TRIAL_LOWER, names.R_TRIAL_UPPER)]
    yield from make.alert(
        "CanaryWorse",
        queries.canary_worse(make.scene),
        summary="A canary is worse than the production version beside it.",
        description=(
            f"Mean loss ({{{{ $labels.loss }}}}) of the canary {WHO} since its trial began is "
            f"{arm(names.R_TRIAL_MEAN, 'candidate')} on "
            f"n = {arm(names.R_TRIAL_COUNT, 'candidate', COUNT)}, "
            f"of production {arm(names.R_TRIAL_MEAN, 'production')} on "
            f"n = {arm(names.R_TRIAL_COUNT, 'production', COUNT)}: "
            f"worse by {VALUE} (95 % sequence {ends[0]} to {ends[1]}; threshold: "
            f"{queries.CANARY_EFFECT:g} standard deviations and an always-valid p below "
            f"{queries.CANARY_FALSE_ALARM / 2:g})."
        ),
        dashboard="trials",
        variables=MODEL,
    )


def kpis(make: Maker) -> Iterable[Rule]:
    """A KPI against its floor and its past."""
    slow, longest = make.scene.slow, make.scene.longest
    one, of = "model=%q, kpi=%q, per=%q", ("model", "kpi", "per")

    def number(recorded: names.Recorded, window: str, past: str = "", unit: str = 'printf "%.4g"') -> str:
        offset = f" offset {past}" if past else ""
        return ask(f"max({recorded.over(window)}{{{one}}}{offset})", *of, unit=unit)

    bounds = ", ".join(
        f"{kind} " + ask(f'max({names.KPI_OBJECTIVE.name}{{{one}, bound="{kind}"}})', *of, missing="none")
        for kind in names.KPI_BOUNDS
    )
    yield from make.alert(
        "KpiDrop",
        queries.kpi_drop(make.scene),
        keep=make.scene.lull(slow),
        summary="A business figure of a model has dropped.",
        description=(
            f"{{{{ $labels.kpi }}}} of {{{{ $labels.model }}}} per {{{{ $labels.per }}}} is {VALUE} "
            f"over {slow} (standard error {number(names.R_KPI_STDERR, slow)}, "
            f"n = {number(names.R_KPI_COUNT, slow, unit=COUNT)}); over the {longest} before it was "
            f"{number(names.R_KPI_MEAN, longest, slow)}, over the same {slow} one {longest} ago "
            f"{number(names.R_KPI_MEAN, slow, longest)} (bounds: {bounds})."
        ),
        dashboard="quality",
        variables=MODEL,
    )
