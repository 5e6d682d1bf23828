"""A real Alertmanager, configured by the generator, in front of the exporter and a hook's receiver."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from plumbline.generated import write_files
from plumbline.servers import free_port
from plumbline_alerting.generate import generate
from support.hook_receiver import HookReceiver
from support.scenery import Exporter, post, write_catalogue
from support.servers import Alertmanager, WebhookReceiver, wait_for

pytestmark = pytest.mark.e2e

_SAMPLE = re.compile(r"^(plumbline_\S+_total\{.*\}) (\S+)$")


@dataclass
class Scene:
    """The running parts."""

    exporter: Exporter
    alertmanager: Alertmanager
    hook: HookReceiver
    people: WebhookReceiver

    def alert(self, metric: str, *, resolved: bool = False, **annotations: str) -> None:
        """Tell Alertmanager of a page, as Prometheus does."""
        now = datetime.now(UTC)
        labels = {
            "alertname": "ModelQualityCritical",
            "model": "late",
            "version": "2",
            "owner": "team",
            "severity": "critical",
            "metric": metric,
        }
        one: dict[str, Any] = {"labels": labels, "annotations": {"summary": "s", **annotations}}
        if resolved:
            one["endsAt"] = now.isoformat()
        answer = requests.post(f"{self.alertmanager.url}/api/v2/alerts", json=[one], timeout=10)
        assert answer.status_code == 200, answer.text

    def count(self, metric: names.Metric, **labels: str) -> float:
        """Return a counter of the exporter; -1 while it is down."""
        wanted = ",".join(f'{name}="{labels[name]}"' for name in metric.labels)
        try:
            text = requests.get(f"{self.exporter.url}/metrics", timeout=10).text
        except requests.RequestException:
            return -1
        found = {m[1]: float(m[2]) for m in map(_SAMPLE.match, text.splitlines()) if m}
        return found[f"{metric.name}{{{wanted}}}"]

    def rollbacks(self, result: str) -> float:
        return self.count(names.HOOK_CALLS, hook="rollback", result=result)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    port = free_port()
    path = tmp_path / "plumbline.yaml"
    with HookReceiver() as hook, WebhookReceiver() as people:
        write_catalogue(path, port)
        raw = yaml.safe_load(path.read_text())
        raw["models"]["late"]["hooks"] = {
            "rollback": f"{hook.url}/rollback",
            "dry_run": False,
            "timeout": "30s",
            "cooldown": "1h",
        }
        raw["links"] = {"exporter": f"http://127.0.0.1:{port}"}
        raw["owners"]["team"]["page"] = [{"webhook": f"{people.url}/page"}]
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        write_files(generate(load_catalogue(path)), tmp_path)
        config = tmp_path / "alerting" / "alertmanager.yml"
        exporter = Exporter(path, tmp_path / "baselines", tmp_path / "data", port)
        with exporter, Alertmanager(config, tmp_path / "alertmanager") as alertmanager:
            now = time.time()
            shared = {"type": "deployment", "model": "late", "stage": "production"}
            answer = post(exporter.url, [{**shared, "version": v, "ts": now - 100 + int(v)} for v in ("1", "2")])
            assert answer.json()["accepted"] == 2
            yield Scene(exporter, alertmanager, hook, people)


ROLL_BACK = {"rollback_version": "1", "verdict": "Roll back to version 1."}


def test_one_page_is_one_roll_back_and_still_reaches_people(scene: Scene) -> None:
    scene.alert("accuracy", **ROLL_BACK)
    wait_for(lambda: scene.rollbacks("succeeded") == 1, name="the roll-back")
    ((_, _, payload),) = scene.hook.calls
    assert (payload["model"], payload["version"], payload["rollback_version"]) == ("late", "2", "1")
    wait_for(lambda: scene.people.alerts("/page"), name="the page to people")
    # A second alert of the same group makes Alertmanager send the first again.
    scene.alert("f1", **ROLL_BACK)
    wait_for(lambda: scene.rollbacks("cooldown") == 1, name="the second alert")
    wait_for(lambda: scene.count(names.EVENTS_DUPLICATE, kind="alert") >= 1, name="the first alert, sent again")
    scene.alert("accuracy", resolved=True)
    wait_for(lambda: scene.count(names.ALERTS, severity="critical", status="resolved") == 1, name="the resolution")
    assert scene.count(names.ALERTS, severity="critical", status="firing") == 2
    assert len(scene.hook.calls) == 1


def test_a_verdict_not_to_roll_back_calls_nobody(scene: Scene) -> None:
    scene.alert("accuracy", rollback_version="", verdict="Do not roll back: pipeline feed is broken.")
    wait_for(lambda: scene.rollbacks("held") == 1, name="the held roll-back")
    assert scene.hook.calls == []


def test_kill_during_the_call_and_an_alertmanager_that_repeats_itself_make_one_call(scene: Scene) -> None:
    scene.hook.gate.clear()
    scene.alert("accuracy", **ROLL_BACK)
    wait_for(lambda: scene.hook.calls, name="the call to arrive")
    assert scene.exporter.process is not None
    scene.exporter.process.send_signal(signal.SIGKILL)
    scene.exporter.process.wait()
    scene.hook.gate.set()
    # While it is down, Alertmanager has something new to say of the group, and keeps trying.
    scene.alert("f1", **ROLL_BACK)
    time.sleep(1)
    scene.exporter.start()
    assert scene.rollbacks("unknown") == 1
    wait_for(lambda: scene.rollbacks("cooldown") == 1, name="the alert of the outage")
    assert scene.count(names.ALERTS, severity="critical", status="firing") == 2
    assert len(scene.hook.calls) == 1


def test_the_webhook_is_answered_while_a_hook_still_waits(scene: Scene) -> None:
    scene.hook.gate.clear()
    scene.alert("accuracy", **ROLL_BACK)
    wait_for(lambda: scene.hook.calls, name="the call to arrive")
    assert scene.count(names.ALERTS, severity="critical", status="firing") == 1
    answers = requests.get(f"{scene.alertmanager.url}/metrics", timeout=10).text
    failed = re.search(r'alertmanager_notifications_failed_total\{integration="webhook"\} (\d+)', answers)
    assert failed is not None
    assert failed[1] == "0"
    scene.hook.gate.set()
    wait_for(lambda: scene.rollbacks("succeeded") == 1, name="the roll-back")
