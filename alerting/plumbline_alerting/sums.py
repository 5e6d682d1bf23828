"""What the rules of quality share: the recorded sums of a window by name, and the form of a rule.

Read by ``quality``, ``scores``, ``classes`` and ``errors``, each of which makes the rules of one kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV, SLICE, WHOLE, matching, quoted
from plumbline_alerting.windows import Window

NOTHING = 1e-9  # keeps a quotient finite where its numerator is 0 as well
ROUNDING = 1e-9  # what float64 may leave of a sum that was taken back whole
_SUMS = (
    names.ABSOLUTE_ERROR,
    names.SQUARED_ERROR,
    names.OVERPREDICTION,
    names.UNDERPREDICTION,
    names.SQUARED_SCORE_ERROR,
    names.LOG_LOSS,
)  # none of which can be negative


@dataclass(frozen=True, slots=True)
class Sums:
    """Names of the recorded increases of one window."""

    window: str

    def of(self, metric: names.Metric) -> str:
        """The increase of a counter."""
        return names.R_INCREASES[metric.name].over(self.window)

    def quality(self, metric: str) -> str:
        """The recorded value of a metric."""
        return f'{names.R_QUALITY.over(self.window)}{{metric="{metric}"}}'

    @property
    def samples(self) -> str:
        """The recorded number of mature outcomes."""
        return names.R_QUALITY_SAMPLES.over(self.window)


@dataclass(frozen=True, slots=True)
class Positive:
    """Models that share a positive class, as matchers of the confusion counts."""

    models: tuple[str, ...]
    name: str

    def cell(
        self, series: str, *, actual: bool | None = None, predicted: bool | None = None, more: Sequence[str] = ()
    ) -> str:
        """Sum of the cells where actual / predicted is (True) or is not (False) the positive class."""
        matchers = [*more, matching("model", self.models)]
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


def overdrawn(window: Window) -> Rule:
    """Slice values of which corrections of older outcomes took back more than the window had counted.

    A correction lands in the window in which it is counted, and what it takes back may have entered long
    before: a count or a sum of errors below 0 means that the window's quality means nothing. Since
    deployment, both are always in.
    """
    sums = Sums(window.name)
    # -0.5: an increase of 1 may be extrapolated to less
    below = [f"{sums.of(metric)} < -0.5" for metric in (names.CONFUSION, names.CLASS_OUTCOMES)]
    below += [f"{sums.of(metric)} < -{ROUNDING}" for metric in _SUMS]
    return Rule(
        record=names.R_OVERDRAWN.over(window.name), expr=f"group by ({SLICE}) (\n" + "\nor\n".join(below) + "\n)"
    )


def sound(window: Window, expr: str, *, whole: bool = False) -> str:
    """Leave out what corrections made meaningless; ``whole`` = the expression has no slice.

    A window of the whole life of a version is exact.
    """
    if math.isinf(window.seconds):
        return expr
    only, by = (f"{{{WHOLE}}}", MV) if whole else ("", SLICE)
    return f"(\n{expr}\n)\nunless on ({by}) {names.R_OVERDRAWN.over(window.name)}{only}"


def value_rule(window: Window, metric: str, expr: str, *, whole: bool = False) -> Rule:
    """The rule of a metric; ``whole`` = the expression has no slice, and is of all rows."""
    expr = sound(window, expr, whole=whole)
    labels = {"slice": names.ALL, "value": names.ALL} if whole else {}
    return Rule(record=names.R_QUALITY.over(window.name), expr=expr, labels={**labels, "metric": metric})


def stderr_rule(window: Window, metric: str, expr: str, *, whole: bool = False) -> Rule:
    """The rule of a metric's standard error."""
    labels = {"slice": names.ALL, "value": names.ALL} if whole else {}
    return Rule(record=names.R_QUALITY_STDERR.over(window.name), expr=expr, labels={**labels, "metric": metric})


def proportion(value: str, n: str) -> str:
    """Standard error of a share of n.

    clamp_min: rounding can leave a share of all a little above 1, and the root of less than 0 is NaN.
    """
    p = f"max by ({SLICE}) ({value})"
    return f"sqrt(clamp_min({p} * (1 - {p}), 0)\n/ on ({SLICE}) {n})"
