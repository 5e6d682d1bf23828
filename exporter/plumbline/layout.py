"""Layouts: which counter of a model version lives where in one float64 array.

A layout is made once from the catalogue and the version's baseline and never changes; counting adds to
slices of the array, the store keeps the array as one value, and the scrape shows slices of it. float64
holds counts exactly up to 2^53.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.catalogue.model import Feature, Model
from plumbline.names import Metric
from plumbline.values import class_codes

Floats = npt.NDArray[np.float64]

WHOLE = (names.ALL, names.ALL)
# Classes that a multiclass confusion matrix tells apart; the rest share "other". See docs/adr/0024.
MATRIX_CLASSES = 20


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive cells of one metric.

    Attributes:
        metric: the family.
        labels: one tuple of label values per row.
        offset: index of the first cell.
        columns: cells per row: 1, or buckets + 1 counts and a sum for a histogram.
    """

    metric: Metric
    labels: tuple[tuple[str, ...], ...]
    offset: int
    columns: int

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.labels) * self.columns

    @property
    def end(self) -> int:
        """Index after the last cell."""
        return self.offset + self.size

    def keys(self) -> Iterable[str]:
        """Name every cell, so that a changed layout can take over what it still has."""
        for row in self.labels:
            for column in range(self.columns):
                yield "\x1f".join((self.metric.name, *row, str(column)))


class LayoutBuilder:
    """Hands out consecutive cells."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.size = 0

    def add(self, metric: Metric, rows: Iterable[tuple[str, ...]]) -> Section:
        """Reserve cells for the rows of a metric."""
        columns = len(metric.buckets) + 2 if metric.kind == "histogram" else 1
        section = Section(metric, tuple(rows), self.size, columns)
        self.sections.append(section)
        self.size += section.size
        return section


@dataclass(frozen=True, slots=True)
class FeatureSlot:
    """Where and how one feature is counted.

    Attributes:
        name: the feature.
        numeric: whether values are numbers.
        uppers: see ``FeatureBins.uppers``; None without a baseline.
        codes: categorical: value to bin index; None without a baseline.
        rare: categorical: levels that the baseline saw but that have no bin of their own.
        bins: cells of ml_feature_values_total; None without a baseline.
        problems: offset of the four cells of ml_feature_problems_total.
    """

    name: str
    numeric: bool
    uppers: Floats | None
    codes: dict[object, int] | None
    rare: frozenset[str]
    bins: Section | None
    problems: int


@dataclass(frozen=True, slots=True)
class QualityCells:
    """Where a task's quality counters live; what a task does not have is None.

    Attributes:
        rows: (slice, value) pairs counted apart; the first is (all, all). Every section below has its
            cells in this order.
        slices: per declared slice, value to row; values outside the closed list have the row of "other".
        classes: declared classes; multiclass ends in "other", which takes any class not declared.
        codes: what an event may carry for a class -> its index; None for regression.
        open_ended: whether undeclared classes go to "other" (multiclass) or are refused (binary).
        positive: index of the positive class; -1 if there is none.
        confusion: offset of the confusion counts: rows x classes x classes cells (binary), or one matrix
            of matrix x matrix cells for all rows (multiclass).
        matrix: classes that the confusion matrix tells apart, the last being the rest of them.
        per_class: multiclass: offset of rows x classes x CLASS_RESULTS cells.
        score_uppers: upper ends of the score bins.
        score_bins: offset of (negatives, positives) per score bin.
        score_sums: offset of the score sums per bin.
        estimated: offset of classes x classes cells of the expected confusion.
        score_shares: share of positives per score bin in the baseline.
        scored: offset of the numbers of outcomes with a score, one cell per row.
        squared_score_error: offset of the Brier sums.
        log_loss: offset of the log-loss sums.
        regression: offsets of REGRESSION_CELLS and of ml_actual_total's (row, sign) cells.
        magnitude: histogram of the absolute error.
        actual: where outcomes are counted into the baseline's bins of the target.
        centre: the baseline's mean outcome, from which actuals are measured.
        largest: how far a regression's numbers may lie from the centre (``largest_deviation``).
        excluded: offset of one cell per reason in ``excludes``.
        excludes: why an outcome of this task may be left out.
    """

    rows: tuple[tuple[str, str], ...] = (WHOLE,)
    slices: dict[str, dict[str, int]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    codes: dict[object, int] | None = None
    open_ended: bool = False
    positive: int = -1
    confusion: int | None = None
    matrix: int = 0
    per_class: int | None = None
    score_uppers: Floats | None = None
    score_bins: int | None = None
    score_sums: int | None = None
    estimated: int | None = None
    score_shares: Floats | None = None
    scored: int | None = None
    squared_score_error: int | None = None
    log_loss: int | None = None
    regression: tuple[int, ...] | None = None
    magnitude: Section | None = None
    actual: FeatureSlot | None = None
    centre: float = 0.0
    largest: float = math.inf
    excluded: int | None = None
    excludes: tuple[str, ...] = ()

    def why_excluded(self, prediction: object, actual: object) -> str | None:
        """Return why the two cannot be compared, one of ``names.EXCLUDE_REASONS``; None if they can."""
        if self.regression is not None:
            for value in (prediction, actual):
                if isinstance(value, bool) or not isinstance(value, int | float):
                    return "not_a_number"
                if abs(value - self.centre) > self.largest:
                    return "extreme"
            return None
        if self.codes is None or self.open_ended:
            return None
        return None if prediction in self.codes and actual in self.codes else "unknown_class"


@dataclass(frozen=True, slots=True)
class YoungCells:
    """Offsets of one cell per age in ``names.YOUNG_AGES``.

    Attributes:
        outcomes: how many.
        results: how many had been predicted, or the sum of |e| of a regression.
    """

    outcomes: int
    results: int


@dataclass(frozen=True, slots=True)
class EarlyCells:
    """Offsets of the early view's counters; what a task does not have is None.

    Attributes:
        seconds: an outcome known this soon after its prediction is early.
        outcomes: how many.
        correct: classification: how many of them had been predicted.
        errors: regression: sums of |e|, e^2, over- and underprediction, in this order.
    """

    seconds: float
    outcomes: int
    correct: int | None = None
    errors: int | None = None


@dataclass(frozen=True, slots=True)
class TrialCells:
    """Where a canary's trial is counted: cells of (arm, loss), in the order of the names.

    Attributes:
        losses: of the model's task: failed answers first, then that of the outcomes.
        samples: offset of the counts.
        sums: offset of the sums of the loss.
        squares: offset of the sums of its square.
        agreements: offset of a shadow's pairs, in the order of ``names.AGREEMENTS``.
        better: offset of its pairs with an outcome, in the order of ``names.BETTER``.
    """

    losses: tuple[str, str]
    samples: int
    sums: int
    squares: int
    agreements: int
    better: int

    def cell(self, arm: str, loss: int) -> int:
        """Return the place of an arm and a loss within each of the three sections."""
        return names.TRIAL_ARMS.index(arm) * len(self.losses) + loss

    def spans(self) -> tuple[slice, ...]:
        """Return all cells of a trial, as slices of the version's array."""
        size = len(names.TRIAL_ARMS) * len(self.losses)
        sizes = {self.samples: size, self.sums: size, self.squares: size}
        sizes |= {self.agreements: len(names.AGREEMENTS), self.better: len(names.BETTER)}
        return tuple(slice(at, at + length) for at, length in sizes.items())


@dataclass(frozen=True, slots=True)
class VersionLayout:
    """Everything countable about one model version. Offsets index the version's array.

    ``retractions`` pairs sections of quality with what is taken back of them; empty where the catalogue
    does not want corrections.
    """

    model: str
    version: str
    sections: tuple[Section, ...]
    size: int
    predictions: int
    errors: int
    latency: Section
    last: int
    features: tuple[FeatureSlot, ...]
    prediction_slot: FeatureSlot | None
    score_slot: FeatureSlot | None
    skew_rows: int
    skew_mismatches: int
    outcomes: int
    outcomes_retracted: int
    delay: Section
    predictions_matured: int
    outcomes_matured: int
    quality: QualityCells
    young: YoungCells | None
    early: EarlyCells | None
    retractions: tuple[tuple[Section, Section], ...]
    kpis: dict[str, int]
    kpi_events: dict[str, int]
    kpi_squares: dict[str, int]
    trial: TrialCells | None
    trial_retracted: TrialCells | None
    baseline: str | None

    @property
    def series(self) -> int:
        """Number of Prometheus series of the counters."""
        total = 0
        for section in self.sections:
            rows = len(section.labels)
            total += rows * (len(section.metric.buckets) + 3) if section.metric.kind == "histogram" else rows
        return total

    def cell_names(self) -> list[str]:
        """Name every cell in order, with what its meaning hangs on: the baseline, the positive class."""
        positive = self.quality.classes[self.quality.positive] if self.quality.positive >= 0 else ""
        found = []
        for section in self.sections:
            metric = _RETRACTS.get(section.metric.name, section.metric.name)
            meaning = f"\x1f{self.baseline}" if metric in BASELINE_BOUND else ""
            if positive and metric in POSITIVE_BOUND:
                meaning += f"\x1f{positive}"
            found += [f"{key}{meaning}" for key in section.keys()]  # noqa: SIM118 - not a dict
        return found


REGRESSION_CELLS = (
    names.REGRESSION,
    names.ABSOLUTE_ERROR,
    names.SQUARED_ERROR,
    names.OVERPREDICTION,
    names.UNDERPREDICTION,
    names.ACTUAL_SQUARED,
)
# Bins and centred sums mean something else under another baseline: they start again at 0 (a counter
# reset, which Prometheus understands) rather than mix two meanings.
BASELINE_BOUND = {
    metric.name
    for metric in (
        names.FEATURE_VALUES,
        names.SCORE_BINS,
        names.SCORE_BIN_SUM,
        names.ESTIMATED_CONFUSION,
        names.ACTUAL,
        names.ACTUAL_SQUARED,
        names.ERROR_MAGNITUDE,
    )
}
# So do what a score says of the positive class, when the catalogue names another one.
POSITIVE_BOUND = {
    metric.name
    for metric in (
        names.SCORE_BINS,
        names.SCORE_BIN_SUM,
        names.SCORED,
        names.SQUARED_SCORE_ERROR,
        names.LOG_LOSS,
    )
}
_RETRACTS = {taken.name: name for name, taken in names.RETRACTED.items()}

# A sum of squares in float64 keeps 2^-53 of its size: with a value v among typical deviations s it knows
# the others to (v/s)^2 2^-53, a millionth at 1e5 and nothing at 1e8.
LARGEST_SPREADS = 1e5
LARGEST_WITHOUT_BASELINE = 1e12


def build_layout(
    model_name: str, version: str, model: Model | None, baseline: Baseline | None
) -> VersionLayout:
    """Freeze the layout of a version.

    Args:
        model_name: value of the label ``model``.
        version: value of the label ``version``.
        model: its entry in the catalogue; None for models that have none.
        baseline: its baseline; without one there are no bins, only problems are counted per feature.
    """
    b = LayoutBuilder()
    mv = (model_name, version)

    def single(metric: Metric, *rest: str) -> int:
        return b.add(metric, [(*mv, *rest)]).offset

    predictions, errors = single(names.PREDICTIONS), single(names.PREDICTION_ERRORS)
    latency = b.add(names.PREDICTION_LATENCY, [mv])
    last = single(names.PREDICTION_LAST)
    slots: list[FeatureSlot] = []
    prediction_slot = score_slot = None
    if model is not None:
        slots = [
            _slot(b, mv, name, feature.type == "numeric", baseline, feature)
            for name, feature in model.features.items()
        ]
        if baseline is not None and names.PREDICTION_FEATURE in baseline.features:
            numeric = baseline.features[names.PREDICTION_FEATURE].kind == "numeric"
            prediction_slot = _slot(b, mv, names.PREDICTION_FEATURE, numeric, baseline, None)
        if baseline is not None and names.SCORE_FEATURE in baseline.features:
            score_slot = _slot(b, mv, names.SCORE_FEATURE, True, baseline, None)
    skew_rows, skew_mismatches = (
        b.add(metric, [(*mv, slot.name) for slot in slots]).offset
        for metric in (names.FEATURE_SKEW_ROWS, names.FEATURE_SKEW_MISMATCHES)
    )
    outcomes = b.add(names.OUTCOMES, [(*mv, state) for state in names.OUTCOME_STATES]).offset
    retracted = b.add(
        names.RETRACTED[names.OUTCOMES.name], [(*mv, state) for state in names.RETRACTABLE_STATES]
    ).offset
    delay = b.add(names.OUTCOME_DELAY, [mv])
    matured, outcomes_matured = single(names.PREDICTIONS_MATURED), single(names.OUTCOMES_MATURED)
    before = len(b.sections)
    quality = QualityCells() if model is None else _quality(b, mv, model, baseline)
    young = None if model is None else _young(b, mv, model)
    retractions: tuple[tuple[Section, Section], ...] = ()
    if model is not None and model.outcome.corrections:
        retractions = tuple(
            (section, b.add(names.RETRACTED[section.metric.name], section.labels))
            for section in b.sections[before:]
            if section.metric.name in names.RETRACTED
        )
    early = None if model is None else _early(b, mv, model)
    kpis, kpi_events, kpi_squares = {}, {}, {}
    for kpi in model.kpis if model is not None else ():
        kpis[kpi] = b.add(names.KPI, [(*mv, kpi, sign) for sign in names.SIGNS]).offset
        kpi_events[kpi] = single(names.KPI_EVENTS, kpi)
        kpi_squares[kpi] = single(names.KPI_SQUARED, kpi)
    trial = trial_retracted = None
    if model is not None and version != names.UNKNOWN:
        trial = _trial(b, mv, model)
        if model.outcome.corrections:
            trial_retracted = _trial(b, mv, model, of=trial)
    return VersionLayout(
        model=model_name, version=version, sections=tuple(b.sections), size=b.size, predictions=predictions,
        errors=errors, latency=latency, last=last, features=tuple(slots), prediction_slot=prediction_slot,
        score_slot=score_slot, skew_rows=skew_rows, skew_mismatches=skew_mismatches, outcomes=outcomes,
        outcomes_retracted=retracted, delay=delay,
        predictions_matured=matured, outcomes_matured=outcomes_matured, quality=quality, young=young,
        early=early, retractions=retractions, kpis=kpis, kpi_events=kpi_events,
        kpi_squares=kpi_squares, trial=trial, trial_retracted=trial_retracted,
        baseline=None if baseline is None else baseline.digest,
    )  # fmt: skip


def _trial(b: LayoutBuilder, mv: tuple[str, str], model: Model, of: TrialCells | None = None) -> TrialCells:
    """Place the counters of a trial; or, given them, what later outcomes take back of them."""
    losses = names.TRIAL_LOSSES[model.task]
    arms = [(*mv, arm, loss) for arm in names.TRIAL_ARMS for loss in losses]
    better = [(*mv, who) for who in names.BETTER]

    def add(metric: Metric, rows: Iterable[tuple[str, ...]]) -> int:
        return b.add(metric if of is None else names.RETRACTED[metric.name], rows).offset

    samples, sums = add(names.TRIAL_SAMPLES, arms), add(names.TRIAL_LOSS, arms)
    squares = add(names.TRIAL_SQUARED_LOSS, arms)
    if of is None:
        agreements = b.add(names.SHADOW_PAIRS, [(*mv, which) for which in names.AGREEMENTS]).offset
    else:
        agreements = of.agreements  # no outcome takes an agreement back
    return TrialCells(losses, samples, sums, squares, agreements, add(names.SHADOW_OUTCOMES, better))


def _slot(
    b: LayoutBuilder,
    mv: tuple[str, str],
    name: str,
    numeric: bool,
    baseline: Baseline | None,
    feature: Feature | None,
) -> FeatureSlot:
    bins = None if baseline is None else baseline.features.get(name)
    if bins is not None and (bins.kind == "numeric") != numeric:
        bins = None  # the catalogue changed the type after the baseline: the bins mean something else
    section = (
        None if bins is None else b.add(names.FEATURE_VALUES, [(*mv, name, bin_) for bin_ in bins.labels])
    )
    problems = b.add(names.FEATURE_PROBLEMS, [(*mv, name, problem) for problem in names.PROBLEMS]).offset
    uppers = np.array(bins.uppers, dtype=np.float64) if bins is not None and numeric else None
    codes = None
    if bins is not None and not numeric:
        codes = dict(class_codes(bins.categories))
    rare = frozenset(bins.rare) if bins is not None else frozenset()
    return FeatureSlot(name, numeric, uppers, codes, rare, section, problems)


def _young(b: LayoutBuilder, mv: tuple[str, str], model: Model) -> YoungCells:
    rows = [(*mv, age) for age in names.YOUNG_AGES]
    result = names.YOUNG_ABSOLUTE_ERROR if model.task == "regression" else names.YOUNG_CORRECT
    return YoungCells(b.add(names.YOUNG_OUTCOMES, rows).offset, b.add(result, rows).offset)


def _early(b: LayoutBuilder, mv: tuple[str, str], model: Model) -> EarlyCells | None:
    seconds = model.outcome.early_seconds
    if seconds <= 0:
        return None  # every outcome counts at once: the mature view is the early one
    outcomes = b.add(names.EARLY_OUTCOMES, [mv]).offset
    if model.task != "regression":
        return EarlyCells(seconds, outcomes, correct=b.add(names.EARLY_CORRECT, [mv]).offset)
    errors = [
        b.add(metric, [mv]).offset
        for metric in (
            names.EARLY_ABSOLUTE_ERROR,
            names.EARLY_SQUARED_ERROR,
            names.EARLY_OVERPREDICTION,
            names.EARLY_UNDERPREDICTION,
        )
    ]
    return EarlyCells(seconds, outcomes, errors=errors[0])


def largest_deviation(baseline: Baseline | None) -> float:
    """Return how far from the centre a regression's prediction or actual may lie and still be summed.

    ``LARGEST_SPREADS`` times the range of the baseline's predictions; without a baseline, or where all its
    predictions were equal, ``LARGEST_WITHOUT_BASELINE``.
    """
    known = None if baseline is None else baseline.features.get(names.PREDICTION_FEATURE)
    if known is None or known.minimum is None or known.maximum is None or known.maximum <= known.minimum:
        return LARGEST_WITHOUT_BASELINE
    return LARGEST_SPREADS * (known.maximum - known.minimum)


def _quality(b: LayoutBuilder, mv: tuple[str, str], model: Model, baseline: Baseline | None) -> QualityCells:
    rows: list[tuple[str, str]] = [WHOLE]
    slices: dict[str, dict[str, int]] = {}
    for slice_, listed in model.every_slice.items():
        slices[slice_] = {}
        for value in dict.fromkeys((*listed, names.OTHER)):
            slices[slice_][value] = len(rows)
            rows.append((slice_, value))
    # Any class that is not declared is "other" for a multiclass model: nothing is excluded there.
    excludes = {"regression": ("not_a_number", "extreme"), "binary": ("unknown_class",)}.get(model.task, ())
    excluded = b.add(names.EXCLUDED, [(*mv, reason) for reason in excludes]).offset
    cells = QualityCells(rows=tuple(rows), slices=slices, excluded=excluded, excludes=excludes)
    if baseline is not None and names.ACTUAL_FEATURE in baseline.features:
        numeric = baseline.features[names.ACTUAL_FEATURE].kind == "numeric"
        cells = replace(cells, actual=_slot(b, mv, names.ACTUAL_FEATURE, numeric, baseline, None))
    if model.task == "regression":
        return _regression(b, mv, cells, baseline)
    return _classification(b, mv, cells, model, baseline)


def _regression(
    b: LayoutBuilder, mv: tuple[str, str], cells: QualityCells, baseline: Baseline | None
) -> QualityCells:
    offsets = [b.add(metric, [(*mv, *row) for row in cells.rows]).offset for metric in REGRESSION_CELLS]
    signed = [(*mv, *row, sign) for row in cells.rows for sign in names.SIGNS]
    offsets.append(b.add(names.ACTUAL, signed).offset)
    centre = 0.0 if baseline is None or baseline.actual_mean is None else baseline.actual_mean
    magnitude = None
    if baseline is not None and isinstance(baseline.error_edges, list) and baseline.error_edges:
        # The same family for every version, with the bounds that this one's baseline froze.
        magnitude = b.add(replace(names.ERROR_MAGNITUDE, buckets=tuple(baseline.error_edges)), [mv])
    return replace(
        cells, regression=tuple(offsets), centre=centre, largest=largest_deviation(baseline),
        magnitude=magnitude,
    )  # fmt: skip


def _classification(
    b: LayoutBuilder, mv: tuple[str, str], cells: QualityCells, model: Model, baseline: Baseline | None
) -> QualityCells:
    multiclass = model.task == "multiclass"
    declared = tuple(model.classes or ())
    classes = tuple(dict.fromkeys((*declared, names.OTHER))) if multiclass else declared
    shown, matrix_rows = classes, cells.rows
    if multiclass:
        shown, matrix_rows = matrix_classes(classes), (WHOLE,)
        results = [
            (*mv, *row, class_, result)
            for row in cells.rows
            for class_ in classes
            for result in names.CLASS_RESULTS
        ]
        cells = replace(cells, per_class=b.add(names.CLASS_OUTCOMES, results).offset)
    pairs = [(*mv, *row, actual, predicted) for row in matrix_rows for actual in shown for predicted in shown]
    confusion = b.add(names.CONFUSION, pairs).offset
    scored, squared, log_loss = (
        b.add(metric, [(*mv, *row) for row in cells.rows]).offset
        for metric in (names.SCORED, names.SQUARED_SCORE_ERROR, names.LOG_LOSS)
    )
    cells = replace(
        cells,
        classes=classes,
        codes=class_codes(classes),
        open_ended=multiclass,
        confusion=confusion,
        matrix=len(shown),
        scored=scored,
        squared_score_error=squared,
        log_loss=log_loss,
    )
    if multiclass or model.positive_class not in classes:
        return cells
    cells = replace(cells, positive=classes.index(model.positive_class))
    score = None if baseline is None else baseline.score_bins
    if score is None:
        return cells
    bins = b.add(names.SCORE_BINS, [(*mv, bin_, actual) for bin_ in score.labels for actual in ("0", "1")])
    sums = b.add(names.SCORE_BIN_SUM, [(*mv, bin_) for bin_ in score.labels])
    uppers = np.array(score.uppers, dtype=np.float64)
    estimated = b.add(
        names.ESTIMATED_CONFUSION, [(*mv, actual, predicted) for actual in classes for predicted in classes]
    )
    return replace(
        cells, score_uppers=uppers, score_bins=bins.offset, score_sums=sums.offset,
        estimated=estimated.offset, score_shares=np.array(score.observed_shares),
    )  # fmt: skip


def matrix_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that a multiclass confusion matrix tells apart; the last takes all others.

    Args:
        classes: the declared ones in the catalogue's order, "other" among them.
    """
    named = [name for name in classes if name != names.OTHER]
    return (*named[:MATRIX_CLASSES], names.OTHER)


def remap(old_names: Sequence[str], old: Floats, layout: VersionLayout) -> Floats:
    """Carry values into a changed layout by the cells' names; cells without a past start at 0."""
    new = np.zeros(layout.size)
    position = {name: at for at, name in enumerate(old_names)}
    for at, name in enumerate(layout.cell_names()):
        came_from = position.get(name)
        if came_from is not None:
            new[at] = old[came_from]
    return new
