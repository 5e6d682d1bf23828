"""The PromQL of alerts that compare: slices with the rest of their model, versions, KPIs with their past.

The texts are in ``plumbline_alerting.comparison_alerts``; see ``alert_queries`` for what all queries share.
"""

from __future__ import annotations

from plumbline import names
from plumbline_alerting.alert_queries import objective, owned
from plumbline_alerting.promql import MV, SLICE, one_of, quoted
from plumbline_alerting.scene import Scene

_BY = f"{SLICE}, metric"


def _worse(window: str) -> str:
    """By how much a declared slice value is worse than the rest; any difference where neither is better."""
    directions: dict[int, list[str]] = {}
    for metrics in names.FAIRNESS_METRICS.values():
        for metric, direction in metrics.items():
            directions.setdefault(direction, []).append(metric)
    parts = []
    for direction, form in ((1, "%s"), (-1, "-1 * %s"), (0, "abs(%s)")):
        matchers = f'value!="{names.OTHER}", metric=~{quoted(one_of(directions[direction]))}'
        parts.append(form % f"max by ({_BY}) ({names.R_DISPARITY.over(window)}{{{matchers}}})")
    return "(\n  " + "\n  or\n  ".join(parts) + "\n)"


def disparity_bound() -> str:
    """The largest acceptable difference, by figure."""
    bounds = (
        f'max by ({MV}, metric) ({names.OBJECTIVE.name}{{metric=~"{names.OBJECTIVE_DISPARITY}.+", '
        f'metric!~"{names.OBJECTIVE_DISPARITY_SIGMAS}|{names.OBJECTIVE_INTERVAL_SIGMAS}"}})'
    )
    return f'label_replace({bounds}, "metric", "$1", "metric", "{names.OBJECTIVE_DISPARITY}(.+)")'


def slice_disparity(scene: Scene) -> str:
    """A slice value is worse than the rest by more than its bound and than chance, and still so lately.

    Over the longest window, because differences between groups are slow and slices are small; the slow
    window only has to agree in size, so that the ticket ends soon after its reason has.
    """
    window = scene.longest
    bound = f"on ({MV}, metric) group_left () {disparity_bound()}"
    counts = names.R_FAIRNESS_COUNT.over(window)
    samples = objective(names.OBJECTIVE_SAMPLES)
    fewest = f"min by ({_BY}) ({counts})"  # of the slice value and of the rest
    sigmas = f"abs(max by ({_BY}) ({names.R_DISPARITY_SIGMAS.over(window)}))"
    coverage = f"max by ({MV}) ({names.R_COVERAGE.over(window)})"
    enough = f"on ({MV}) group_left ()"
    lately = "" if scene.slow == window else f"and on ({_BY}) ({_worse(scene.slow)} >= {bound})\n"
    return owned(
        f"{_worse(window)} >= {bound}\n{lately}"
        f"and on ({_BY}) {sigmas} > {enough} {objective(names.OBJECTIVE_DISPARITY_SIGMAS)}\n"
        f"and on ({_BY}) {fewest} >= {enough} {samples}\n"
        f"and on ({MV}) {coverage} >= on ({MV}) {objective(names.OBJECTIVE_COVERAGE)}"
    )
