"""Silences for the time of a deployment, in a real Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from plumbline import names
from plumbline.cli.main import run
from plumbline.servers import free_port
from plumbline.silences import OF_DEPLOYMENT, OF_MAINTENANCE
from support.servers import Alertmanager, wait_for

pytestmark = pytest.mark.e2e

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.yml").write_text(CONFIG)
    with Alertmanager(folder / "alertmanager.yml", folder / "data") as running:
        yield running


@pytest.fixture
def catalogue(alertmanager: Alertmanager, tmp_path: Path) -> Path:
    return write(tmp_path, alertmanager.url)


def write(folder: Path, url: str) -> Path:
    way = [{"webhook": "http://localhost:9/"}]
    path = folder / "plumbline.yaml"
    model = {"task": "regression", "owner": "team", "features": {"x": {"type": "numeric"}}}
    document = {
        "version": 1,
        "owners": {"team": {"team": "Team", "page": way, "ticket": way}},
        "platform_owner": "team",
        "models": {"churn": model, "other": model},
        "pipelines": {
            "feed": {"owner": "team", "stages": ["s"], "cadence": "1d", "freshness": "2d", "models": ["churn"]}
        },
        "links": {"alertmanager": url},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def silence(catalogue: Path, *arguments: str) -> int:
    return run(["silence", *arguments, "--catalogue", str(catalogue)])


def states(alertmanager: Alertmanager, alerts: list[dict[str, str]]) -> list[str]:
    """Which of these alerts are suppressed, once Alertmanager has them."""
    url = f"{alertmanager.url}/api/v2/alerts"
    requests.post(url, json=[{"labels": labels} for labels in alerts], timeout=10).raise_for_status()

    def found() -> list[str]:
        known = {
            json.dumps(a["labels"], sort_keys=True): a["status"]["state"] for a in requests.get(url, timeout=10).json()
        }
        wanted = [known.get(json.dumps(labels, sort_keys=True), "unprocessed") for labels in alerts]
        return [] if "unprocessed" in wanted else wanted

    return wait_for(found, name="the alerts' states")


def ours(alertmanager: Alertmanager) -> list[dict[str, Any]]:
    found = requests.get(f"{alertmanager.url}/api/v2/silences", timeout=10).json()
    return [one for one in found if one["status"]["state"] == "active"]


def test_a_deployment_is_muted_once_for_its_time_and_a_bad_version_still_pages(
    catalogue: Path, alertmanager: Alertmanager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert silence(catalogue, "churn", "--for", "20m", "--reason", "deploy 8", "--json") == 0
    first = json.loads(capsys.readouterr().out)
    alerts = [
        {"alertname": "ModelTrafficLost", "model": "churn", "version": "8"},
        {"alertname": "ModelTrafficLost", "model": "other", "version": "8"},
        {"alertname": "ModelQualityCritical", "model": "churn", "version": "8"},
    ]
    assert states(alertmanager, alerts) == ["suppressed", "active", "active"]
    assert silence(catalogue, "churn", "--for", "1h", "--reason", "deploy 8", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    (only,) = ours(alertmanager)
    assert only["id"] == again["id"]
    assert only["createdBy"] == "plumbline"
    assert only["comment"] == "deploy 8"
    moved = datetime.fromisoformat(again["ends"]) - datetime.fromisoformat(first["ends"])
    assert 39 * 60 < moved.total_seconds() < 41 * 60
    assert silence(catalogue, "churn", "--end") == 0
    assert "1 silence ended" in capsys.readouterr().out
    assert ours(alertmanager) == []
    assert silence(catalogue, "churn", "--end") == 0  # twice is no error


def test_work_on_a_pipeline_mutes_the_pipeline(catalogue: Path, alertmanager: Alertmanager) -> None:
    assert silence(catalogue, "feed") == 0
    alerts = [{"alertname": "PipelineStale", "pipeline": "feed"}, {"alertname": "PipelineStale", "pipeline": "b"}]
    assert states(alertmanager, alerts) == ["suppressed", "active"]
    assert silence(catalogue, "feed", "--end") == 0


def test_a_silence_of_people_is_left_alone(catalogue: Path, alertmanager: Alertmanager) -> None:
    assert silence(catalogue, "other") == 0
    (made,) = ours(alertmanager)
    theirs = {key: made[key] for key in ("matchers", "startsAt", "endsAt", "comment")} | {"createdBy": "ann"}
    requests.post(f"{alertmanager.url}/api/v2/silences", json=theirs, timeout=10).raise_for_status()
    assert silence(catalogue, "other", "--end") == 0
    assert [one["createdBy"] for one in ours(alertmanager)] == ["ann"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), "no model and no pipeline of the catalogue: name one of churn, feed, other"),
        (("churn", "--for", "5h"), "4 h at most"),
    ],
)
def test_what_cannot_be_muted_is_refused(
    catalogue: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert silence(catalogue, *arguments) == 2
    assert words in capsys.readouterr().err


def test_an_alertmanager_that_is_down_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert silence(write(tmp_path, f"http://127.0.0.1:{free_port()}"), "churn") == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_silences_name_only_alerts_of_the_contract_and_none_that_tells_a_bad_version() -> None:
    assert {names.ALERT_SEVERITY[alert] for alert in (*OF_DEPLOYMENT, *OF_MAINTENANCE)} <= {"critical", "warning"}
    assert not {*OF_DEPLOYMENT} & {"ModelQualityCritical", "ModelQualityDecay", "FeatureBroken"}
