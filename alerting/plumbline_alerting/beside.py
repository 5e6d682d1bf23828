"""Recording rules of a slice value's probability scores and squared errors beside the rest of its model.

Reads the recorded increases of one window; writes ``names.R_QUALITY_REST``: Brier and log-loss, or RMSE and
R2, of all rows but those of a slice value, whose own stand in ``names.R_QUALITY``. Shown, without an interval
and without an alert: their standard errors need sums of fourth powers, which are not counted
(docs/adr/0029).
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import LATER, MV, SLICE, matching
from plumbline_alerting.sums import ROUNDING, Sums, sound
from plumbline_alerting.windows import Window


def rest_of(total: str) -> str:
    """Return the sum over all rows of a model but those of each slice value.

    Args:
        total: PromQL by slice and value, with ``LATER`` for a matcher that chooses slices.
    """
    own, every = total.replace(LATER, f'slice!="{names.ALL}"'), total.replace(LATER, f'slice="{names.ALL}"')
    return f"-1 * ({own}) + on ({MV}) group_left () sum by ({MV}) ({every})"


def rules(window: Window, catalogue: Catalogue) -> Iterable[Rule]:
    """Return the rules of one window, for the models that declare slices."""
    scored = [name for name, m in catalogue.models.items() if m.slices and m.task != "regression"]
    numbers = [name for name, m in catalogue.models.items() if m.slices and m.task == "regression"]
    if scored:
        yield from _scores(window, scored)
    if numbers:
        yield from _errors(window, numbers)


def _rest(window: Window, models: list[str], metric: names.Metric, extra: str = "") -> str:
    matchers = f"{LATER}, {matching('model', models)}{extra}"
    return f"({rest_of(f'sum by ({SLICE}) ({Sums(window.name).of(metric)}{{{matchers}}})')})"


def _positive(sum_: str) -> str:
    """A sum of what cannot be negative: absent where corrections of older outcomes made it so."""
    return f"clamp_min({sum_} >= -{ROUNDING}, 0)"


def _rule(window: Window, metric: str, expr: str) -> Rule:
    # Neither the whole nor the slice value may be absurd; the rest's own sums are looked at where they stand.
    expr = sound(window, sound(window, expr), whole=True)
    return Rule(record=names.R_QUALITY_REST.over(window.name), expr=expr, labels={"metric": metric})


def _scores(window: Window, models: list[str]) -> Iterable[Rule]:
    n = f"({_rest(window, models, names.SCORED)} > 0)"
    for metric, sums in (("brier", names.SQUARED_SCORE_ERROR), ("log_loss", names.LOG_LOSS)):
        yield _rule(window, metric, f"{_positive(_rest(window, models, sums))}\n/ {n}")


def _errors(window: Window, models: list[str]) -> Iterable[Rule]:
    n = f"({_rest(window, models, names.REGRESSION)} > 0)"
    squares = _positive(_rest(window, models, names.SQUARED_ERROR))
    above, below = (_rest(window, models, names.ACTUAL, f', sign="{sign}"') for sign in names.SIGNS)
    spread = f"(({_rest(window, models, names.ACTUAL_SQUARED)} - ({above} - {below}) ^ 2 / {n}) > 0)"
    yield _rule(window, "rmse", f"sqrt({squares}\n/ {n})")
    yield _rule(window, "r2", f"1 - {squares}\n/ {spread}")
