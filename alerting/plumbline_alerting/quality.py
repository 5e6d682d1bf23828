"""Recording rules of quality: sums over mature outcomes -> metrics, their samples and standard errors.

Reads the recorded increases of one window (``names.R_INCREASES``); writes ``names.R_QUALITY`` with the
label ``metric``, ``R_QUALITY_SAMPLES``, ``R_QUALITY_STDERR``, ``R_QUALITY_NOISE`` and ``R_QUALITY_LOSS``,
with the help of ``scores``, ``classes`` and ``errors``. A value whose denominator is 0 is absent, never NaN;
so is one of a window in which corrections took back more than it had counted (``sums.sound``).

Standard errors: accuracy, precision and recall as proportions; F1 by the delta method through
t = TP / (TP + FP + FN), of which F1 = 2t / (1 + t); ROC-AUC after Hanley and McNeil (1982); MAE and bias
from the sum of squares; Brier the largest that a mean of its range allows (``scores``). Average
precision, RMSE, R2, log-loss, quantiles and means over classes have none: they would need fourth moments
or more that are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting import classes, errors, scores
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV, SLICE, WHOLE, largest, matching, one_of, quoted
from plumbline_alerting.sums import (
    Positive,
    Sums,
    overdrawn,
    positive_classes,
    proportion,
    sound,
    stderr_rule,
    value_rule,
)
from plumbline_alerting.windows import Window


def samples(window: Window) -> Iterable[Rule]:
    """Mature outcomes behind the quality, for either task."""
    sums = Sums(window.name)
    yield Rule(
        record=sums.samples,
        expr=sound(
            window,
            f"sum by ({SLICE}) ({sums.of(names.CONFUSION)})\n"
            f"or\nsum by ({SLICE}) ({sums.of(names.REGRESSION)})\n"
            # A multiclass model has one matrix, of all rows; its slices are counted by class.
            f'or\nsum by ({SLICE}) ({sums.of(names.CLASS_OUTCOMES)}{{result!="false_positive"}})',
        ),
    )


def accuracy(window: Window, tasks: Collection[str]) -> Iterable[Rule]:
    """Share of outcomes whose class was predicted."""
    sums = Sums(window.name)
    parts = []
    if "multiclass" in tasks:
        # First: what it says of all rows stands before the matrix, in which some classes share a cell.
        cells = sums.of(names.CLASS_OUTCOMES)
        hits = f'sum by ({SLICE}) ({cells}{{result="hit"}})'
        parts.append(f'{hits}\n/ (sum by ({SLICE}) ({cells}{{result!="false_positive"}}) > 0)')
    if "binary" in tasks:
        counts = sums.of(names.CONFUSION)
        # The right-hand side has one element per class, labelled as its own diagonal cell.
        own = f'label_replace(sum by ({SLICE}, actual) ({counts}), "predicted", "$1", "actual", "(.*)")'
        n = f"sum by ({SLICE}) ({counts})"
        parts.append(
            f"(\n  sum by ({SLICE}) ({counts} and on ({SLICE}, actual, predicted) {own})\n  or {n} * 0\n)\n/ ({n} > 0)"
        )
    yield value_rule(window, "accuracy", "\nor\n".join(parts))
    yield stderr_rule(window, "accuracy", proportion(sums.quality("accuracy"), f"({sums.samples} > 0)"))


def positives(window: Window, groups: list[Positive]) -> Iterable[Rule]:
    """Precision, recall and F1 of the positive class; models with different positive classes are united."""
    sums = Sums(window.name)
    values: dict[str, list[str]] = {"precision": [], "recall": [], "f1": []}
    errors: dict[str, list[str]] = {"precision": [], "recall": [], "f1": []}
    for positive in groups:
        counts = sums.of(names.CONFUSION)
        hits = positive.cell(counts, actual=True, predicted=True)
        called = f"({positive.cell(counts, predicted=True)} > 0)"
        actual = f"({positive.cell(counts, actual=True)} > 0)"
        wrong = f"{positive.cell(counts, actual=False, predicted=True)} + " + positive.cell(
            counts, actual=True, predicted=False
        )
        models = matching("model", positive.models)
        precision, recall, f1 = (sums.quality(m).replace("{", f"{{{models}, ") for m in values)
        values["precision"].append(f"{hits}\n/ {called}")
        values["recall"].append(f"{hits}\n/ {actual}")
        values["f1"].append(f"2 * {hits}\n/ ((2 * {hits} + {wrong}) > 0)")
        errors["precision"].append(proportion(precision, called))
        errors["recall"].append(proportion(recall, actual))
        f = f"max by ({SLICE}) ({f1})"
        errors["f1"].append(
            f"(2 - {f}) ^ 2 / 2\n"
            f"* sqrt(clamp_min({f} / (2 - {f}) * (1 - {f} / (2 - {f})), 0)"
            f" / on ({SLICE}) (({hits} + {wrong}) > 0))"
        )
    for metric, expressions in values.items():
        yield value_rule(window, metric, "\nor\n".join(expressions))
    for metric, expressions in errors.items():
        yield stderr_rule(window, metric, "\nor\n".join(expressions))


def noise(window: Window) -> Rule:
    """The baseline's spread between windows of this length, and the standard error at this n."""
    by = f"{MV}, metric"
    error = f"max by ({by}) ({names.R_QUALITY_STDERR.over(window.name)}{{{WHOLE}}})"
    between = f'max by ({by}) ({names.BASELINE_QUALITY_SPREAD.name}{{window="{window.name}"}})'
    # Of a baseline without times, or made before the windows were measured: one spread for all of them.
    older = largest(by, f"max by ({by}) ({names.BASELINE_QUALITY_STDDEV.name})", error)
    return Rule(
        record=names.R_QUALITY_NOISE.over(window.name),
        labels={"slice": names.ALL, "value": names.ALL},
        expr=f"sqrt({between} ^ 2 + {error} ^ 2)\nor\n{between}\nor\n{older}",
    )


def loss(window: Window) -> Rule:
    """How much worse than the baseline, in units of its noise: comparable between metrics."""
    value = f"max by ({MV}, metric) ({names.R_QUALITY.over(window.name)}{{{WHOLE}, metric=~%s}})"
    known = f"max by ({MV}, metric) ({names.BASELINE_QUALITY.name}{{metric=~%s}})"
    up, down = (
        quoted(one_of(m for m, better in names.QUALITY_METRICS.items() if better is wanted)) for wanted in (True, False)
    )
    return Rule(
        record=names.R_QUALITY_LOSS.over(window.name),
        labels={"slice": names.ALL, "value": names.ALL},
        expr=f"""
(
  {known % up} - {value % up}
  or
  {value % down} - {known % down}
)
/
clamp_min(max by ({MV}, metric) ({names.R_QUALITY_NOISE.over(window.name)}), 1e-9)
""",
    )


def rules(window: Window, catalogue: Catalogue) -> Iterable[Rule]:
    """Return the quality rules of one window, for the tasks the catalogue has."""
    tasks = {model.task for model in catalogue.models.values()}
    if not math.isinf(window.seconds):
        yield overdrawn(window)
    yield from samples(window)
    if tasks & {"binary", "multiclass"}:
        yield from accuracy(window, tasks)
        yield from scores.proper_scores(window, catalogue)
    if groups := positive_classes(catalogue):
        yield from positives(window, groups)
    if "binary" in tasks:
        yield from scores.rules(window, groups, catalogue)
    if "multiclass" in tasks:
        yield from classes.rules(window)
    if "regression" in tasks:
        yield from errors.rules(window)
    yield noise(window)
    yield loss(window)
