"""Where early outcomes and those of a version's first days are counted."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline import names
from plumbline.catalogue.model import Model
from plumbline.layout.section import LayoutBuilder


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


def place_young(b: LayoutBuilder, mv: tuple[str, str], model: Model) -> YoungCells:
    """Place the counters of a version's first day and week."""
    rows = [(*mv, age) for age in names.YOUNG_AGES]
    result = names.YOUNG_ABSOLUTE_ERROR if model.task == "regression" else names.YOUNG_CORRECT
    return YoungCells(b.add(names.YOUNG_OUTCOMES, rows).offset, b.add(result, rows).offset)


def place_early(b: LayoutBuilder, mv: tuple[str, str], model: Model) -> EarlyCells | None:
    """Place the counters of the early view; None for a model whose outcomes count at once."""
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
