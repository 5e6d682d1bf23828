"""Recording rules of serving and outcomes: increases per window, traffic, errors, latency, coverage.

Reads the raw counters; writes ``names.R_INCREASES`` (from which ``plumbline_alerting.quality`` makes its
metrics), ``R_TRAFFIC``, ``R_ERRORS``, ``R_LATENCY_P99``, ``R_COVERAGE`` and the early view.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline.retraction import net
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV
from plumbline_alerting.windows import Window


def increases(window: Window) -> Iterable[Rule]:
    """One rule per counter, replicas summed, what corrections took back subtracted."""
    for metric_name, recorded in names.R_INCREASES.items():
        metric, retracted = names.METRICS[metric_name], names.RETRACTED.get(metric_name)
        yield Rule(
            record=recorded.over(window.name),
            expr=window.increase(
                metric_name, recorded.stem, metric.labels, "" if retracted is None else retracted.name
            ),
        )
    for metric, recorded in (
        (names.PREDICTION_LATENCY, names.R_LATENCY_INCREASE),
        (names.ERROR_MAGNITUDE, names.R_ERROR_MAGNITUDE_INCREASE),
    ):
        yield Rule(
            record=recorded.over(window.name),
            expr=window.increase(f"{metric.name}_bucket", recorded.stem, recorded.labels),
        )


def rules(window: Window) -> Iterable[Rule]:
    """Traffic, error ratio, latency and outcome coverage of one window."""

    def increase(metric: names.Metric) -> str:
        return names.R_INCREASES[metric.name].over(window.name)

    predictions = increase(names.PREDICTIONS)
    yield Rule(record=names.R_TRAFFIC.over(window.name), expr=f"{predictions} / {window.seconds:g}")
    yield Rule(
        record=names.R_ERRORS.over(window.name), expr=f"{increase(names.PREDICTION_ERRORS)} / ({predictions} > 0)"
    )
    buckets = names.R_LATENCY_INCREASE.over(window.name)
    yield Rule(
        record=names.R_LATENCY_P99.over(window.name),
        expr=f"""
        histogram_quantile(0.99, {buckets})
        and on ({MV}) sum by ({MV}) ({buckets}{{le="+Inf"}}) > 0
        """,
    )
    yield Rule(record=names.R_LATENCY_SLOW.over(window.name), expr=_slow(buckets))
    yield Rule(
        record=names.R_COVERAGE.over(window.name),
        expr=f"{increase(names.OUTCOMES_MATURED)} / ({increase(names.PREDICTIONS_MATURED)} > 0)",
    )
    yield from early(window)


def _slow(buckets: str) -> str:
    """Share of predictions slower than the objective: 1 % of them are when the p99 is the objective.

    A bound between two edges is interpolated as ``histogram_quantile`` does, so that the two agree; one
    beyond the last edge has no answer, and no p99 above it either.
    """
    bound = f'max by ({MV}) ({names.OBJECTIVE.name}{{metric="{names.OBJECTIVE_LATENCY}"}})'

    def upto(edge: float) -> str:
        # 2.x keeps le as it was exposed, 3.x writes whole numbers as 1.0.
        text = f"{edge:g}".replace(".", "[.]")
        return f'sum by ({MV}) ({buckets}{{le=~"{text}{"([.]0)?" if float(edge).is_integer() else ""}"}})'

    parts = []
    edges = names.PREDICTION_LATENCY.buckets
    for low, high in zip((0.0, *edges), edges, strict=False):
        before, inside = (upto(low) if low else f"{upto(high)} * 0"), f"({bound} > {low:g} <= {high:g})"
        parts.append(f"{before} + ({upto(high)} - {before}) * on ({MV}) ({inside} - {low:g}) / {high - low:g}")
    within = "\nor\n".join(parts)
    return f'clamp_min(1 - (\n{within}\n) / on ({MV}) (sum by ({MV}) ({buckets}{{le="+Inf"}}) > 0), 0)'


def young() -> Iterable[Rule]:
    """Quality of each version's first day and week, whatever its age now: versions compared at equal age."""
    labels = f"{MV}, age"

    def total(metric: names.Metric) -> str:
        retracted = names.RETRACTED.get(metric.name)
        return f"sum by ({labels}) ({net(metric.name, '' if retracted is None else retracted.name)})"

    n = f"({total(names.YOUNG_OUTCOMES)} > 0)"
    yield Rule(record=names.R_YOUNG_SAMPLES.over("life"), expr=total(names.YOUNG_OUTCOMES))
    for metric, sums in (("accuracy", names.YOUNG_CORRECT), ("mae", names.YOUNG_ABSOLUTE_ERROR)):
        record = names.R_YOUNG_QUALITY.over("life")
        yield Rule(record=record, expr=f"{total(sums)}\n/ {n}", labels={"metric": metric})


def early(window: Window) -> Iterable[Rule]:
    """Quality over the outcomes known soon. It flatters: shown under that name, read by no alert."""

    def increase(metric: names.Metric) -> str:
        return names.R_INCREASES[metric.name].over(window.name)

    n = f"({increase(names.EARLY_OUTCOMES)} > 0)"
    over, under = increase(names.EARLY_OVERPREDICTION), increase(names.EARLY_UNDERPREDICTION)
    for metric, expr in (
        ("accuracy", f"{increase(names.EARLY_CORRECT)} / {n}"),
        ("mae", f"{increase(names.EARLY_ABSOLUTE_ERROR)} / {n}"),
        ("rmse", f"sqrt({increase(names.EARLY_SQUARED_ERROR)} / {n})"),
        ("bias", f"({over} - {under}) / {n}"),
    ):
        yield Rule(record=names.R_EARLY_QUALITY.over(window.name), expr=expr, labels={"metric": metric})
    yield Rule(
        record=names.R_EARLY_SHARE.over(window.name),
        expr=f"{increase(names.EARLY_OUTCOMES)} / ({increase(names.PREDICTIONS)} > 0)",
    )
