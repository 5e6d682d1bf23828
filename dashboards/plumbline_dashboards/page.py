"""From builders to a dashboard: defaults, links, annotations, ids and places on the grid.

The SDK sets no panel ids, gives every row the id 0 and checks only a panel's own x, so ids and places
are assigned here, once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardCursorSync,
    DashboardLink,
    DashboardLinkType,
    GridPos,
    Panel,
    RowPanel,
    VariableModel,
)

from plumbline import names
from plumbline.catalogue.model import Catalogue, Links
from plumbline_dashboards import variables
from plumbline_dashboards.panels import BLUE, DATASOURCE, RED
from plumbline_dashboards.queries import OPEN, pick
from plumbline_dashboards.store_panels import STORE

TAG = "plumbline"
GRID_WIDTH = 24
# Links and annotations above the panels; the SDK's default files them away in a menu.
ON_TOP = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and its panels, placed from left to right.

    Attributes:
        title: heading.
        panels: builders, in reading order.
        collapsed: closed until the reader opens it; its queries wait too.
    """

    title: str
    panels: Sequence[Builder[Panel]]
    collapsed: bool = False


def page(
    name: str,
    title: str,
    description: str,
    choices: Sequence[Builder[VariableModel]],
    rows: Sequence[Row],
    catalogue: Catalogue,
    models: str = "",
    since: str = "now-24h",
    store: bool = False,
) -> Dashboard:
    """Assemble one dashboard.

    Args:
        name: key of ``names.DASHBOARD_UIDS``.
        title: shown after "Plumbline / ".
        description: what the page answers.
        choices: variables besides the data source.
        rows: content, from top to bottom.
        catalogue: for the links.
        models: selector of the models whose deployments and alerts are marked; empty = all.
        since: start of the time range that a reader finds.
        store: whether the panels ask the PostgreSQL store and not Prometheus.
    """
    source = variables.store() if store else variables.datasource()
    marks: list[Builder[AnnotationQuery]] = [] if store else [_deployments(models), _alerts(models)]
    builder = (
        builders.Dashboard(f"Plumbline / {title}")
        .uid(names.DASHBOARD_UIDS[name])
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time(since, "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables([source, *choices])
        .annotations(marks)
        .links(_links(catalogue.links))
    )
    made = builder.build()
    made.panels = _place(rows, STORE if store else DATASOURCE)
    return made


def to_json(made: Dashboard) -> str:
    """Return the classic dashboard JSON, the same bytes for the same dashboard."""
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _place(rows: Sequence[Row], source: DataSourceRef) -> list[Panel | RowPanel]:
    placed: list[Panel | RowPanel] = []
    number = 0
    y = 0
    for row in rows:
        number += 1
        heading = builders.Row(row.title).collapsed(row.collapsed).id(number)
        heading = heading.datasource(source).grid_pos(GridPos(h=1, w=GRID_WIDTH, x=0, y=y))
        header = heading.build()
        placed.append(header)
        below = y + 1
        panels, bottom = _flow([p.build() for p in row.panels], below)
        for panel in panels:
            number += 1
            panel.id_val = number
        if row.collapsed:
            # Grafana drops the panels of a row unless they are inside a closed row or after an open one.
            header.panels = panels
            y = below
        else:
            placed.extend(panels)
            y = bottom
    return placed


def _flow(panels: list[Panel], top: int) -> tuple[list[Panel], int]:
    x, y, tallest = 0, top, 0
    for panel in panels:
        size = panel.grid_pos or GridPos()
        if x + size.w > GRID_WIDTH:
            x, y, tallest = 0, y + tallest, 0
        panel.grid_pos = GridPos(h=size.h, w=size.w, x=x, y=y)
        x += size.w
        tallest = max(tallest, size.h)
    return panels, y + tallest


def _links(links: Links) -> list[Builder[DashboardLink]]:
    pages = (
        builders.DashboardLink("Plumbline")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .placement(ON_TOP)
        .include_vars(True)
        .keep_time(True)
    )
    outside = [("Prometheus", links.prometheus), ("Alertmanager", links.alertmanager), ("Exporter", links.exporter)]
    return [
        pages,
        *(
            builders.DashboardLink(title)
            .type(DashboardLinkType.LINK)
            .url(url)
            .icon("external link")
            .placement(ON_TOP)
            .target_blank(True)
            for title, url in outside
        ),
    ]


def _deployments(models: str) -> builders.AnnotationQuery:
    """Mark each deployment at the time that its series carries, not at the time of a sample."""
    deployed = pick(names.MODEL_DEPLOYED, models)
    return (
        builders.AnnotationQuery()
        .name("Deployments")
        .datasource(DATASOURCE)
        .enable(True)
        .placement(ON_TOP)
        .icon_color(BLUE)
        .expr(f"max by (model, version) ({deployed}) * 1000")
        .use_value_for_time(True)
        .title_format("{{model}} {{version}} deployed")
        .tag_keys("model,version")
        .step("1h")
    )


def _alerts(models: str) -> builders.AnnotationQuery:
    firing = pick("ALERTS", f"{OPEN}, {models}" if models else OPEN)
    return (
        builders.AnnotationQuery()
        .name("Alerts")
        .datasource(DATASOURCE)
        .enable(True)
        .placement(ON_TOP)
        .icon_color(RED)
        .expr(firing)
        .title_format("{{alertname}}")
        .text_format("{{severity}} {{model}} {{version}} {{feature}} {{pipeline}}")
        .tag_keys("severity,model")
        .step("1m")
    )
