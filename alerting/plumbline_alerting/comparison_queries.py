"""The PromQL of alerts that compare: slices with the rest of their model, versions, KPIs with their past.

The texts are in ``plumbline_alerting.comparison_alerts``; see ``query_parts`` for what all queries share.
"""

from __future__ import annotations

import math
from textwrap import indent

from plumbline import names, significance
from plumbline.units import parse_duration
from plumbline_alerting.promql import MV, SLICE, largest, matching
from plumbline_alerting.query_parts import ERRORS_MINIMUM, objective, owned, owner_of
from plumbline_alerting.scene import Scene
from plumbline_alerting.trials import net_total

# One false alarm in a hundred trials for both losses together (Bonferroni).
CANARY_FALSE_ALARM = 0.01
CANARY_LINE = math.log(2 / CANARY_FALSE_ALARM)
CANARY_EFFECT = 0.05  # standard deviations of one loss: less is no reason to stop a rollout
KPI_SAMPLES = 100  # KPI events or predictions, in the window and in either past

_BY = f"{SLICE}, metric"


def _worse(window: str) -> str:
    """By how much a declared slice value is worse than the rest; any difference where neither is better."""
    directions: dict[int, list[str]] = {}
    for metrics in names.FAIRNESS_METRICS.values():
        for metric, direction in metrics.items():
            directions.setdefault(direction, []).append(metric)
    parts = []
    for direction, form in ((1, "%s"), (-1, "-1 * %s"), (0, "abs(%s)")):
        matchers = f'value!="{names.OTHER}", {matching("metric", directions[direction])}'
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


def canary_errors() -> str:
    """Losses of a canary that are counted, what later outcomes took back subtracted."""
    matchers = f'arm="candidate", loss!="{names.ABSOLUTE}"'
    return net_total(names.TRIAL_LOSS, f"{MV}, loss", matchers)


def canary_worse(scene: Scene) -> str:
    """A canary's loss exceeds production's by more than chance, however often one looks.

    Wrong answers only count where outcomes are known well enough of both arms: the unknown are not random.
    """
    by = f"{MV}, loss"
    difference, stderr = names.R_TRIAL_DIFFERENCE.over("life"), names.R_TRIAL_STDERR.over("life")
    rows, count = names.R_TRIAL_ROWS.over("life"), names.R_TRIAL_COUNT.over("life")
    running = f'{names.MODEL_INFO.name}{{stage=~"production|canary"}}'
    coverage = f"max by ({MV}) ({names.R_COVERAGE.over(scene.slow)}) and on ({MV}) {running}"
    wanted = f"max by (model) ({objective(names.OBJECTIVE_COVERAGE)})"
    counted = f'{canary_errors()} >= {ERRORS_MINIMUM}\n  or\n  max by ({by}) ({count}{{loss="{names.ABSOLUTE}"}})'
    worse = (
        f"max by ({by}) ({difference})\n"
        f"> on ({by}) {CANARY_EFFECT} * max by ({by}) ({stderr} * sqrt({rows}))\n"
        f"and on ({by}) max by ({by}) ({names.R_TRIAL_EVIDENCE.over('life')}) > {CANARY_LINE:.6g}\n"
        f"and on ({by}) min by ({by}) ({count}) >= on ({MV}) group_left () "
        f"{objective(names.OBJECTIVE_SAMPLES)}\n"
        f"and on ({by}) (\n  {counted}\n)\n"
        f'and on ({by}) (\n  max by ({by}) ({count}{{loss="{names.FAILED}"}})\n  or\n'
        f'  max by ({by}) ({count}{{loss!="{names.FAILED}"}})\n'
        f"  and on (model) min by (model) ({coverage}) >= on (model) {wanted}\n)"
    )
    owner = owner_of(f'{names.MODEL_INFO.name}{{stage="canary"}}')
    return f"(\n{indent(worse, '  ')}\n)\n* on ({MV}) group_left (owner) {owner}"


def kpi_sigmas(scene: Scene) -> float:
    """How many standard errors a drop must exceed; see ``significance``."""
    return significance.sigmas(scene.slow, sides=1)


def kpi_drop(scene: Scene) -> str:
    """A KPI's mean is below its floor, or has dropped against its past, by more than chance.

    The standard error of the few events of a window is small where its mean is: a day without the large
    orders knows nothing of them. Against a floor, which has no spread of its own, the spread of the longest
    window at this n counts, if it is larger.

    Against two pasts at once: the long window before, which knows the level, and the same window one long
    window ago, which knows the weekday. Either may be odd by itself; where one is missing there is no
    statement.
    """
    by = ", ".join(names.R_KPI_MEAN.labels)

    def figure(recorded: names.Recorded, window: str, past: str = "") -> str:
        return f"max by ({by}) ({recorded.over(window)}{f' offset {past}' if past else ''})"

    def bound(kind: str) -> str:
        return f'max by ({by}) ({names.KPI_OBJECTIVE.name}{{bound="{kind}"}})'

    mean, error = figure(names.R_KPI_MEAN, scene.slow), figure(names.R_KPI_STDERR, scene.slow)
    count, z = figure(names.R_KPI_COUNT, scene.slow), f"{kpi_sigmas(scene):g}"
    usual = (
        f"{figure(names.R_KPI_STDERR, scene.longest)}"
        f" * sqrt({figure(names.R_KPI_COUNT, scene.longest)} / ({count} > 0))"
    )
    below = f"{bound('floor')} - {mean} > {z} * {largest(by, error, usual)}"

    def dropped(window: str, past: str) -> str:
        then, then_error = (figure(r, window, past) for r in (names.R_KPI_MEAN, names.R_KPI_STDERR))
        return (
            f"({then} - {mean} > abs({then}) * {bound('max_drop')})\n"
            f"  and {then} - {mean} > {z} * sqrt({error} ^ 2 + {then_error} ^ 2)\n"
            f"  and {figure(names.R_KPI_COUNT, window, past)} >= {KPI_SAMPLES}"
        )

    owner = f'max by (model, version, owner) ({names.MODEL_INFO.name}{{stage="production"}})'
    # A shadow's answers do not count; once it is promoted or withdrawn, those still in the window would.
    age = f"time() - max by (model) ({names.MODEL_DEPLOYED.name} > 0)"
    moved = (
        f'{names.R_KPI_COUNT.over(scene.slow)}{{per="prediction"}} '
        f"and on (model) {age} < {parse_duration(scene.slow):g}"
    )
    return (
        f"(\n{mean} and (\n  {below}\n  or\n"
        f"  {dropped(scene.longest, scene.slow)}\n  and\n  {dropped(scene.slow, scene.longest)}\n)\n"
        f"and {count} >= {KPI_SAMPLES}\n"
        f"unless on ({by}) ({moved})\n)\n"
        # One version, should two exporters not agree yet on which is in production.
        f"* on (model) group_left (version, owner) topk by (model) (1, {owner})"
    )
