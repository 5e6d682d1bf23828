"""Panel: actual against predicted classes."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import grid, rows

_BY_CLASS = {"columnField": "predicted", "rowField": "actual", "valueField": "Value"}


def matrix(title: str, note: str, empty: str) -> table.Panel:
    """Return the confusion matrix of the version.

    Args:
        title: of the panel.
        note: follows what every matrix says of itself in the description.
        empty: shown for models that have none.
    """
    described = f"Mature outcomes within the window: rows are actual, columns predicted classes.{note}"
    panel = grid(title, described, "short", [])
    panel = panel.transformations([DataTransformerConfig(id_val="groupingToMatrix", options=_BY_CLASS)])
    expr = q.increase(names.CONFUSION, ("actual", "predicted"), f"{q.VERSION}, {q.ALL_ROWS}")
    return panel.decimals(0).no_value(empty).with_target(rows(expr))
