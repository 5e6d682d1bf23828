"""Counts a trial: losses of a canary and of the production version beside it, since both were deployed.

A loss is 1 for a failed answer or a wrong class, and the absolute error of a regression. Sums of the loss and
of its square are all that a comparison of means needs. A shadow answers the same requests as production, so
their answers are compared pair by pair as well: who was right where the other was wrong, or closer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.counting.judged import Judged, Pair
from plumbline.counting.quality import compare_classes
from plumbline.events.kinds import ClassOrNumber
from plumbline.layout.quality import QualityCells
from plumbline.layout.trials import TrialCells
from plumbline.values import same_category

Floats = npt.NDArray[np.float64]

_FAILED, _OUTCOME = 0, 1  # places in TrialCells.losses


def count_answers(at: TrialCells, cells: Floats, arm: str, failed: int, answers: int) -> None:
    """Add answers of an arm, of which some failed."""
    losses = np.zeros(answers)
    losses[:failed] = 1.0
    _add(at, cells, arm, _FAILED, losses)


def count_losses(at: TrialCells, q: QualityCells, cells: Floats, arm: str, judged: Sequence[Judged]) -> None:
    """Add mature outcomes of an arm; those that quality leaves out are left out here, too."""
    pairs = [(j.prediction, j.actual) for j in judged if q.why_excluded(j.prediction, j.actual) is None]
    if at.losses[_OUTCOME] == names.ABSOLUTE:
        losses = np.abs(np.array([float(p) - float(a) for p, a in pairs]))
    else:
        losses = (~compare_classes(q, pairs)[2]).astype(np.float64)
    _add(at, cells, arm, _OUTCOME, losses)


def count_agreement(at: TrialCells, cells: Floats, pair: Pair) -> None:
    """Add a request that both versions have answered."""
    cells[at.agreements + (not same_category(pair.mine, pair.theirs))] += 1


def count_better(at: TrialCells, q: QualityCells, cells: Floats, pair: Pair, actual: ClassOrNumber) -> None:
    """Add a pair whose outcome is mature, if both answers can be judged."""
    answers = (pair.mine, pair.theirs)
    if any(q.why_excluded(answer, actual) is not None for answer in answers):
        return
    if at.losses[_OUTCOME] == names.ABSOLUTE:
        mine, theirs = (abs(float(answer) - float(actual)) for answer in answers)
    else:
        mine, theirs = (not same for same in compare_classes(q, [(answer, actual) for answer in answers])[2])
    better = "neither" if mine == theirs else "shadow" if mine < theirs else "production"
    cells[at.better + names.BETTER.index(better)] += 1


def _add(at: TrialCells, cells: Floats, arm: str, loss: int, losses: Floats) -> None:
    place = at.cell(arm, loss)
    cells[at.samples + place] += len(losses)
    cells[at.sums + place] += losses.sum()
    cells[at.squares + place] += (losses**2).sum()
