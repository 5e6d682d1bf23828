"""Recording rules of scores: ranking, probability, calibration, and what they let expect of quality.

Reads the recorded increases of one window; writes ROC-AUC and average precision with their error bounds,
Brier and log-loss, the calibration gap, ECE beside its level by chance, and the estimated quality (CBPE)
with its error so far.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.units import parse_duration
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV, SLICE, WHOLE, largest, matching
from plumbline_alerting.sums import NOTHING, ROUNDING, Positive, Sums, stderr_rule, value_rule
from plumbline_alerting.windows import Window

_LARGEST_BRIER = {"binary": 1, "multiclass": 2}
_DEVIATION = math.sqrt(2 / math.pi)  # mean absolute deviation of a normal distribution, in its own


def rules(window: Window, groups: list[Positive], catalogue: Catalogue) -> Iterable[Rule]:
    """Return the rules of binary scores."""
    yield from ranking(window)
    yield from average_precision(window)
    yield from calibration(window)
    yield from calibration_error(window)
    yield from estimate(window, groups)
    yield from estimate_error(window, catalogue)


def ranking(window: Window) -> Iterable[Rule]:
    """ROC-AUC with its error bound and standard error, of binary scores."""
    sums = Sums(window.name)
    bins = sums.of(names.SCORE_BINS)
    above = sums.of(names.SCORE_POSITIVES_ABOVE)
    n1, n0 = (f'sum by ({MV}) ({bins}{{actual="{a}"}})' for a in ("1", "0"))
    pairs = f"(({n1} * {n0}) > 0)"
    auc = f"max by ({MV}) ({sums.quality('roc_auc')})"
    # clamp_min below: a ranking without fault leaves a variance of 0, which rounding can make negative.
    yield value_rule(
        window,
        "roc_auc",
        # Bounds: corrections of older outcomes can leave bins below 0 where no cell of the confusion is.
        f"""
        clamp_max(
          sum by ({MV}) (
            sum by ({MV}, bin) ({bins}{{actual="0"}}) * on ({MV}, bin) sum by ({MV}, bin) ({above})
          )
          / {pairs} <= {1 + ROUNDING} >= 0,
          1
        )
        """,
        whole=True,
    )
    yield Rule(
        record=names.R_AUC_BOUND.over(window.name),
        expr=f"""
        0.5 * sum by ({MV}) (abs(
          sum by ({MV}, bin) ({bins}{{actual="1"}}) * on ({MV}, bin) sum by ({MV}, bin) ({bins}{{actual="0"}})
        ))
        / {pairs}
        """,
    )
    yield stderr_rule(
        window,
        "roc_auc",
        f"""
        sqrt(
          clamp_min(
            {auc} * (1 - {auc})
            + ({n1} - 1) * ({auc} / (2 - {auc}) - {auc} ^ 2)
            + ({n0} - 1) * (2 * {auc} ^ 2 / (1 + {auc}) - {auc} ^ 2),
            0
          )
          / {pairs}
        )
        """,
        whole=True,
    )


def proper_scores(window: Window, catalogue: Catalogue) -> Iterable[Rule]:
    """Brier and log-loss by slice value, exact sums over the outcomes whose prediction gave a score.

    Brier of several classes is the sum over classes of (p - y)^2, from 0 to 2; of two, (score - y)^2. The
    standard error is the largest that a mean b of numbers from 0 to m allows, sqrt(b (m - b) / n).
    """
    sums = Sums(window.name)
    n = f"({sums.of(names.SCORED)} > 0)"
    yield value_rule(window, "brier", f"{sums.of(names.SQUARED_SCORE_ERROR)} / {n}")
    yield value_rule(window, "log_loss", f"{sums.of(names.LOG_LOSS)} / {n}")
    errors = []
    for task, most in _LARGEST_BRIER.items():
        models = [name for name, model in catalogue.models.items() if model.task == task]
        if models:
            of = f'{names.R_QUALITY.over(window.name)}{{{matching("model", models)}, metric="brier"}}'
            brier = f"max by ({SLICE}) ({of})"
            errors.append(f"sqrt(({brier} * ({most} - {brier}) > 0) / on ({SLICE}) {n})")
    yield stderr_rule(window, "brier", "\nor\n".join(errors))


def average_precision(window: Window) -> Iterable[Rule]:
    """Average precision from score bins, and the largest error that the bins can make.

    Average precision is the mean over the P positives of the precision at their score. Take a bin with p
    positives and m negatives, and above it A positives and B negatives. A positive in it of rank i among
    them (1..p) is counted with i' >= i positives of the bin and j' of its negatives, 0 <= j' <= m, so its
    precision (A + i') / (A + i' + B + j'), which grows with i' and falls with j', lies

    - above (A + i) / (A + i + B + m), whose sum over i is at least the integral of this growing function
      from 0 to p: L = p - (B + m) ln((A + p + B + m) / (A + B + m));
    - below (A + p) / (A + p + B), so that the sum is at most U = p (A + p) / (A + p + B).

    Both hold for any order inside the bin, ties included. The value recorded takes positives and
    negatives to come evenly: V, the integral over x from 0 to p of (A + x) / (A + B + x (p + m) / p),
    which lies between L and U because its integrand lies between theirs. The bound is the larger of the
    sums of U - V and V - L, over P. All are homogeneous in the counts: increase(), which stretches all of
    them alike, changes nothing. tests/plumbline_alerting/test_average_precision.py tries to refute it.
    """
    sums = Sums(window.name)
    by = f"{MV}, bin"
    bins = sums.of(names.SCORE_BINS)
    # clamp_min: corrections of older outcomes may have taken back more than the window counted.
    p, m = (f'clamp_min(sum by ({by}) ({bins}{{actual="{actual}"}}), 0)' for actual in ("1", "0"))
    some = f"({p} > 0)"
    # Above the bin; the counters hold half of the bin itself as well. Rounding may leave -1e-12 of nothing.
    a = f"({sums.of(names.SCORE_POSITIVES_ABOVE)} - on ({by}) {p} / 2)"
    b = f"({sums.of(names.SCORE_NEGATIVES_ABOVE)} - on ({by}) {m} / 2)"
    upto = f"({sums.of(names.SCORE_POSITIVES_ABOVE)} + on ({by}) {p} / 2)"  # A + p
    wrong = f"({sums.of(names.SCORE_NEGATIVES_ABOVE)} + on ({by}) {m} / 2)"  # B + m
    every = f'(sum by ({MV}) ({bins}{{actual="1"}}) > 0)'
    slope = f"({some} / on ({by}) ({p} + on ({by}) {m}))"
    before = f"clamp_min({a} + on ({by}) {b}, {NOTHING})"
    even = (
        f"{some} * on ({by}) {slope}\n"
        f"+ on ({by}) ({a} - on ({by}) {before} * on ({by}) {slope}) * on ({by}) {slope}\n"
        f"  * on ({by}) ln(1 + ({p} + on ({by}) {m}) / on ({by}) {before})"
    )
    value = f"max by ({MV}) ({sums.quality('average_precision')})"
    highest = f"sum by ({MV}) ({some} * on ({by}) {upto} / on ({by}) ({upto} + on ({by}) {b})) / {every}"
    lowest = (
        f"sum by ({MV}) ({some} - on ({by}) {wrong} * on ({by})"
        f" ln(1 + {p} / on ({by}) clamp_min({a} + on ({by}) {wrong}, {NOTHING}))) / {every}"
    )
    yield value_rule(window, "average_precision", f"sum by ({MV}) (\n{even}\n)\n/ {every}", whole=True)
    yield Rule(
        record=names.R_AP_BOUND.over(window.name), expr=largest(MV, f"{highest} - {value}", f"{value} - {lowest}")
    )


def calibration(window: Window) -> Iterable[Rule]:
    """Observed minus expected positives, given the baseline's share of positives in each score bin.

    A model may be miscalibrated by design (class weights); what counts is that the meaning of a score
    has moved since the baseline.
    """
    sums = Sums(window.name)
    bins = sums.of(names.SCORE_BINS)
    known = f"max by ({MV}, bin) ({names.BASELINE_SCORE_POSITIVE_SHARE.name})"
    per_bin = f"sum by ({MV}, bin) ({bins})"
    n = f"(sum by ({MV}) ({bins}) > 0)"
    yield Rule(
        record=names.R_CALIBRATION_GAP.over(window.name),
        expr=f"""
        (
          sum by ({MV}) ({bins}{{actual="1"}})
          - sum by ({MV}) ({per_bin} * {known})
        )
        / {n}
        """,
    )
    yield Rule(
        record=names.R_CALIBRATION_STDERR.over(window.name),
        expr=f"""
        sqrt(sum by ({MV}) ({per_bin} * {known} * (1 - {known})))
        / {n}
        """,
    )
    yield Rule(
        record=names.R_CALIBRATION_NOISE.over(window.name),
        expr=largest(
            MV,
            f"max by ({MV}) ({names.R_CALIBRATION_STDERR.over(window.name)})",
            f'max by ({MV}) ({names.BASELINE_CALIBRATION_SPREAD.name}{{window="{window.name}"}})',
        ),
    )


def calibration_error(window: Window) -> Iterable[Rule]:
    """ECE over the score bins: mean distance of the scores from the share of positives, by bin.

    Biased upward: chance alone gives every bin a distance (a perfect model shows .122 at n = 100 with 15
    bins, more with more bins). Shown beside what chance alone gives, never alerted on; the calibration
    gap has a standard error.

    By chance: in a bin of n outcomes with mean score s, a calibrated model's positives are binomial, whose
    mean absolute deviation is about sqrt(2 / pi) of the standard deviation sqrt(n s (1 - s)) (exact for
    the normal distribution; within a third for a bin of a single outcome).
    """
    sums = Sums(window.name)
    by = f"{MV}, bin"
    bins, scores = sums.of(names.SCORE_BINS), sums.of(names.SCORE_BIN_SUM)
    n = f"(sum by ({MV}) ({bins}) > 0)"
    yield Rule(
        record=names.R_ECE.over(window.name),
        expr=f"""
        sum by ({MV}) (abs(
          {scores} - on ({by}) sum by ({by}) ({bins}{{actual="1"}})
        ))
        / {n}
        """,
    )
    yield Rule(
        record=names.R_ECE_CHANCE.over(window.name),
        # clamp_min: scores of 1 leave s (1 - s) at 0, which rounding can make negative.
        expr=f"""
        {_DEVIATION:.10f} * sum by ({MV}) (sqrt(clamp_min(
          {scores} - on ({by}) {scores} ^ 2 / on ({by}) (sum by ({by}) ({bins}) > 0),
          0
        )))
        / {n}
        """,
    )


def estimate(window: Window, groups: list[Positive]) -> Iterable[Rule]:
    """Accuracy, precision, recall and F1 that the baseline lets expect, before any outcome is known."""
    counts = Sums(window.name).of(names.ESTIMATED_CONFUSION)
    parts: dict[str, list[str]] = {"accuracy": [], "precision": [], "recall": [], "f1": []}
    for positive in groups:

        def cell(actual: bool | None, predicted: bool | None, positive: Positive = positive) -> str:
            inner = positive.cell(counts, actual=actual, predicted=predicted)
            return inner.replace(f"sum by ({SLICE})", f"sum by ({MV})")

        hits, every = cell(True, True), cell(None, None)
        called, actual = cell(None, True), cell(True, None)
        parts["accuracy"].append(f"({hits} + {cell(False, False)})\n/ ({every} > 0)")
        parts["precision"].append(f"{hits}\n/ ({called} > 0)")
        parts["recall"].append(f"{hits}\n/ ({actual} > 0)")
        parts["f1"].append(f"2 * {hits}\n/ (({called} + {actual}) > 0)")
    for metric, expressions in parts.items():
        yield Rule(
            record=names.R_QUALITY_ESTIMATE.over(window.name),
            expr="\nor\n".join(expressions),
            labels={"metric": metric},
        )


def estimate_error(window: Window, catalogue: Catalogue) -> Iterable[Rule]:
    """Estimate minus measured quality, of the same predictions.

    The estimate counts a prediction when it is made, the measured quality at its maturity. So the estimate
    of one maturity ago, over a window of the same length, is of the predictions whose outcomes this window
    holds. Two differences remain: outcomes that never come are in the estimate only, and outcomes that
    come after maturity are in a later window.
    """
    models: dict[str, list[str]] = {}
    for name, model in catalogue.models.items():
        if model.task == "binary":
            models.setdefault(model.outcome.maturity, []).append(name)
    parts = []
    for maturity, members in sorted(models.items()):
        estimated = f"{names.R_QUALITY_ESTIMATE.over(window.name)}{{{matching('model', members)}}}"
        parts.append(estimated if parse_duration(maturity) == 0 else f"{estimated} offset {maturity}")
    known = f"max by ({MV}, metric) ({names.R_QUALITY.over(window.name)}{{{WHOLE}}})"
    yield Rule(
        record=names.R_ESTIMATE_ERROR.over(window.name),
        expr="(\n" + "\nor\n".join(parts) + f"\n)\n- on ({MV}, metric) {known}",
    )
