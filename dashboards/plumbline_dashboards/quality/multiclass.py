"""Panels of multiclass models: each class, and which are mistaken for which."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import Column, grid, result, sized
from plumbline_dashboards.quality.matrix import matrix

MULTICLASS_ONLY = "Only for multiclass models: choose one above"


def classes() -> table.Panel:
    """Precision, recall and F1 of each class."""
    true = f'{q.VERSION}, {q.ALL_ROWS}, result!="false_positive"'

    def of(metric: str) -> str:
        chosen = q.pick(names.R_CLASS_QUALITY, f'{q.VERSION}, {q.ALL_ROWS}, metric="{metric}"')
        return q.by("max", ("class",), chosen)

    panel = grid(
        "Classes",
        "Of mature outcomes within the window. A class that was never predicted has no precision, one that "
        "never occurred no recall. Micro F1 of all classes is the accuracy.",
        "percentunit",
        [
            Column("class", "Class"),
            result(of("precision"), "Precision", "percentunit"),
            result(of("recall"), "Recall", "percentunit"),
            result(of("f1"), "F1", "percentunit"),
            result(q.increase(names.CLASS_OUTCOMES, ("class",), true), "Outcomes", "short"),
        ],
    )
    return sized(panel.no_value(MULTICLASS_ONLY), 12, 12)


def class_matrix() -> table.Panel:
    """Which classes are mistaken for which."""
    note = " The first twenty of the catalogue; the rest together are other."
    return sized(matrix("Confusion of the classes listed first", note, MULTICLASS_ONLY), 12, 12)
