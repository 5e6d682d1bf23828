"""The dashboards' variables: what a reader may choose, refreshed with the time range."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from plumbline_dashboards.panels import DATASOURCE

ALL_VALUES = ".+"


def datasource() -> dashboard.DatasourceVariable:
    """The Prometheus that all panels ask."""
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def one(
    name: str, label: str, metric: str, description: str, *, newest: bool = False
) -> dashboard.QueryVariable:
    """One value of the Prometheus label ``name``; the first by default, or the last in order."""
    order = VariableSort.NATURAL_DESC if newest else VariableSort.ALPHABETICAL_ASC
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(DATASOURCE)
        .query(f"label_values({metric}, {name})")
        .definition(f"label_values({metric}, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(order)
        .multi(False)
        .include_all(False)
    )


def several(name: str, label: str, metric: str, description: str) -> dashboard.QueryVariable:
    """Any number of values of the Prometheus label ``name``; all by default."""
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        one(name, label, metric, description)
        .multi(True)
        .include_all(True)
        .all_value(ALL_VALUES)
        .current(everything)
    )


def window(name: str, windows: Sequence[str], default: str) -> dashboard.CustomVariable:
    """One of the windows over which the rules record."""
    return (
        dashboard.CustomVariable(name)
        .label("Window")
        .description("How much history each point sums up; the recording rules offer these.")
        .values(",".join(windows))
        .options([VariableOption(selected=w == default, text=w, value=w) for w in windows])
        .current(VariableOption(selected=True, text=default, value=default))
        .multi(False)
        .include_all(False)
    )
