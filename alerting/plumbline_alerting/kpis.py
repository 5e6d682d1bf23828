"""Recording rules of KPIs: mean per event and per prediction of a model, with its standard error.

Reads the recorded increases of the KPI counters, all versions of a model together: the business does not see
versions, and a rollout does not break the comparison with the days before. Writes ``names.R_KPI_*``. A
prediction without an event counts 0; a shadow's answers, which nobody gets, do not count. Independent
events are assumed, as for any mean.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV
from plumbline_alerting.windows import Window

_KPI = "model, kpi"


def rules(window: Window) -> Iterable[Rule]:
    """Return the rules of one window."""

    def increase(metric: names.Metric, sign: str = "") -> str:
        chosen = f'{{sign="{sign}"}}' if sign else ""
        return f"{names.R_INCREASES[metric.name].over(window.name)}{chosen}"

    events = f"sum by ({_KPI}) ({increase(names.KPI_EVENTS)})"
    # Born with the KPI, so that predictions without any event of it still count.
    shadows = f'{names.MODEL_INFO.name}{{stage="shadow"}}'
    answers = f"sum by (model) ({increase(names.PREDICTIONS)} unless on ({MV}) {shadows})"
    predictions = f"({events} * 0) + on (model) group_left () {answers}"
    plus, minus = (f"sum by ({_KPI}) ({increase(names.KPI, sign)})" for sign in names.SIGNS)
    squares = f"sum by ({_KPI}) ({increase(names.KPI_SQUARED)})"
    count, mean = names.R_KPI_COUNT.over(window.name), names.R_KPI_MEAN.over(window.name)
    for per, rows in zip(names.KPI_PER, (events, predictions), strict=True):
        yield Rule(record=count, expr=rows, labels={"per": per})
    for per in names.KPI_PER:
        n = f'({count}{{per="{per}"}} > 0)'
        yield Rule(record=mean, expr=f"({plus} - {minus}) / on ({_KPI}) {n}", labels={"per": per})
        yield Rule(
            record=names.R_KPI_STDERR.over(window.name),
            expr=f"""
            sqrt(clamp_min(
              {squares} / on ({_KPI}) {n} - on ({_KPI}) {mean}{{per="{per}"}} ^ 2
            , 0) / on ({_KPI}) {n})
            """,
            labels={"per": per},
        )
