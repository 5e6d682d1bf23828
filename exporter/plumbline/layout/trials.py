"""Where a canary or a shadow is counted beside the production version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plumbline import names
from plumbline.catalogue.model import Model
from plumbline.layout.section import LayoutBuilder
from plumbline.names import Metric


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


def place_trial(b: LayoutBuilder, mv: tuple[str, str], model: Model, of: TrialCells | None = None) -> TrialCells:
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
