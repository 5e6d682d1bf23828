"""The dashboards' variables: what a reader may choose, refreshed with the time range."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from plumbline import names
from plumbline_dashboards.panels import DATASOURCE
from plumbline_dashboards.store_panels import STORE

ALL_VALUES = ".+"


def datasource() -> dashboard.DatasourceVariable:
    """The Prometheus that all panels ask."""
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def store() -> dashboard.DatasourceVariable:
    """The PostgreSQL store. Not named as Prometheus is: links between pages carry variables along."""
    return dashboard.DatasourceVariable("store").label("Store").type(str(STORE.type_val))


def of_store(name: str, label: str, sql: str, description: str) -> dashboard.QueryVariable:
    """Any number of values that a query over the store returns; all by default.

    "All" stands for the list of them: a value for all of them would go into the SQL unquoted.
    """
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(STORE)
        .query(sql)
        .definition(sql)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(everything)
    )


def choice(name: str, label: str, values: Sequence[str], description: str) -> dashboard.CustomVariable:
    """Any number of some fixed values; all by default."""
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .description(description)
        .values(",".join(values))
        .options([VariableOption(selected=False, text=v, value=v) for v in values])
        .current(everything)
        .multi(True)
        .include_all(True)
    )


def words(name: str, label: str, description: str) -> dashboard.TextBoxVariable:
    """A box to write into; empty at first."""
    empty = VariableOption(selected=True, text="", value="")
    return (
        dashboard.TextBoxVariable(name)
        .label(label)
        .description(description)
        .default_value("")
        .current(empty)
        .options([empty])
    )


def one(name: str, label: str, metric: str, description: str, *, newest: bool = False) -> dashboard.QueryVariable:
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
    return one(name, label, metric, description).multi(True).include_all(True).all_value(ALL_VALUES).current(everything)


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


def model_version() -> tuple[dashboard.QueryVariable, dashboard.QueryVariable]:
    """A model and one of its versions, the newest at first: what the pages about one version begin with."""
    return (
        one("model", "Model", names.MODEL_INFO.name, "Model to show."),
        one("version", "Version", f'{names.MODEL_INFO.name}{{model="$model"}}', "Version to show.", newest=True),
    )
