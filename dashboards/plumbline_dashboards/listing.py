"""Every panel's query, as text that a Prometheus accepts: for tests, for the demo, for the curious.

Reads finished dashboard JSON and writes the rows of ``dashboards/queries.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from plumbline import names
from plumbline.catalogue.model import Evaluation
from plumbline.units import format_duration, parse_duration
from plumbline_dashboards.quality import binary
from plumbline_dashboards.queries import DRIFT_WINDOW, RANGE, RATE, WINDOW
from plumbline_dashboards.variables import ALL_VALUES


class PanelQuery(NamedTuple):
    """One query of one panel, Grafana's variables still in it."""

    dashboard: str
    panel: str
    ref: str
    expr: str


# Panels whose queries may rightly return nothing; each with its reason. Keep it small.
MAY_BE_EMPTY: dict[tuple[str, str], str] = {
    (names.DASHBOARD_UIDS["fleet"], "Firing alerts"): "no alert fires",
    (names.DASHBOARD_UIDS["fleet"], "Alerts begun"): "no alert fires",
    (
        names.DASHBOARD_UIDS["drift"],
        "Served values that differ from recomputed ones",
    ): "only where training code recomputes features and skew events say so",
    **{
        (names.DASHBOARD_UIDS["trials"], panel): "only once a canary or shadow runs beside production"
        for panel in (
            "Canary or shadow beside production",
            "Canary minus production",
            "Evidence that the two differ",
            "Shadow beside production, pair by pair",
        )
    },
    **{
        (names.DASHBOARD_UIDS["quality"], panel): "only once the estimate is one maturity old"
        for panel in (binary.ESTIMATED, binary.ESTIMATE_ERROR)
    },
    (names.DASHBOARD_UIDS["exporter"], "Notifications"): "nothing was sent within the rate's window, or none failed",
    (names.DASHBOARD_UIDS["exporter"], "Time to evaluate the rules"): (
        "only where Prometheus scrapes itself, and after the first evaluation"
    ),
}

_MATCHER = re.compile(r'(?<![!=])=~?"\$(\w+)"')
_LEFTOVER = re.compile(r"\$\{?\w+")


def panel_queries(dashboard: Mapping[str, Any]) -> list[PanelQuery]:
    """Return every PromQL query of a dashboard, those of closed rows included, in the order of the panels."""
    return [
        PanelQuery(dashboard["uid"], panel["title"], target["refId"], target["expr"])
        for panel in all_panels(dashboard)
        for target in panel.get("targets", ())
        if "expr" in target
    ]


def all_panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every panel that is not a row, those of closed rows included."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", ())
        else:
            yield panel


def fill(expr: str, window: str, scrape_interval: str) -> str:
    """Replace Grafana's variables: every label value matches, the rate's range is Grafana's own.

    Args:
        expr: PromQL with variables.
        window: for ``${window}`` and ``${drift_window}``.
        scrape_interval: the data source's; ``$__rate_interval`` is four times that.

    Raises:
        ValueError: if a variable is left that has no value here.
    """
    four_scrapes = format_duration(4 * parse_duration(scrape_interval))
    filled = _MATCHER.sub(f'=~"{ALL_VALUES}"', expr)
    for name, value in (
        (WINDOW, window),
        (DRIFT_WINDOW, window),
        (RATE, four_scrapes),
        (RANGE, "1d"),
        ("$__interval", scrape_interval),
    ):
        filled = filled.replace(name, value)
    if left := _LEFTOVER.search(filled):
        raise ValueError(f"{left.group()} has no value outside Grafana, in: {expr}")
    return filled


def default_window(dashboard: Mapping[str, Any], evaluation: Evaluation) -> str:
    """Return the window that a dashboard opens with."""
    for variable in dashboard["templating"]["list"]:
        if f"${{{variable['name']}}}" in (WINDOW, DRIFT_WINDOW):
            return str(variable["current"]["value"])
    return evaluation.slow


def query_listing(dashboards: Sequence[Mapping[str, Any]], evaluation: Evaluation) -> str:
    """Return ``queries.json``: what each panel asks, filled in, and why it may get no answer."""
    entries = [
        {
            "dashboard": found.dashboard,
            "panel": found.panel,
            "ref": found.ref,
            "expr": fill(found.expr, default_window(dashboard, evaluation), evaluation.scrape_interval),
            "may_be_empty": MAY_BE_EMPTY.get((found.dashboard, found.panel)),
        }
        for dashboard in dashboards
        for found in panel_queries(dashboard)
    ]
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"
