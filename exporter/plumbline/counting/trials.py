"""Counts a trial: losses of a canary and of the production version beside it, since both were deployed.

A loss is 1 for a failed answer or a wrong class, and the absolute error of a regression. Sums of the loss and
of its square are all that a comparison of means needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.counting.quality import Judged
from plumbline.events import ClassOrNumber
from plumbline.layout import QualityCells, TrialCells

Floats = npt.NDArray[np.float64]

_FAILED, _OUTCOME = 0, 1  # places in TrialCells.losses


def count_answers(at: TrialCells, cells: Floats, arm: str, failed: int, answers: int) -> None:
    """Add answers of an arm, of which some failed."""
    losses = np.zeros(answers)
    losses[:failed] = 1.0
    _add(at, cells, arm, _FAILED, losses)


def count_losses(at: TrialCells, q: QualityCells, cells: Floats, arm: str, judged: Sequence[Judged]) -> None:
    """Add mature outcomes of an arm; those that quality cannot count are left out here, too."""
    if at.losses[_OUTCOME] == names.ABSOLUTE:
        losses = np.array([_distance(j.prediction, j.actual) for j in judged])
        losses = losses[~np.isnan(losses)]
    else:
        codes = q.codes or {}
        unknown = len(q.classes) - 1 if q.open_ended else -1
        pairs = [(codes.get(j.prediction, unknown), codes.get(j.actual, unknown)) for j in judged]
        losses = np.array([float(p != a) for p, a in pairs if p >= 0 and a >= 0])
    _add(at, cells, arm, _OUTCOME, losses)


def _distance(predicted: ClassOrNumber, actual: ClassOrNumber) -> float:
    numbers = [
        float(v) for v in (predicted, actual) if isinstance(v, int | float) and not isinstance(v, bool)
    ]
    return abs(numbers[0] - numbers[1]) if len(numbers) == 2 else float("nan")


def _add(at: TrialCells, cells: Floats, arm: str, loss: int, losses: Floats) -> None:
    place = at.cell(arm, loss)
    cells[at.samples + place] += len(losses)
    cells[at.sums + place] += losses.sum()
    cells[at.squares + place] += (losses**2).sum()
