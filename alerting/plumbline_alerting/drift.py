"""Recording rules of drift: bin counts -> shares -> distances, and the PSI threshold that knows its n.

Reads ``ml_feature_values_total``, ``ml_feature_problems_total``, ``ml_feature_skew_*_total`` and the
baseline's series; writes ``names.R_BIN_INCREASE`` ... ``R_PROBLEMS``, one group per window.

PSI is the sum over bins of (p - q) ln(p / q). p is smoothed by 0.5 per bin exactly as the exporter
smooths q, so no bin is empty. Without drift PSI / (1/n + 1/m) follows chi-squared with B-1 degrees of
freedom (Yurdakul 2018); a feature is called drifted only above max(0.1, that quantile, the feature's
own largest PSI between blocks of its baseline). Bins without a reference row raise the quantile's share.
"""

from __future__ import annotations

import math

from plumbline import names
from plumbline.baseline.noise import PSI_FLOOR
from plumbline_alerting.model import Group, Rule
from plumbline_alerting.promql import BIN, FEATURE, MV, largest, union
from plumbline_alerting.windows import Window

BROKEN_JUMP = 0.2  # share of values that must have become missing or invalid
BROKEN_SIGMAS = 4  # every feature and problem is looked at all the time: 3 would be crossed by chance
# 20 quantile bins, 19 of them with a heavy value of their own, below and above.
MOST_ORDERED_BINS = 41
_MIDDLE = 6

_BASELINE = f"max by ({BIN}) ({names.BASELINE_FEATURE_SHARE.name})"


def share(window: Window) -> str:
    """Smoothed share per bin; a bin without values counts 0, a feature without values has no share."""
    counts = names.R_BIN_INCREASE.over(window.name)
    n = names.R_FEATURE_INCREASE.over(window.name)
    return f"""
        (({counts} or {_BASELINE} * 0) + 0.5)
        / on ({FEATURE}) group_left ()
        (({n} > 0) + 0.5 * count by ({FEATURE}) ({_BASELINE}))
        and on ({BIN}) {_BASELINE}
    """


def psi(window: Window) -> str:
    """Population stability index of each feature against its baseline."""
    p = names.R_SHARE.over(window.name)
    return f"""
        sum by ({FEATURE}) (
          ({p} - on ({BIN}) {_BASELINE})
          * on ({BIN}) ln({p} / on ({BIN}) {_BASELINE})
        )
    """


def js_distance(window: Window) -> str:
    """Jensen-Shannon distance, base 2: the square root of the divergence, from 0 to 1."""
    p = names.R_SHARE.over(window.name)
    middle = f"(({p} + on ({BIN}) {_BASELINE}) / 2)"
    return f"""
        sqrt(clamp_min(
          (
            sum by ({FEATURE}) ({p} * log2({p}))
            + on ({FEATURE}) sum by ({FEATURE}) ({_BASELINE} * log2({_BASELINE}))
          ) / 2
          - on ({FEATURE}) sum by ({FEATURE}) ({middle} * log2({middle})),
          0
        ))
    """


def _cumulative_difference(window: Window, bins: int) -> str:
    """Cumulative share of the window minus the baseline's, at the upper edge of each ordered bin.

    PromQL has no cumulative sum over a label, so there is one term per bin, by the zero-padded index that
    a bin's label begins with; the baseline's side is exposed as it is needed. Both are shares of the
    values that are there: missing ones have no place in an order, and are counted as problems.
    """
    p = names.R_SHARE.over(window.name)
    present = f'(1 - sum by ({FEATURE}) ({p}{{bin="{names.MISSING}"}}))'
    terms = []
    for last in range(bins):
        # Past the middle of an ordinary feature the bins above are fewer. An edge always has one above it.
        upto, above = ("|".join(f"{i:02d}" for i in r) for r in (range(last + 1), range(last + 1, bins + 1)))
        share = f'sum by ({FEATURE}) ({p}{{bin=~"(%s) .*"}}) / on ({FEATURE}) {present}'
        known = f'max by ({BIN}) ({names.BASELINE_FEATURE_CUMULATIVE.name}{{bin=~"{last:02d} .*"}})'
        side = share % upto if last < _MIDDLE else f"1 - {share % above}"
        terms.append(f"{side} - on ({FEATURE}) group_right () {known}")
    return union(terms)


def _some_value(window: Window) -> str:
    counts = names.R_BIN_INCREASE.over(window.name)
    return f'and on ({FEATURE}) sum by ({FEATURE}) ({counts}{{bin!="{names.MISSING}"}}) > 0'


def ks_distance(window: Window, bins: int = MOST_ORDERED_BINS) -> str:
    """Largest difference of the cumulative shares at the bin edges, of features with ordered bins.

    The distance of the raw values is at least this one, and exceeds it by at most the largest
    min(p, q) of a bin: between two edges neither distribution function moves by more than its share.
    """
    return f"max by ({FEATURE}) (abs({_cumulative_difference(window, bins)}))\n{_some_value(window)}"


def wasserstein(window: Window, bins: int = MOST_ORDERED_BINS) -> str:
    """Area between the two distribution functions, in the baseline's standard deviations.

    The trapezoid rule over the bin edges: the functions are taken to be linear inside a bin. Values below
    the baseline's minimum or above its maximum count as lying there, so the area beyond is left out (the
    out-of-range problem shows them). A constant feature has no standard deviation to measure in, and no
    value.

    From the distance of the clipped raw values this one differs by at most the sum of 3/4 w (p + q) over
    the bins, with w the width in standard deviations and p, q the shares. A distribution function that
    rises by p inside a bin strays from the straight line by an area of at most w p / 2, and the trapezoid
    of |D| exceeds the area under |D|, where D changes its sign from a to b, by w |a b| / (|a| + |b|),
    which is at most w |p - q| / 4. Measured on recorded streams the median difference is .03 with 10 bins.
    """
    weight = f"max by ({BIN}) ({names.BASELINE_FEATURE_EDGE_WEIGHT.name})"
    return f"""sum by ({FEATURE}) (
abs({_cumulative_difference(window, bins)})
* on ({BIN}) {weight}
)
{_some_value(window)}"""


def impact(window: Window) -> str:
    """PSI times the importance that the catalogue declares; features without one have no value."""
    importance = f"max by ({FEATURE}) ({names.FEATURE_IMPORTANCE.name})"
    return f"{names.R_PSI.over(window.name)} * on ({FEATURE}) {importance}"


def psi_threshold(window: Window) -> str:
    """The PSI above which a feature has drifted, given its n, the baseline's rows and its own noise.

    ``plumbline.baseline.noise.significant_psi`` is the same in numpy, and says what the bins without a
    reference row add (docs/adr/0026).
    """
    n = f"({names.R_FEATURE_INCREASE.over(window.name)} > 0)"
    rows = f"max by ({MV}) ({names.BASELINE_ROWS.name})"
    unit = f"(1 / {n} + on ({MV}) group_left () 1 / {rows})"
    chi2 = f"max by ({FEATURE}) ({names.BASELINE_FEATURE_CHI2.name})"
    # A share smoothed by half a row: times the rows it is below 0.5 for no row, about 1.5 for one.
    empty = f"count by ({FEATURE}) ({_BASELINE} * on ({MV}) group_left () {rows} < 0.75)"
    pseudo = (
        f"0.5 * (1 / {n} - on ({MV}) group_left () 1 / {rows})"
        f" * on ({FEATURE}) ln(1 / {n} * on ({MV}) group_left () {rows})"
    )
    beyond = f"{empty} * on ({FEATURE}) clamp_min({pseudo} - on ({FEATURE}) {unit}, 0)"
    sampling = f"{unit} * on ({FEATURE}) {chi2}\n+ on ({FEATURE}) ({beyond} or on ({FEATURE}) {n} * 0)"
    noise = f"max by ({FEATURE}) ({names.BASELINE_FEATURE_NOISE.name}) and on ({FEATURE}) {n}"
    return f"clamp_min({largest(FEATURE, noise, sampling)}, {PSI_FLOOR})"


def skew_ratio(window: Window) -> str:
    """Share of a feature's served values that differ from the recomputed ones, where any was compared."""
    mismatches, n = names.R_SKEW_MISMATCHES.over(window.name), names.R_SKEW_ROWS.over(window.name)
    return f"{mismatches} / on ({FEATURE}) ({n} > 0)"


def problem_ratio(window: Window) -> str:
    """Share of a feature's values that had a problem."""
    problems = names.R_PROBLEM_INCREASE.over(window.name)
    n = names.R_FEATURE_INCREASE.over(window.name)
    return f"{problems} / on ({FEATURE}) group_left () ({n} > 0)"


def problem_threshold(window: Window) -> str:
    """The share of values with a problem above which a feature counts as broken.

    A jump above the baseline's share and what sampling can add to it; and more than the worst window of
    this length that the baseline itself had, again with what sampling can add. A baseline that once had
    no value at all in such a window gives 1, which no share exceeds.
    """
    by = f"{FEATURE}, problem"
    n = f"({names.R_FEATURE_INCREASE.over(window.name)} > 0)"
    missing = f'max by ({FEATURE}) ({names.BASELINE_FEATURE_SHARE.name}{{bin="{names.MISSING}"}})'
    every = f"{names.R_PROBLEM_INCREASE.over(window.name)} * 0"
    known = f'(label_replace({missing}, "problem", "{names.MISSING}", "", "") or {every})'
    peak = f'max by ({by}) ({names.BASELINE_PROBLEM_PEAK.name}{{window="{window.name}"}})'

    def sampling(share: str) -> str:
        return f"{BROKEN_SIGMAS} * sqrt({share} * (1 - {share}) / on ({FEATURE}) group_left () {n})"

    return largest(by, f"({known} + clamp_min({sampling(known)}, {BROKEN_JUMP}))", f"({peak} + {sampling(peak)})")


def group(window: Window, bins: int = MOST_ORDERED_BINS) -> Group:
    """Return the rules of one window, for at most ``bins`` ordered bins per feature."""
    values, problems = names.FEATURE_VALUES, names.FEATURE_PROBLEMS
    counts = names.R_BIN_INCREASE.over(window.name)

    def record(recorded: names.Recorded, expr: str) -> Rule:
        return Rule(record=recorded.over(window.name), expr=expr)

    threshold = record(names.R_PROBLEMS_THRESHOLD, problem_threshold(window))
    return Group(
        f"plumbline-drift-{window.name}",
        window.interval,
        (
            record(names.R_BIN_INCREASE, window.increase(values.name, names.R_BIN_INCREASE.stem, values.labels)),
            record(names.R_FEATURE_INCREASE, f"sum by ({FEATURE}) ({counts})"),
            record(names.R_SHARE, share(window)),
            record(names.R_PSI, psi(window)),
            record(names.R_JS, js_distance(window)),
            record(names.R_KS, ks_distance(window, bins)),
            record(names.R_WASSERSTEIN, wasserstein(window, bins)),
            record(names.R_DRIFT_IMPACT, impact(window)),
            record(names.R_PSI_THRESHOLD, psi_threshold(window)),
            record(
                names.R_PROBLEM_INCREASE, window.increase(problems.name, names.R_PROBLEM_INCREASE.stem, problems.labels)
            ),
            record(names.R_PROBLEMS, problem_ratio(window)),
            *(
                record(recorded, window.increase(metric.name, recorded.stem, metric.labels))
                for metric, recorded in (
                    (names.FEATURE_SKEW_ROWS, names.R_SKEW_ROWS),
                    (names.FEATURE_SKEW_MISMATCHES, names.R_SKEW_MISMATCHES),
                )
            ),
            record(names.R_SKEW, skew_ratio(window)),
            *(() if math.isinf(window.seconds) else (threshold,)),  # no part of a baseline is as long as life
        ),
    )
