"""The commands of docs/silences.md, run by the real amtool against a real Alertmanager."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from plumbline import names
from plumbline.servers import find_program
from support.servers import Alertmanager, wait_for

pytestmark = pytest.mark.e2e

PAGE = (Path(__file__).parents[1] / "docs" / "silences.md").read_text(encoding="utf-8")
ADD, EXTEND, LOOK, END, ADD_PIPELINE, END_PIPELINE = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.yml").write_text(CONFIG)
    with Alertmanager(folder / "alertmanager.yml", folder / "data") as running:
        for name in ("amtool/config.yml", "prometheus/amtool.yml"):  # Alertmanager's own place, and Debian's
            (folder / ".config" / name).parent.mkdir(parents=True)
            (folder / ".config" / name).write_text(f"alertmanager.url: {running.url}\n")
        yield running


def run(commands: str, alertmanager: Alertmanager) -> str:
    """Run commands of the page as a person does who has written Alertmanager's address to amtool's file."""
    find_program("amtool")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env={**os.environ, "HOME": str(alertmanager.log.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(alertmanager: Alertmanager, *alerts: dict[str, str]) -> list[str]:
    """Return whether Alertmanager mutes these alerts (``suppressed``) or not (``active``)."""
    url = f"{alertmanager.url}/api/v2/alerts"
    requests.post(url, json=[{"labels": labels} for labels in alerts], timeout=10).raise_for_status()

    def found() -> list[str]:
        known = {
            json.dumps(a["labels"], sort_keys=True): a["status"]["state"] for a in requests.get(url, timeout=10).json()
        }
        wanted = [known.get(json.dumps(labels, sort_keys=True), "unprocessed") for labels in alerts]
        return [] if "unprocessed" in wanted else wanted

    return wait_for(found, name="the alerts' states")


def active(alertmanager: Alertmanager) -> list[dict[str, Any]]:
    found = requests.get(f"{alertmanager.url}/api/v2/silences", timeout=10).json()
    return [one for one in found if one["status"]["state"] == "active"]


def seconds(silence: dict[str, Any]) -> float:
    starts, ends = (datetime.fromisoformat(silence[name]) for name in ("startsAt", "endsAt"))
    return (ends - starts).total_seconds()


def test_a_deployment_is_muted_for_its_time_and_a_bad_version_still_pages(alertmanager: Alertmanager) -> None:
    run(ADD, alertmanager)
    muted = {"alertname": "ModelTrafficLost", "model": "flight_delay", "version": "8"}
    assert states(alertmanager, muted, muted | {"model": "other"}, muted | {"alertname": "ModelQualityCritical"}) == [
        "suppressed",
        "active",
        "active",
    ]
    (first,) = active(alertmanager)
    assert seconds(first) == pytest.approx(20 * 60, abs=5)
    run(EXTEND, alertmanager)
    (again,) = active(alertmanager)
    assert again["id"] == first["id"]
    assert seconds(again) == pytest.approx(3600, abs=5)
    shown = run(LOOK, alertmanager)
    assert "deploy version 8" in shown
    assert "ModelTrafficLost" in shown
    assert "ModelQualityCritical" not in shown
    run(END, alertmanager)
    assert active(alertmanager) == []
    assert states(alertmanager, muted) == ["active"]
    run(END, alertmanager)  # the second time nothing is left, which is no error


def test_work_on_a_pipeline_mutes_the_pipeline_and_its_end_leaves_other_silences(alertmanager: Alertmanager) -> None:
    run(ADD_PIPELINE, alertmanager)
    run(ADD_PIPELINE.replace("--author=maintenance", "--author=ann"), alertmanager)
    alert = {"alertname": "PipelineStale", "pipeline": "weather_feed"}
    assert states(alertmanager, alert, alert | {"pipeline": "other"}) == ["suppressed", "active"]
    run(END_PIPELINE, alertmanager)
    assert [one["createdBy"] for one in active(alertmanager)] == ["ann"]


def test_the_commands_name_only_alerts_of_the_contract_and_none_that_reports_a_bad_version() -> None:
    muted = {name for found in re.findall(r"alertname=~([\w|]+)", PAGE) for name in found.split("|")}
    assert muted
    assert {names.ALERT_SEVERITY[alert] for alert in muted} <= {"critical", "warning"}
    assert not muted & {"ModelQualityCritical", "ModelQualityDecay", "FeatureBroken"}
