"""Where mature outcomes are counted, by the model's task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.catalogue.model import Model
from plumbline.layout.features import FeatureSlot, place_feature
from plumbline.layout.section import Floats, LayoutBuilder, Section
from plumbline.values import class_codes, codes_of, is_number

WHOLE = (names.ALL, names.ALL)
# Classes that a multiclass confusion matrix tells apart; the rest share "other". See docs/adr/0024.
MATRIX_CLASSES = 20
REGRESSION_CELLS = (
    names.REGRESSION,
    names.ABSOLUTE_ERROR,
    names.SQUARED_ERROR,
    names.OVERPREDICTION,
    names.UNDERPREDICTION,
    names.ACTUAL_SQUARED,
)

# A sum of squares in float64 keeps 2^-53 of its size: with a value v among typical deviations s it knows
# the others to (v/s)^2 2^-53, a millionth at 1e5 and nothing at 1e8.
LARGEST_SPREADS = 1e5
LARGEST_WITHOUT_BASELINE = 1e12


@dataclass(frozen=True, slots=True)
class QualityCells:
    """Where a task's quality counters live; what a task does not have is None.

    Attributes:
        rows: (slice, value) pairs counted apart; the first is (all, all). Every section below has its
            cells in this order.
        slices: per declared slice, value to row; values outside the closed list have the row of "other".
        classes: declared classes; multiclass ends in "other", which takes any class not declared.
        codes: ``values.class_codes`` of the classes; None for regression.
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
        """Return why the two cannot be compared, a reason of ``names.EXCLUDED``; None if they can."""
        if self.regression is not None:
            for value in (prediction, actual):
                if not is_number(value):
                    return "not_a_number"
                if abs(value - self.centre) > self.largest:
                    return "extreme"
            return None
        if self.codes is None or self.open_ended:
            return None
        if prediction in self.codes and actual in self.codes:  # the rule, at the price of two look-ups
            return None
        return "unknown_class" if -1 in codes_of(self.codes, (prediction, actual), -1) else None


def place_quality(b: LayoutBuilder, mv: tuple[str, str], model: Model, baseline: Baseline | None) -> QualityCells:
    """Place the counters of mature outcomes, by the model's task and its slices."""
    rows: list[tuple[str, str]] = [WHOLE]
    slices: dict[str, dict[str, int]] = {}
    for slice_, listed in model.every_slice.items():
        slices[slice_] = {}
        for value in dict.fromkeys((*listed, names.OTHER)):
            slices[slice_][value] = len(rows)
            rows.append((slice_, value))
    # Any class that is not declared is "other" for a multiclass model: nothing is excluded there.
    excludes = {"regression": ("not_a_number", "extreme"), "binary": ("unknown_class",)}.get(model.task, ())
    if model.outcome.corrections:
        excludes = (*excludes, names.LAYOUT_CHANGED)
    excluded = b.add(names.EXCLUDED, [(*mv, reason) for reason in excludes]).offset
    cells = QualityCells(rows=tuple(rows), slices=slices, excluded=excluded, excludes=excludes)
    if baseline is not None and names.ACTUAL_FEATURE in baseline.features:
        numeric = baseline.features[names.ACTUAL_FEATURE].kind == "numeric"
        cells = replace(cells, actual=place_feature(b, mv, names.ACTUAL_FEATURE, numeric, baseline))
    if model.task == "regression":
        return _regression(b, mv, cells, baseline)
    return _classification(b, mv, cells, model, baseline)


def _regression(b: LayoutBuilder, mv: tuple[str, str], cells: QualityCells, baseline: Baseline | None) -> QualityCells:
    offsets = [b.add(metric, [(*mv, *row) for row in cells.rows]).offset for metric in REGRESSION_CELLS]
    signed = [(*mv, *row, sign) for row in cells.rows for sign in names.SIGNS]
    offsets.append(b.add(names.ACTUAL, signed).offset)
    centre = 0.0 if baseline is None or baseline.actual_mean is None else baseline.actual_mean
    magnitude = None
    if baseline is not None and isinstance(baseline.error_edges, list) and baseline.error_edges:
        # The same family for every version, with the bounds that this one's baseline froze.
        magnitude = b.add(replace(names.ERROR_MAGNITUDE, buckets=tuple(baseline.error_edges)), [mv])
    return replace(
        cells, regression=tuple(offsets), centre=centre, largest=largest_deviation(baseline), magnitude=magnitude
    )


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
            (*mv, *row, class_, result) for row in cells.rows for class_ in classes for result in names.CLASS_RESULTS
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
        cells,
        score_uppers=uppers,
        score_bins=bins.offset,
        score_sums=sums.offset,
        estimated=estimated.offset,
        score_shares=np.array(score.observed_shares),
    )


def matrix_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that a multiclass confusion matrix tells apart; the last takes all others.

    Args:
        classes: the declared ones in the catalogue's order, "other" among them.
    """
    named = [name for name in classes if name != names.OTHER]
    return (*named[:MATRIX_CLASSES], names.OTHER)


def largest_deviation(baseline: Baseline | None) -> float:
    """Return how far from the centre a regression's prediction or actual may lie and still be summed.

    ``LARGEST_SPREADS`` times the range of the baseline's predictions; without a baseline, or where all its
    predictions were equal, ``LARGEST_WITHOUT_BASELINE``.
    """
    known = None if baseline is None else baseline.features.get(names.PREDICTION_FEATURE)
    if known is None or known.minimum is None or known.maximum is None or known.maximum <= known.minimum:
        return LARGEST_WITHOUT_BASELINE
    return LARGEST_SPREADS * (known.maximum - known.minimum)
