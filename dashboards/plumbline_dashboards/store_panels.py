"""Panels over the PostgreSQL store, with the house's defaults. The SDK has no queries in SQL: here is one."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from plumbline_dashboards.panels import graph, stacked

# The name of Grafana's built-in data source; "postgres" before Grafana 10.2, which it still knows.
STORE = DataSourceRef(type_val="grafana-postgresql-datasource", uid="${store}")


class Sql(variants.Dataquery, Builder[variants.Dataquery]):
    """A query in SQL; its own builder.

    Args:
        sql: the query.
        ref: name of the query within its panel.
        series: whether it returns lines over time, and not a table.
    """

    def __init__(self, sql: str, ref: str = "A", *, series: bool = False) -> None:
        self.sql = sql
        self.ref_id = ref
        self.format = "time_series" if series else "table"

    def build(self) -> Sql:
        """Return itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """Return what Grafana stores of it."""
        return {
            "refId": self.ref_id,
            "datasource": STORE,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
        }


def listing(
    title: str,
    description: str,
    sql: str,
    links: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    *,
    empty: str = "Nothing",
    height: int = 6,
) -> table.Panel:
    """A table with the columns of a query, in its order.

    Args:
        title: of the panel.
        description: of the panel.
        sql: the query.
        links: column -> address that its cells lead to.
        units: column -> Grafana's unit of its numbers.
        empty: what to say where the query finds nothing.
        height: in grid rows.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(STORE)
        .unit("none")
        .no_value(empty)
        .height(height)
        .span(24)
        .with_target(Sql(sql))
    )
    for column, address in (links or {}).items():
        shown = [{"title": f"Open {column}", "url": address}]
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val="links", value=shown)])
    for column, unit in (units or {}).items():
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def lines(title: str, description: str, sql: str) -> timeseries.Panel:
    """Counts over time, stacked."""
    panel = stacked(graph(title, description, "short")).datasource(STORE).min(0)
    return panel.span(24).with_target(Sql(sql, series=True))
