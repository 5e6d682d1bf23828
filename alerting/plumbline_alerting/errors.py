"""Recording rules of a regression: means of the error, R2, and quantiles of the absolute error.

Reads the recorded increases of one window.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV, SLICE
from plumbline_alerting.sums import NOTHING, Sums, stderr_rule, value_rule
from plumbline_alerting.windows import Window


def rules(window: Window) -> Iterable[Rule]:
    """Return the rules of regressions."""
    yield from regression(window)
    yield from error_quantiles(window)


def regression(window: Window) -> Iterable[Rule]:
    """MAE, RMSE, bias and R2 of a regression."""
    sums = Sums(window.name)
    n = f"({sums.of(names.REGRESSION)} > 0)"
    absolute, squared = sums.of(names.ABSOLUTE_ERROR), sums.of(names.SQUARED_ERROR)
    over, under = sums.of(names.OVERPREDICTION), sums.of(names.UNDERPREDICTION)
    first = sums.of(names.ACTUAL)
    centred = f'(sum by ({SLICE}) ({first}{{sign="positive"}}) - sum by ({SLICE}) ({first}{{sign="negative"}}))'
    total = f"(({sums.of(names.ACTUAL_SQUARED)} - {centred} ^ 2 / {n}) > 0)"
    yield value_rule(window, "mae", f"{absolute} / {n}")
    yield value_rule(window, "rmse", f"sqrt({squared} / {n})")
    yield value_rule(window, "bias", f"({over} - {under}) / {n}")
    yield value_rule(window, "r2", f"1 - {squared}\n/ {total}")
    for metric in ("mae", "bias"):
        # clamp_min: equal errors leave a variance of 0, which rounding can make negative.
        yield stderr_rule(
            window,
            metric,
            f"""
            sqrt(
              clamp_min({squared} / {n} - max by ({SLICE}) ({sums.quality(metric)}) ^ 2, 0)
              / {n}
            )
            """,
        )


def error_quantiles(window: Window) -> Iterable[Rule]:
    """Quantiles of the absolute error, interpolated inside the bucket that holds them, and how wrong that is.

    The buckets end at quantiles of the baseline's own errors. Both the quantile and its interpolation lie
    inside one bucket, so the width of the bucket bounds the error. A quantile beyond the last bound (eight
    times the baseline's largest error) is shown at that bound, and has no error bound.

    The width comes from a histogram that jumps from 0 to 1 in the bucket in question: its quantile 1 is
    the bucket's upper end, its quantile near 0 the lower one.
    """
    buckets = names.R_ERROR_MAGNITUDE_INCREASE.over(window.name)
    n = f'sum by ({MV}) ({buckets}{{le="+Inf"}}) > 0'
    for metric, q in names.ERROR_QUANTILES.items():
        yield value_rule(window, metric, f"histogram_quantile({q}, {buckets})\nand on ({MV}) {n}", whole=True)
        jump = f"{buckets} >= bool on ({MV}) group_left () ({q} * ({n}))"
        yield Rule(
            record=names.R_ERROR_QUANTILE_BOUND.over(window.name),
            expr=f"(\n  histogram_quantile(1, {jump})\n  - histogram_quantile({NOTHING}, {jump})\n) > 0",
            labels={"metric": metric},
        )
