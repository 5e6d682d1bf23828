"""Texts of the alerts that compare: slices with the rest of their model, versions, KPIs with their past."""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline_alerting import comparison_queries as queries
from plumbline_alerting.maker import VALUE, Maker
from plumbline_alerting.model import Rule
from plumbline_alerting.templates import MODEL, ask

WHO = "{{ $labels.model }} {{ $labels.version }}"
MV_OF = "model=%q, version=%q"


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
        severity="warning",
        summary="A model treats a declared group worse than the others.",
        description=(
            f"{{{{ $labels.metric }}}} of {WHO} for {{{{ $labels.slice }}}} = {{{{ $labels.value }}}} is "
            f"{figure('own')} over {window}, for the rest of the model {figure('rest')}: worse by {VALUE} "
            f"(threshold {ask(bound, *MODEL, 'metric')}, {ask(sigmas, *of)} standard deviations of chance, "
            f"n = {ask(count, *of, unit='humanize')} outcomes)."
        ),
        dashboard="slices",
        variables=MODEL,
    )
