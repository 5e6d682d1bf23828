"""Recording rules of quality: sums over mature outcomes -> metrics, their samples and standard errors.

Reads the recorded increases of one window (``names.R_INCREASES``); writes ``names.R_QUALITY`` with the
label ``metric``, ``R_QUALITY_SAMPLES``, ``R_QUALITY_STDERR``, ``R_QUALITY_LOSS``, ``R_AUC_BOUND`` and the
calibration gap. A value whose denominator is 0 is absent, never NaN; so is one of a window in which
corrections took back more than it had counted (``_sound``).

Standard errors: accuracy, precision and recall as proportions; F1 by the delta method through
t = TP / (TP + FP + FN), of which F1 = 2t / (1 + t); ROC-AUC after Hanley and McNeil (1982); MAE and bias
from the sum of squares; Brier the largest that a mean in [0, 1] allows, sqrt(b (1 - b) / n). RMSE, R2 and
log-loss would need fourth moments or squares that are not counted, so they have none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV, SLICE, WHOLE, largest, one_of, quoted
from plumbline_alerting.windows import Window


@dataclass(frozen=True, slots=True)
class _Sums:
    """Names of the recorded increases of one window."""

    window: str

    def of(self, metric: names.Metric) -> str:
        return names.R_INCREASES[metric.name].over(self.window)

    def quality(self, metric: str) -> str:
        return f'{names.R_QUALITY.over(self.window)}{{metric="{metric}"}}'

    @property
    def samples(self) -> str:
        return names.R_QUALITY_SAMPLES.over(self.window)


@dataclass(frozen=True, slots=True)
class Positive:
    """Models that share a positive class, as matchers of the confusion counts."""

    models: tuple[str, ...]
    name: str

    def cell(self, series: str, *, actual: bool | None = None, predicted: bool | None = None) -> str:
        """Sum of the cells where actual / predicted is (True) or is not (False) the positive class."""
        matchers = [f'model=~"{one_of(self.models)}"']
        for label, wanted in (("actual", actual), ("predicted", predicted)):
            if wanted is not None:
                matchers.append(f"{label}{'=' if wanted else '!='}{quoted(self.name)}")
        return f"sum by ({SLICE}) ({series}{{{', '.join(matchers)}}})"


def positive_classes(catalogue: Catalogue) -> list[Positive]:
    """Return the distinct positive classes of the binary models, each with its models."""
    groups: dict[str, list[str]] = {}
    for name, model in catalogue.models.items():
        if model.task == "binary" and model.positive_class is not None:
            groups.setdefault(model.positive_class, []).append(name)
    return [Positive(tuple(sorted(models)), cls) for cls, models in sorted(groups.items())]


def _sound(window: Window, expr: str, *, whole: bool = False) -> str:
    """Leave out what corrections of older outcomes made meaningless: a count or a sum below 0.

    A correction lands in the window in which it is counted, and what it takes back may have entered long
    before. Since deployment, both are always in.
    """
    if math.isinf(window.seconds):
        return expr
    sums, only, by = _Sums(window.name), f"{{{WHOLE}}}" if whole else "", MV if whole else SLICE
    cells, errors = sums.of(names.CONFUSION), sums.of(names.ABSOLUTE_ERROR)
    below = f"({cells}{only} < -0.5 or {errors}{only} < 0)"  # an increase of 1 may be extrapolated to less
    return f"(\n{expr}\n)\nunless on ({by}) {below}"


def _value(window: Window, metric: str, expr: str, *, whole: bool = False) -> Rule:
    expr = _sound(window, expr, whole=whole)
    labels = {"slice": names.ALL, "value": names.ALL} if whole else {}
    return Rule(record=names.R_QUALITY.over(window.name), expr=expr, labels={**labels, "metric": metric})


def _stderr(window: Window, metric: str, expr: str, *, whole: bool = False) -> Rule:
    labels = {"slice": names.ALL, "value": names.ALL} if whole else {}
    return Rule(
        record=names.R_QUALITY_STDERR.over(window.name), expr=expr, labels={**labels, "metric": metric}
    )


def samples(window: Window) -> Iterable[Rule]:
    """Mature outcomes behind the quality, for either task."""
    sums = _Sums(window.name)
    yield Rule(
        record=sums.samples,
        expr=_sound(
            window,
            f"sum by ({SLICE}) ({sums.of(names.CONFUSION)})\n"
            f"or\nsum by ({SLICE}) ({sums.of(names.REGRESSION)})",
        ),
    )


def accuracy(window: Window) -> Iterable[Rule]:
    """Share of outcomes on the diagonal of the confusion counts; any number of classes."""
    sums = _Sums(window.name)
    counts = sums.of(names.CONFUSION)
    # The right-hand side has one element per class, labelled as its own diagonal cell.
    diagonal = f'label_replace(sum by ({SLICE}, actual) ({counts}), "predicted", "$1", "actual", "(.*)")'
    n = f"sum by ({SLICE}) ({counts})"
    yield _value(
        window,
        "accuracy",
        f"""
        (
          sum by ({SLICE}) ({counts} and on ({SLICE}, actual, predicted) {diagonal})
          or {n} * 0
        )
        / ({n} > 0)
        """,
    )
    yield _stderr(window, "accuracy", _proportion(sums.quality("accuracy"), f"({n} > 0)"))


def _proportion(value: str, n: str) -> str:
    p = f"max by ({SLICE}) ({value})"
    return f"sqrt({p} * (1 - {p})\n/ on ({SLICE}) {n})"


def positives(window: Window, groups: list[Positive]) -> Iterable[Rule]:
    """Precision, recall and F1 of the positive class; models with different positive classes are united."""
    sums = _Sums(window.name)
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
        models = f'model=~"{one_of(positive.models)}"'
        precision, recall, f1 = (sums.quality(m).replace("{", f"{{{models}, ") for m in values)
        values["precision"].append(f"{hits}\n/ {called}")
        values["recall"].append(f"{hits}\n/ {actual}")
        values["f1"].append(f"2 * {hits}\n/ ((2 * {hits} + {wrong}) > 0)")
        errors["precision"].append(_proportion(precision, called))
        errors["recall"].append(_proportion(recall, actual))
        f = f"max by ({SLICE}) ({f1})"
        errors["f1"].append(
            f"(2 - {f}) ^ 2 / 2\n"
            f"* sqrt({f} / (2 - {f}) * (1 - {f} / (2 - {f})) / on ({SLICE}) (({hits} + {wrong}) > 0))"
        )
    for metric, expressions in values.items():
        yield _value(window, metric, "\nor\n".join(expressions))
    for metric, expressions in errors.items():
        yield _stderr(window, metric, "\nor\n".join(expressions))


def scores(window: Window) -> Iterable[Rule]:
    """ROC-AUC with its error bound, Brier and log-loss of binary scores."""
    sums = _Sums(window.name)
    bins = sums.of(names.SCORE_BINS)
    above = sums.of(names.SCORE_POSITIVES_ABOVE)
    n1, n0 = (f'sum by ({MV}) ({bins}{{actual="{a}"}})' for a in ("1", "0"))
    n = f"(sum by ({MV}) ({bins}) > 0)"
    pairs = f"(({n1} * {n0}) > 0)"
    auc = f"max by ({MV}) ({sums.quality('roc_auc')})"
    brier = f"max by ({MV}) ({sums.quality('brier')})"
    yield _value(
        window,
        "roc_auc",
        f"""
        sum by ({MV}) (
          sum by ({MV}, bin) ({bins}{{actual="0"}}) * on ({MV}, bin) sum by ({MV}, bin) ({above})
        )
        / {pairs}
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
    yield _value(window, "brier", f"{sums.of(names.SQUARED_SCORE_ERROR)} / {n}", whole=True)
    yield _value(window, "log_loss", f"{sums.of(names.LOG_LOSS)} / {n}", whole=True)
    yield _stderr(
        window,
        "roc_auc",
        f"""
        sqrt(
          (
            {auc} * (1 - {auc})
            + ({n1} - 1) * ({auc} / (2 - {auc}) - {auc} ^ 2)
            + ({n0} - 1) * (2 * {auc} ^ 2 / (1 + {auc}) - {auc} ^ 2)
          )
          / {pairs}
        )
        """,
        whole=True,
    )
    yield _stderr(window, "brier", f"sqrt({brier} * (1 - {brier}) / {n})", whole=True)


def calibration(window: Window) -> Iterable[Rule]:
    """Observed minus expected positives, given the baseline's share of positives in each score bin.

    A model may be miscalibrated by design (class weights); what counts is that the meaning of a score
    has moved since the baseline.
    """
    sums = _Sums(window.name)
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


def calibration_error(window: Window) -> Rule:
    """ECE over the score bins: mean distance of the scores from the share of positives, by bin.

    Biased upward: chance alone gives every bin a distance (a perfect model shows .122 at n = 100 with 15
    bins, more with more bins). Shown, never alerted on; the calibration gap has a standard error.
    """
    sums = _Sums(window.name)
    bins, scores = sums.of(names.SCORE_BINS), sums.of(names.SCORE_BIN_SUM)
    return Rule(
        record=names.R_ECE.over(window.name),
        expr=f"""
        sum by ({MV}) (abs(
          {scores} - on ({MV}, bin) sum by ({MV}, bin) ({bins}{{actual="1"}})
        ))
        / (sum by ({MV}) ({bins}) > 0)
        """,
    )


def estimate(window: Window, groups: list[Positive]) -> Iterable[Rule]:
    """Accuracy, precision, recall and F1 that the baseline lets expect, before any outcome is known."""
    counts = _Sums(window.name).of(names.ESTIMATED_CONFUSION)
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


def classes(window: Window) -> Iterable[Rule]:
    """Precision, recall and F1 of each class of a multiclass model, and their plain mean.

    Micro F1 over all classes is the accuracy. The mean is over classes that occurred or were predicted.
    """
    counts = _Sums(window.name).of(names.CONFUSION)
    task = f'on ({MV}) group_left () max by ({MV}) ({names.MODEL_INFO.name}{{task="multiclass"}})'

    def of_class(label: str, diagonal: bool = False) -> str:
        cells = f"sum by ({SLICE}, actual, predicted) ({counts})"
        if diagonal:
            sums = f"sum by ({SLICE}, actual) ({counts})"
            own = f'label_replace({sums}, "predicted", "$1", "actual", "(.*)")'
            cells = f"{cells} and on ({SLICE}, actual, predicted) {own}"
        grouped = f"sum by ({SLICE}, {label}) ({cells})"
        named = f'label_replace({grouped}, "class", "$1", "{label}", "(.*)")'
        return f"sum by ({SLICE}, class) ({named} * {task})"

    hits, called, actual = of_class("actual", diagonal=True), of_class("predicted"), of_class("actual")
    for metric, expr in (
        ("precision", f"{hits}\n/ ({called} > 0)"),
        ("recall", f"{hits}\n/ ({actual} > 0)"),
        ("f1", f"2 * {hits}\n/ (({called} + {actual}) > 0)"),
    ):
        yield Rule(record=names.R_CLASS_QUALITY.over(window.name), expr=expr, labels={"metric": metric})
    per_class = f'{names.R_CLASS_QUALITY.over(window.name)}{{metric="f1"}}'
    yield _value(window, "macro_f1", f"avg by ({SLICE}) ({per_class})")


def regression(window: Window) -> Iterable[Rule]:
    """MAE, RMSE, bias and R2 of a regression."""
    sums = _Sums(window.name)
    n = f"({sums.of(names.REGRESSION)} > 0)"
    absolute, squared = sums.of(names.ABSOLUTE_ERROR), sums.of(names.SQUARED_ERROR)
    over, under = sums.of(names.OVERPREDICTION), sums.of(names.UNDERPREDICTION)
    first = sums.of(names.ACTUAL)
    centred = (
        f'(sum by ({SLICE}) ({first}{{sign="positive"}}) - sum by ({SLICE}) ({first}{{sign="negative"}}))'
    )
    total = f"(({sums.of(names.ACTUAL_SQUARED)} - {centred} ^ 2 / {n}) > 0)"
    yield _value(window, "mae", f"{absolute} / {n}")
    yield _value(window, "rmse", f"sqrt({squared} / {n})")
    yield _value(window, "bias", f"({over} - {under}) / {n}")
    yield _value(window, "r2", f"1 - {squared}\n/ {total}")
    for metric in ("mae", "bias"):
        # clamp_min: equal errors leave a variance of 0, which rounding can make negative.
        yield _stderr(
            window,
            metric,
            f"""
            sqrt(
              clamp_min({squared} / {n} - max by ({SLICE}) ({sums.quality(metric)}) ^ 2, 0)
              / {n}
            )
            """,
        )


def loss(window: Window) -> Rule:
    """How much worse than the baseline, in units of its noise: comparable between metrics."""
    value = f"max by ({MV}, metric) ({names.R_QUALITY.over(window.name)}{{{WHOLE}, metric=~%s}})"
    known = f"max by ({MV}, metric) ({names.BASELINE_QUALITY.name}{{metric=~%s}})"
    up, down = (
        quoted(one_of(m for m, better in names.QUALITY_METRICS.items() if better is wanted))
        for wanted in (True, False)
    )
    spread = largest(
        f"{MV}, metric",
        f"max by ({MV}, metric) ({names.BASELINE_QUALITY_STDDEV.name})",
        f"max by ({MV}, metric) ({names.R_QUALITY_STDERR.over(window.name)}{{{WHOLE}}})",
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
clamp_min({spread}, 1e-9)
""",
    )


def rules(window: Window, catalogue: Catalogue) -> Iterable[Rule]:
    """Return the quality rules of one window, for the tasks the catalogue has."""
    tasks = {model.task for model in catalogue.models.values()}
    yield from samples(window)
    if tasks & {"binary", "multiclass"}:
        yield from accuracy(window)
    if groups := positive_classes(catalogue):
        yield from positives(window, groups)
    if "binary" in tasks:
        yield from scores(window)
        yield from calibration(window)
        yield calibration_error(window)
        yield from estimate(window, groups)
    if "multiclass" in tasks:
        yield from classes(window)
    if "regression" in tasks:
        yield from regression(window)
    yield loss(window)
