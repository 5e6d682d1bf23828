"""Recording rules of serving and outcomes: increases per window, traffic, errors, latency, coverage.

Reads the raw counters; writes ``names.R_INCREASES`` (from which ``plumbline_alerting.quality`` makes its
metrics), ``R_TRAFFIC``, ``R_ERRORS``, ``R_LATENCY_P99`` and ``R_COVERAGE``.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV
from plumbline_alerting.windows import Window


def increases(window: Window) -> Iterable[Rule]:
    """One rule per counter, replicas summed."""
    for metric_name, recorded in names.R_INCREASES.items():
        metric = names.METRICS[metric_name]
        yield Rule(
            record=recorded.over(window.name),
            expr=window.increase(metric_name, recorded.stem, metric.labels),
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
        record=names.R_ERRORS.over(window.name),
        expr=f"{increase(names.PREDICTION_ERRORS)} / ({predictions} > 0)",
    )
    buckets = names.R_LATENCY_INCREASE.over(window.name)
    yield Rule(
        record=names.R_LATENCY_P99.over(window.name),
        expr=f"""
        histogram_quantile(0.99, {buckets})
        and on ({MV}) sum by ({MV}) ({buckets}{{le="+Inf"}}) > 0
        """,
    )
    yield Rule(
        record=names.R_COVERAGE.over(window.name),
        expr=f"{increase(names.OUTCOMES_MATURED)} / ({increase(names.PREDICTIONS_MATURED)} > 0)",
    )
