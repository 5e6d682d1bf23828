"""Recording rules of slices: each slice value's figures beside those of the rest of the model.

Reads the recorded increases of confusion counts and regression sums; writes ``names.R_FAIRNESS_*`` (a slice
value's own figure and that of all other rows), ``R_DISPARITY_*`` (their difference) and ``R_GAP*`` (largest
minus smallest among a slice's values). The two parts share no row, so they are independent samples.

Intervals: Wilson (1927) for proportions, normal for means; the difference of the two by recovering variances
from both (Newcombe 1998, method 10; Zou and Donner 2008). All are as wide as ``ml_objective`` with
``disparity_interval_sigmas`` says, which corrects for every slice value and figure of the model together
(Bonferroni), so that the gap lies between the distance of the innermost and that of the outermost ends.

Significance: for proportions the signed root of the likelihood ratio, which keeps its level where few rows
are bad and the normal approximation does not; for means the difference over its standard error (Welch).
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.beside import rest_of
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import LATER, MV, SLICE, matching, one_of, quoted
from plumbline_alerting.sums import Positive, positive_classes
from plumbline_alerting.windows import Window

_BY = f"{SLICE}, metric"
_GROUP = f"{MV}, slice, metric"
_TINY = "1e-300"  # in place of 0 under a logarithm that is multiplied by 0
_DECLARED = f'value!="{names.OTHER}"'
_PROPORTION = matching("metric", names.PROPORTIONS)
_MEAN = f"metric!~{quoted(one_of(names.PROPORTIONS))}"


def _split(record: str, metric: str, total: str) -> Iterable[Rule]:
    """Record a sum for each slice value, and for the rest: all rows without it.

    Args:
        record: recorded name.
        metric: the figure.
        total: PromQL by slice and value, with ``LATER`` for a matcher that chooses slices.
    """
    own = total.replace(LATER, f'slice!="{names.ALL}"')
    yield Rule(record=record, expr=own, labels={"metric": metric, "part": "own"})
    rest = f"clamp_min({rest_of(total)}, 0)"
    yield Rule(record=record, expr=rest, labels={"metric": metric, "part": "rest"})


def _binary(window: str, groups: list[Positive]) -> Iterable[Rule]:
    counts = names.R_INCREASES[names.CONFUSION.name].over(window)

    def cell(actual: bool | None = None, predicted: bool | None = None) -> str:
        return "\nor\n".join(g.cell(counts, actual=actual, predicted=predicted, more=[LATER]) for g in groups)

    correct = "\nor\n".join(
        " + ".join(g.cell(counts, actual=one, predicted=one, more=[LATER]) for one in (True, False)) for g in groups
    )
    for metric, hits, rows in (
        ("selection_rate", cell(predicted=True), cell()),
        ("tpr", cell(actual=True, predicted=True), cell(actual=True)),
        ("fpr", cell(actual=False, predicted=True), cell(actual=False)),
        ("accuracy", correct, cell()),
    ):
        yield from _split(names.R_FAIRNESS_COUNT.over(window), metric, rows)
        yield from _split(names.R_FAIRNESS_SUM.over(window), metric, hits)


def _multiclass(window: str, models: list[str]) -> Iterable[Rule]:
    counts = names.R_INCREASES[names.CLASS_OUTCOMES.name].over(window)

    def total(result: str) -> str:
        return f"sum by ({SLICE}) ({counts}{{{LATER}, {matching('model', models)}, result{result}}})"

    # Every outcome is either a hit or a false negative of its actual class.
    yield from _split(names.R_FAIRNESS_COUNT.over(window), "accuracy", total('!="false_positive"'))
    yield from _split(names.R_FAIRNESS_SUM.over(window), "accuracy", total('="hit"'))


def _regression(window: str, models: list[str]) -> Iterable[Rule]:
    def total(metric: names.Metric) -> str:
        matchers = f"{LATER}, {matching('model', models)}"
        return f"sum by ({SLICE}) ({names.R_INCREASES[metric.name].over(window)}{{{matchers}}})"

    rows, squares = total(names.REGRESSION), total(names.SQUARED_ERROR)
    signed = f"{total(names.OVERPREDICTION)} - {total(names.UNDERPREDICTION)}"
    yield from _split(names.R_FAIRNESS_COUNT.over(window), "mae", rows)
    yield from _split(names.R_FAIRNESS_SUM.over(window), "mae", total(names.ABSOLUTE_ERROR))
    yield from _split(names.R_FAIRNESS_SQUARES.over(window), "mae", squares)
    yield from _split(names.R_FAIRNESS_COUNT.over(window), "bias", rows)
    for rule in _split(names.R_FAIRNESS_SUM.over(window), "bias", signed):
        # A sum that may be negative is not clamped at 0.
        expr = rule.expr.removeprefix("clamp_min(").removesuffix(", 0)")
        yield Rule(record=rule.record, expr=expr, labels=rule.labels)
    yield from _split(names.R_FAIRNESS_SQUARES.over(window), "bias", squares)


def _intervals(window: str, *, means: bool) -> Iterable[Rule]:
    value, n = names.R_FAIRNESS.over(window), names.R_FAIRNESS_COUNT.over(window)
    stderr, squares = names.R_FAIRNESS_STDERR.over(window), names.R_FAIRNESS_SQUARES.over(window)
    z = f'max by ({MV}) ({names.OBJECTIVE.name}{{metric="{names.OBJECTIVE_INTERVAL_SIGMAS}"}})'
    yield Rule(record=value, expr=f"{names.R_FAIRNESS_SUM.over(window)} / ({n} > 0)")
    if means:
        yield Rule(record=stderr, expr=f"sqrt(clamp_min({squares} / ({n} > 0) - {value} ^ 2, 0) / {n})")
    p = f"{value}{{{_PROPORTION}}}"
    t = f"(1 / ({n} > 0) * on ({MV}) group_left () {z} ^ 2)"
    for recorded, sign in ((names.R_FAIRNESS_LOWER, "-"), (names.R_FAIRNESS_UPPER, "+")):
        yield Rule(
            record=recorded.over(window),
            expr=f"""
            ({p} + {t} / 2 {sign} sqrt(clamp_min({t} * {p} * (1 - {p}) + {t} ^ 2 / 4, 0))) / (1 + {t})
            {f"or {value}{{{_MEAN}}} {sign} {stderr} * on ({MV}) group_left () {z}" if means else ""}
            """,
        )


def _disparities(window: str, *, means: bool) -> Iterable[Rule]:
    def part(recorded: names.Recorded, which: str, more: str = "") -> str:
        matchers = f'part="{which}"' + (f", {more}" if more else "")
        return f"max by ({_BY}) ({recorded.over(window)}{{{matchers}}})"

    own, rest = part(names.R_FAIRNESS, "own"), part(names.R_FAIRNESS, "rest")
    difference = names.R_DISPARITY.over(window)
    lower, upper = names.R_FAIRNESS_LOWER, names.R_FAIRNESS_UPPER
    yield Rule(record=difference, expr=f"{own} - {rest}")
    for recorded, sign, mine, theirs in (
        (names.R_DISPARITY_LOWER, "-", lower, upper),
        (names.R_DISPARITY_UPPER, "+", upper, lower),
    ):
        yield Rule(
            record=recorded.over(window),
            expr=f"""
            {difference} {sign} sqrt(
              ({own} - {part(mine, "own")}) ^ 2
              + ({rest} - {part(theirs, "rest")}) ^ 2
            )
            """,
        )

    def likelihood(hits: str, rows: str) -> str:
        share = f"({hits} / {rows})"
        return f"{hits} * ln(clamp_min({share}, {_TINY})) + ({rows} - {hits}) * ln(clamp_min(1 - {share}, {_TINY}))"

    hits_own, hits_rest = (part(names.R_FAIRNESS_SUM, which, _PROPORTION) for which in names.FAIRNESS_PARTS)
    rows_own, rows_rest = (
        f"({part(names.R_FAIRNESS_COUNT, which, _PROPORTION)} > 0)" for which in names.FAIRNESS_PARTS
    )
    ratio = (
        f"{likelihood(hits_own, rows_own)}\n+ {likelihood(hits_rest, rows_rest)}\n"
        f"- ({likelihood(f'({hits_own} + {hits_rest})', f'({rows_own} + {rows_rest})')})"
    )
    error_own, error_rest = (part(names.R_FAIRNESS_STDERR, which, _MEAN) for which in names.FAIRNESS_PARTS)
    yield Rule(
        record=names.R_DISPARITY_SIGMAS.over(window),
        expr=f"""
sgn({difference}{{{_PROPORTION}}}) * sqrt(2 * clamp_min(
  {ratio}
, 0))
{f"or {difference}{{{_MEAN}}} / (sqrt({error_own} ^ 2 + {error_rest} ^ 2) > 0)" if means else ""}
""",
    )


def _gaps(window: str) -> Iterable[Rule]:
    samples = f'max by ({MV}) ({names.OBJECTIVE.name}{{metric="{names.OBJECTIVE_SAMPLES}"}})'
    enough = f"{names.R_FAIRNESS_COUNT.over(window)} >= on ({MV}) group_left () {samples}"

    def among(operation: str, recorded: names.Recorded) -> str:
        counted = f'{recorded.over(window)}{{part="own", {_DECLARED}}} and ({enough})'
        return f"{operation} by ({_GROUP}) ({counted})"

    several = f"{among('count', names.R_FAIRNESS)} > 1"
    value, lower, upper = names.R_FAIRNESS, names.R_FAIRNESS_LOWER, names.R_FAIRNESS_UPPER
    for recorded, expr in (
        (names.R_GAP, f"{among('max', value)} - {among('min', value)}"),
        (names.R_GAP_LOWER, f"clamp_min({among('max', lower)} - {among('min', upper)}, 0)"),
        (names.R_GAP_UPPER, f"{among('max', upper)} - {among('min', lower)}"),
    ):
        yield Rule(record=recorded.over(window), expr=f"{expr}\nand {several}")


def rules(window: Window, catalogue: Catalogue) -> Iterable[Rule]:
    """Return the rules of one window, for the models that declare slices."""
    tasks: dict[str, list[str]] = {}
    for name, model in catalogue.models.items():
        if model.slices:
            tasks.setdefault(model.task, []).append(name)
    if not tasks:
        return
    groups = [
        Positive(tuple(sorted(set(group.models) & set(tasks["binary"]))), group.name)
        for group in (positive_classes(catalogue) if "binary" in tasks else ())
        if set(group.models) & set(tasks["binary"])
    ]
    if groups:
        yield from _binary(window.name, groups)
    if "multiclass" in tasks:
        yield from _multiclass(window.name, tasks["multiclass"])
    if "regression" in tasks:
        yield from _regression(window.name, tasks["regression"])
    yield from _intervals(window.name, means="regression" in tasks)
    yield from _disparities(window.name, means="regression" in tasks)
    yield from _gaps(window.name)
