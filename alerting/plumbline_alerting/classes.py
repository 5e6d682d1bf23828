"""Recording rules of the single classes of a multiclass model, and their means.

Reads the increases of ``ml_class_outcomes_total`` of one window.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import SLICE
from plumbline_alerting.sums import Sums, value_rule
from plumbline_alerting.windows import Window


def rules(window: Window) -> Iterable[Rule]:
    """Precision, recall and F1 of each class of a multiclass model, their plain means, and micro F1.

    A mean is over the classes that have a value: precision of those predicted, recall of those that
    occurred, F1 of those that did either. With one class per prediction every wrong one is a false
    positive of one class and a false negative of another, so micro precision, recall and F1 all equal
    the accuracy; it is recorded under its own name for those who look for it.
    """
    counts = Sums(window.name).of(names.CLASS_OUTCOMES)
    by = f"{SLICE}, class"

    def cells(result: str) -> str:
        return f"sum by ({by}) ({counts}{{result{result}}})"

    hits, called, actual = cells('="hit"'), cells('!="false_negative"'), cells('!="false_positive"')
    for metric, expr in (
        ("precision", f"{hits}\n/ ({called} > 0)"),
        ("recall", f"{hits}\n/ ({actual} > 0)"),
        ("f1", f"2 * {hits}\n/ (({called} + {actual}) > 0)"),
    ):
        yield Rule(record=names.R_CLASS_QUALITY.over(window.name), expr=expr, labels={"metric": metric})
        per_class = f'{names.R_CLASS_QUALITY.over(window.name)}{{metric="{metric}"}}'
        yield value_rule(window, f"macro_{metric}", f"avg by ({SLICE}) ({per_class})")
    hits, n = (f"sum by ({SLICE}) ({counts}{{result{r}}})" for r in ('="hit"', '!="false_positive"'))
    yield value_rule(window, "micro_f1", f"{hits}\n/ ({n} > 0)")
