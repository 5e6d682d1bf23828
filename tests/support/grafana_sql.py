"""What Grafana does to a SQL query before the database sees it.

Variables as its SQL data sources interpolate them (packages/grafana-sql, SqlDatasource.ts), then macros as the
PostgreSQL data source evaluates them (pkg/tsdb/grafana-postgresql-datasource/macros.go). Written after their
behaviour; nothing here asks the dashboards' own code.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")


def interpolate(sql: str, values: Mapping[str, str | list[str]]) -> str:
    """Fill variables in; a list is one with several values, or with "All"."""

    def value_of(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        assert not match[2], "a format of its own: none is needed, and sqlstring spoils double quotes"
        if name not in values:
            assert name.startswith("__"), f"${name} is no variable of the dashboard"
            return match[0]
        value = values[name]
        if isinstance(value, list):
            return ",".join("'" + one.replace("'", "''") + "'" for one in value)
        return value.replace("'", "''")

    return _VARIABLE.sub(value_of, sql)


def expand(sql: str, start: float, end: float) -> str:
    """Evaluate macros over a time range, epoch seconds."""

    def rfc3339(seconds: float) -> str:
        at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        return at.isoformat().replace("+00:00", "Z")

    def seconds_of(text: str) -> float:
        number, unit = re.fullmatch(r"'?(\d+)([smhd])'?", text).groups()  # type: ignore[union-attr]
        return float(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]

    def value_of(match: re.Match[str]) -> str:
        name, arguments = match[1], [one.strip() for one in match[2].split(",")]
        if name == "__timeFrom":
            return f"'{rfc3339(start)}'"
        if name == "__timeTo":
            return f"'{rfc3339(end)}'"
        if name == "__unixEpochFilter":
            return f"{arguments[0]} >= {int(start)} AND {arguments[0]} <= {int(end)}"
        if name == "__unixEpochGroupAlias":
            step = seconds_of(arguments[1])
            return f'floor(({arguments[0]})/{step:g})*{step:g} AS "time"'
        raise ValueError(f"unknown macro {name!r}")

    return _MACRO.sub(value_of, sql)


def as_grafana(sql: str, values: Mapping[str, str | list[str]], start: float, end: float, interval: str = "1m") -> str:
    """Return what the database is asked."""
    return expand(interpolate(sql, {**values, "__interval": interval}), start, end)


def sql_of(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Panel title, or variable name -> SQL."""
    found = {panel["title"]: panel["targets"][0]["rawSql"] for panel in dashboard["panels"] if panel["type"] != "row"}
    return found | {v["name"]: v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"}
