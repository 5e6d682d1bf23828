from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile
from plumbline_dashboards.listing import MAY_BE_EMPTY, PanelQuery, fill, panel_queries

ROOT = Path(__file__).parents[2]

# Series of others that panels may ask for.
FOREIGN = {"ALERTS", "up", "scrape_duration_seconds"}
FOREIGN_PREFIXES = ("prometheus_", "alertmanager_")
# A word is a metric if a selector, a range or an operator follows it and it is no label in a matcher or
# in a list of labels; PromQL has no shorter truth than its own parser, so those are cut out first.
LABEL_LIST = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)")
MATCHERS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\boffset \w+")
WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
NOT_METRICS = {
    "sum",
    "max",
    "min",
    "count",
    "topk",
    "sort_desc",
    "rate",
    "increase",
    "histogram_quantile",
    "time",
    "vector",
    "and",
    "or",
    "unless",
    "by",
    "label_replace",
    "count_over_time",
}


@pytest.fixture(scope="session")
def entries(files: list[GeneratedFile]) -> list[dict[str, Any]]:
    [listing] = [f.content for f in files if f.path == "dashboards/queries.json"]
    return list(json.loads(listing))


def metrics_of(expr: str) -> set[str]:
    """Names of the series that an expression asks for."""
    bare = re.sub(r'"[^"]*"', '""', MATCHERS.sub(" ", LABEL_LIST.sub(" ", expr)))
    return {word for word in WORD.findall(bare) if word not in NOT_METRICS}


def test_the_helper_finds_the_names_of_series() -> None:
    expr = 'sum by (le) (rate(a_bucket{x="y"}[5m])) / on (le) group_left () (b:c:d_1h > 0) or label_replace(vector(0), "l", "t", "", "")'
    assert metrics_of(expr) == {"a_bucket", "b:c:d_1h"}


def test_every_query_of_every_panel_is_listed(
    entries: list[dict[str, Any]], dashboards: dict[str, dict[str, Any]]
) -> None:
    listed = [(e["dashboard"], e["panel"], e["ref"]) for e in entries]
    expected = [(q.dashboard, q.panel, q.ref) for d in dashboards.values() for q in panel_queries(d)]
    assert sorted(listed) == sorted(expected)
    assert len(listed) > 100


def test_promtool_parses_every_query(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    rules = [{"record": f"panel:query:{i}", "expr": entry["expr"]} for i, entry in enumerate(entries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(entries)} rules found" in done.stdout


def test_promtool_parses_every_annotation(dashboards: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    marks = [mark["expr"] for d in dashboards.values() for mark in d["annotations"]["list"]]
    rules = [{"record": f"mark:query:{i}", "expr": fill(e, "1d", "15s")} for i, e in enumerate(marks)]
    path = tmp_path / "marks.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "marks", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_series_asked_for_is_exposed_or_recorded(entries: list[dict[str, Any]], catalogue: Catalogue) -> None:
    evaluation = catalogue.evaluation
    recorded = {r.over(w) for r in names.RECORDED for w in {*evaluation.drift, *evaluation.quality, "life"}}
    exposed = set(names.METRICS)
    histograms = {m.name for m in names.METRICS.values() if m.kind == "histogram"}
    exposed |= {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    for entry in entries:
        for name in metrics_of(entry["expr"]):
            foreign = name in FOREIGN or name.startswith(FOREIGN_PREFIXES)
            assert name in exposed | recorded or foreign, (entry["panel"], name)


def test_drift_is_asked_over_drift_windows_and_the_rest_over_quality_windows(
    dashboards: dict[str, dict[str, Any]], catalogue: Catalogue
) -> None:
    # The rules record drift and quality over different lists of windows.
    for dashboard in dashboards.values():
        for variable in dashboard["templating"]["list"]:
            if variable["name"] == "drift_window":
                assert tuple(o["value"] for o in variable["options"]) == catalogue.evaluation.drift
            if variable["name"] == "window":
                assert tuple(o["value"] for o in variable["options"]) == catalogue.evaluation.quality
        for query in panel_queries(dashboard):
            for recorded in names.RECORDED:
                of_features = recorded.stem.startswith("feature")
                if f"{recorded.stem}_${{" in query.expr:
                    wanted = "drift_window" if of_features else "window"
                    assert f"{recorded.stem}_${{{wanted}}}" in query.expr, query


def test_the_committed_rules_record_every_series_that_a_reader_can_choose(
    dashboards: dict[str, dict[str, Any]],
) -> None:
    recorded = {
        rule.get("record")
        for path in sorted((ROOT / "prometheus/rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    }
    assert recorded
    for dashboard in dashboards.values():
        variables = dashboard["templating"]["list"]
        offered = [o["value"] for v in variables if "window" in v["name"] for o in v["options"]]
        for query in panel_queries(dashboard):
            for window in offered or ["1d"]:
                asked = {name for name in metrics_of(fill(query.expr, window, "15s")) if ":" in name}
                assert asked <= recorded, (query.panel, asked - recorded)


def test_panels_that_may_be_empty_exist_and_are_few(dashboards: dict[str, dict[str, Any]]) -> None:
    panels = {(q.dashboard, q.panel) for d in dashboards.values() for q in panel_queries(d)}
    assert set(MAY_BE_EMPTY) <= panels
    assert len(set(MAY_BE_EMPTY.values())) <= len(panels) // 15  # reasons


def test_filling_in_matches_every_label_value() -> None:
    assert fill('a{model="$model", x=~"$stage", y="$"}[$__rate_interval]', "1d", "15s") == (
        'a{model=~".+", x=~".+", y="$"}[1m]'
    )
    assert fill("a_${window} + b_${drift_window}", "6h", "15s") == "a_6h + b_6h"


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\$unheard"):
        fill("rate(a[$unheard])", "1d", "15s")


def test_queries_of_closed_rows_are_found() -> None:
    target = {"refId": "A", "expr": "up"}
    inner = {"type": "stat", "title": "inner", "targets": [target]}
    outer = {"type": "stat", "title": "outer", "targets": [target]}
    dashboard = {"uid": "d", "panels": [{"type": "row", "title": "row", "panels": [inner]}, outer]}
    assert panel_queries(dashboard) == [PanelQuery("d", "inner", "A", "up"), PanelQuery("d", "outer", "A", "up")]


def test_a_panel_that_shows_the_early_view_says_so_in_its_title(entries: list[dict[str, Any]]) -> None:
    early = [e["panel"] for e in entries if "early" in e["expr"]]
    assert len(early) == 2
    assert all("Early" in title for title in early)
