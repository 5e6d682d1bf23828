"""The house's rules for dashboards, on each of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from plumbline import names
from plumbline_dashboards.listing import all_panels

Dashboard = dict[str, Any]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.fixture(params=sorted(names.DASHBOARD_UIDS))
def dashboard(request: pytest.FixtureRequest, dashboards: dict[str, Dashboard]) -> Dashboard:
    return dashboards[names.DASHBOARD_UIDS[request.param]]


@pytest.fixture(params=sorted(set(names.DASHBOARD_UIDS) - set(names.STORE_DASHBOARDS)))
def promql(request: pytest.FixtureRequest, dashboards: dict[str, Dashboard]) -> Dashboard:
    """A dashboard that asks Prometheus; those over the store are looked at in test_store.py."""
    return dashboards[names.DASHBOARD_UIDS[request.param]]


def with_rows(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    """Rows, panels, and the panels of closed rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def test_ids_are_set_and_unique(dashboard: Dashboard) -> None:
    ids = [panel["id"] for panel in with_rows(dashboard)]
    assert all(i > 0 for i in ids)
    assert len(set(ids)) == len(ids)


def test_panels_lie_within_the_grid_and_do_not_overlap(dashboard: Dashboard) -> None:
    # A closed row's panels take their place when it opens, so each group is looked at by itself.
    groups = [dashboard["panels"], *(p["panels"] for p in dashboard["panels"] if p.get("panels"))]
    for group in groups:
        boxes = [panel["gridPos"] for panel in group]
        for box in boxes:
            assert box["x"] >= 0
            assert box["w"] > 0
            assert box["h"] > 0
            assert box["x"] + box["w"] <= 24
        for a, b in itertools.combinations(boxes, 2):
            apart = (
                a["x"] + a["w"] <= b["x"]
                or b["x"] + b["w"] <= a["x"]
                or a["y"] + a["h"] <= b["y"]
                or b["y"] + b["h"] <= a["y"]
            )
            assert apart, (a, b)


def test_closed_rows_hold_their_panels_and_open_rows_none(dashboard: Dashboard) -> None:
    for row in (p for p in dashboard["panels"] if p["type"] == "row"):
        assert row["collapsed"] == bool(row["panels"]), row["title"]


def test_every_panel_says_what_it_shows(dashboard: Dashboard) -> None:
    for panel in all_panels(dashboard):
        assert panel["title"]
        assert len(panel["description"]) >= 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_titles_are_unique_but_for_a_number_beside_its_graph(dashboard: Dashboard) -> None:
    seen = [(panel["type"], panel["title"]) for panel in all_panels(dashboard)]
    assert len(set(seen)) == len(seen)


def test_every_panel_and_query_uses_the_one_data_source(promql: Dashboard) -> None:
    variables = promql["templating"]["list"]
    assert [v["name"] for v in variables if v["type"] == "datasource"] == ["datasource"]
    for holder in (*with_rows(promql), *promql["annotations"]["list"]):
        assert holder["datasource"] == DATASOURCE
    for panel in all_panels(promql):
        assert panel["targets"]
        assert all(target["datasource"] == DATASOURCE for target in panel["targets"])


def test_query_refs_are_unique_within_a_panel(dashboard: Dashboard) -> None:
    for panel in all_panels(dashboard):
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]


def test_overrides_and_columns_name_what_exists(promql: Dashboard) -> None:
    for panel in all_panels(promql):
        refs = {target["refId"] for target in panel["targets"]}
        legends = {target.get("legendFormat") for target in panel["targets"]}
        shown: set[str] = set()
        for step in panel.get("transformations", ()):
            shown |= set(step["options"].get("renameByName", {}).values())
            for field in step["options"].get("renameByName", {}):
                if ref := re.fullmatch(r"Value #(\w+)", field):
                    assert ref.group(1) in refs, (panel["title"], field)
        for override in panel["fieldConfig"]["overrides"]:
            known = {"byFrameRefID": refs, "byName": shown}[override["matcher"]["id"]]
            assert override["matcher"]["options"] in known, panel["title"]
            for found in override["properties"]:
                if found["id"] == "custom.fillBelowTo":
                    assert found["value"] in legends, panel["title"]


def test_rates_use_grafanas_interval_or_a_window(promql: Dashboard) -> None:
    for panel in all_panels(promql):
        for target in panel["targets"]:
            for found in re.findall(r"\[([^\]:]+)(?::1m)?\]", target["expr"]):
                assert found in {"$__rate_interval", "$__range", "${window}", "${drift_window}"}, target["expr"]


def test_what_is_shown_of_a_chosen_model_is_of_that_model(promql: Dashboard) -> None:
    if "model" not in {variable["name"] for variable in promql["templating"]["list"]}:
        pytest.skip("no model is chosen")
    stems = {m.name for m in names.METRICS.values() if "model" in m.labels}
    stems |= {r.stem for r in names.RECORDED if "model" in r.labels}
    series = re.compile(
        r"(?<![\w:])([a-z]\w*(?::\w+){0,2}?)(?:_\$\{\w+\})?"
        r"(\{[^{}]*\}|)(?=[\s()\[,]|$)"
    )
    asked = [
        (panel["title"], found.group(1), found.group(2))
        for panel in all_panels(promql)
        for target in panel.get("targets", ())
        for found in series.finditer(target["expr"])
        if re.sub(r"_(bucket|count|sum|life|[0-9]+[smhd])$", "", found.group(1)) in stems
    ]
    assert asked
    assert [one for one in asked if not re.search(r'model=~?"\$model"', one[2])] == []


def test_variables_follow_the_time_range_and_are_used(promql: Dashboard) -> None:
    text = "".join(t["expr"] for p in all_panels(promql) for t in p["targets"])
    repeats = {panel.get("repeat") for panel in all_panels(promql)}
    for variable in promql["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "query":
            assert variable["refresh"] == 2
        if name != "datasource":
            assert f"${name}" in text or f"${{{name}}}" in text or name in repeats, name


def test_nobody_edits_what_is_generated(dashboard: Dashboard) -> None:
    assert dashboard["editable"] is False
    assert "id" not in dashboard or dashboard["id"] is None


def test_dashboards_link_to_each_other_with_their_variables(dashboard: Dashboard) -> None:
    assert dashboard["tags"] == ["plumbline"]
    [pages] = [link for link in dashboard["links"] if link["type"] == "dashboards"]
    assert pages["tags"] == ["plumbline"]
    assert pages["includeVars"]
    assert pages["keepTime"]
    # The SDK's default hides links and annotations in a menu.
    assert not any(shown["placement"] for shown in (*dashboard["links"], *dashboard["annotations"]["list"]))


def test_deployments_and_alerts_are_marked(promql: Dashboard) -> None:
    marks = {mark["name"]: mark for mark in promql["annotations"]["list"]}
    assert names.MODEL_DEPLOYED.name in marks["Deployments"]["expr"]
    # The series' value is the time of the deployment, in the milliseconds that Grafana expects.
    assert marks["Deployments"]["useValueForTime"] is True
    assert "* 1000" in marks["Deployments"]["expr"]
    assert "ALERTS" in marks["Alerts"]["expr"]


def test_gaps_of_loaded_history_are_bridged_and_longer_ones_seen(dashboard: Dashboard) -> None:
    for panel in all_panels(dashboard):
        if panel["type"] == "timeseries":
            span = panel["fieldConfig"]["defaults"]["custom"]["spanNulls"]
            assert 3_600_000 < span < 2 * 3_600_000
