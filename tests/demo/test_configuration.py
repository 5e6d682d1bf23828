from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.demo.configuration import (
    EVALUATION,
    HISTORY_WINDOWS,
    demo_document,
    read_document,
    recording_rule_files,
    write_catalogue,
    write_generated,
)
from examples.demo.ports import Ports
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.errors import CatalogueError, UsageError
from plumbline.units import parse_duration

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "plumbline.yaml"
PORTS = Ports(prometheus=19001, alertmanager=19002, exporter=19003, receiver=19004, grafana=19005)
SPEED = 21 * 86400 / 240  # the demo's own: 21 days in 4 minutes


@pytest.fixture
def source() -> dict[str, Any]:
    return read_document(SOURCE)


@pytest.fixture
def document(source: dict[str, Any]) -> dict[str, Any]:
    return demo_document(source, PORTS, SPEED)


def test_demo_catalogue_is_valid_and_says_how_it_differs(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "plumbline.yaml"
    catalogue = write_catalogue(document, SOURCE, SPEED, path)
    assert catalogue == load_catalogue(path)
    assert set(catalogue.models) == {"flight_delay", "flight_late"}
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#")
    assert "time runs 7560 times faster" in text


def test_every_window_is_made_of_whole_rule_intervals_and_scrapes() -> None:
    interval, scrape = (parse_duration(EVALUATION["rule_interval"]), parse_duration(EVALUATION["scrape_interval"]))
    assert interval % scrape == 0
    windows = {*EVALUATION["drift"], *EVALUATION["quality"]}
    for window in windows:
        seconds = parse_duration(window)
        assert seconds % scrape == 0
        assert seconds >= 4 * scrape
        assert seconds >= interval
    for name in ("fast", "slow", "drift_alert"):
        assert EVALUATION[name] in windows
    assert set(HISTORY_WINDOWS) <= set(EVALUATION["drift"]) & set(EVALUATION["quality"])


def test_only_what_time_and_place_demand_is_changed(source: dict[str, Any], document: dict[str, Any]) -> None:
    changed = {key for key in source.keys() | document.keys() if source.get(key) != document.get(key)}
    assert changed == {"evaluation", "time_intervals", "owners", "models", "pipelines", "links", "targets"}
    for name, model in source["models"].items():
        other = copy.deepcopy(document["models"][name])
        other["outcome"]["maturity"] = model["outcome"]["maturity"]
        assert other == model
    for name, pipeline in source["pipelines"].items():
        same = {key: pipeline[key] for key in ("cadence", "freshness")}
        assert {**document["pipelines"][name], **same} == pipeline


def test_production_catalogue_is_left_as_it_was(source: dict[str, Any]) -> None:
    before = copy.deepcopy(source)
    demo_document(source, PORTS, SPEED)
    assert source == before


@pytest.mark.parametrize(
    ("speed", "maturity", "freshness"), [(8640.0, 10.0, 15.0), (86400.0, 1.0, 2.0), (1e9, 1.0, 1.0)]
)
def test_durations_shrink_with_the_speed_to_a_second_at_least(
    source: dict[str, Any], speed: float, maturity: float, freshness: float
) -> None:
    catalogue = Catalogue.model_validate(demo_document(source, PORTS, speed))
    assert {m.outcome.maturity_seconds for m in catalogue.models.values()} == {maturity}  # of 24h
    assert parse_duration(str(catalogue.pipelines["weather_feed"].freshness)) == freshness  # of 36h


def test_tickets_come_at_any_hour(source: dict[str, Any], document: dict[str, Any]) -> None:
    assert any("ticket_hours" in owner for owner in source["owners"].values())
    assert not any("ticket_hours" in owner for owner in document["owners"].values())
    assert "time_intervals" not in document


def test_each_owner_has_an_address_of_its_own_for_pages_and_tickets(document: dict[str, Any]) -> None:
    found = [
        receiver["webhook"]
        for owner in document["owners"].values()
        for kind in ("page", "ticket")
        for receiver in owner[kind]
    ]
    assert "http://127.0.0.1:19004/weather-data/page" in found
    assert len(found) == len(set(found)) == 2 * len(document["owners"])
    assert all(url.startswith("http://127.0.0.1:19004/") for url in found)


def test_generated_files_point_at_this_runs_ports(document: dict[str, Any], tmp_path: Path) -> None:
    catalogue = write_catalogue(document, SOURCE, SPEED, tmp_path / "plumbline.yaml")
    write_generated(catalogue, tmp_path / "generated")
    prometheus = yaml.safe_load((tmp_path / "generated/prometheus/prometheus.yml").read_text())
    targets = {
        target
        for job in prometheus["scrape_configs"]
        for group in job.get("static_configs", [])
        for target in group["targets"]
    }
    assert {"127.0.0.1:19001", "127.0.0.1:19002", "127.0.0.1:19003"} <= targets
    assert not any(target.endswith((":9090", ":9093", ":9099")) for target in targets)
    routes = (tmp_path / "generated/alerting/alertmanager.yml").read_text()
    assert "http://127.0.0.1:19004/flight-ml/page" in routes
    assert "localhost:9099" not in routes


def test_history_is_recorded_over_the_long_windows_and_since_deployment_only(
    source: dict[str, Any], tmp_path: Path
) -> None:
    files = recording_rule_files(source, tmp_path)
    recorded = {
        rule["record"]
        for path in files
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    psi = {name for name in recorded if name.startswith("feature:ml_feature_psi:sum")}
    assert psi == {f"feature:ml_feature_psi:sum_{over}" for over in (*HISTORY_WINDOWS, "life")}
    assert all(path.is_relative_to(tmp_path / "prometheus" / "rules") for path in files)


def test_history_is_recorded_under_the_names_that_the_live_rules_use(
    source: dict[str, Any], document: dict[str, Any], tmp_path: Path
) -> None:
    def recorded(folder: Path) -> set[str]:
        return {
            rule["record"]
            for path in (folder / "prometheus" / "rules").rglob("*.yml")
            for group in yaml.safe_load(path.read_text())["groups"]
            for rule in group["rules"]
            if "record" in rule and rule["record"].endswith(tuple(f"_{w}" for w in HISTORY_WINDOWS))
        }

    recording_rule_files(source, tmp_path / "history")
    write_generated(Catalogue.model_validate(document), tmp_path / "live")
    assert recorded(tmp_path / "history") >= {"feature:ml_feature_psi:sum_7d", "slice:ml_quality:value_1d"}
    assert recorded(tmp_path / "history") <= recorded(tmp_path / "live")


def test_catalogue_of_other_models_is_refused(source: dict[str, Any], tmp_path: Path) -> None:
    del source["models"]["flight_late"]
    source["pipelines"]["weather_feed"]["models"] = ["flight_delay"]
    path = tmp_path / "plumbline.yaml"
    path.write_text(yaml.safe_dump(source))
    with pytest.raises(UsageError, match="not the catalogue of the demo"):
        read_document(path)


def test_broken_catalogue_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "plumbline.yaml"
    path.write_text("version: 1\n")
    with pytest.raises(CatalogueError):
        read_document(path)
