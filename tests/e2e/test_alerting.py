"""Three nights of an on-call engineer, through the real exporter, Prometheus and Alertmanager.

Slow drift opens one ticket and only in working hours; a broken feed pages its owner once and mutes its models'
drift; a bad deployment pages the model's owner with the version to roll back to. The tests run in this order
on one stack, as the faults of one system do.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import yaml
from scenery import Exporter, build_baselines, events, ndjson, rows, write_catalogue

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from plumbline.generated import write_files
from plumbline_alerting.generate import generate
from servers import Alertmanager, Prometheus, WebhookReceiver, free_port, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PER_SECOND = 40
EVALUATION = {
    "scrape_interval": "1s", "rule_interval": "1s", "drift": ["20s", "40s"], "quality": ["20s", "40s"],
    "fast": "20s", "slow": "40s", "drift_alert": "20s", "alert_for": "2s", "ticket_for": "2s",
}  # fmt: skip
# The model's answer follows its input, so the drift of both is one story for one owner.
DRIFT = {("/day/ticket", "FeatureDrift"), ("/day/ticket", "PredictionDrift")}
# Two of Alertmanager's group intervals of a page, one of a ticket: what was to be said twice would have been.
SETTLE_SECONDS = 10.5


@dataclass
class Traffic:
    """Predictions with their outcomes, every second, as the test says at the moment.

    Attributes:
        url: of the exporter.
        shift: of the feature x, in standard deviations.
        version: of the model ``late``.
        wrong: whether that version answers the opposite.
    """

    url: str
    shift: float = 0.0
    version: str = "1"
    wrong: bool = False
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def post(self, *sent: dict[str, Any]) -> None:
        answer = requests.post(
            f"{self.url}/v1/events",
            data=ndjson(list(sent)),
            headers={"Content-Type": names.CONTENT_TYPE_NDJSON},
            timeout=30,
        )
        assert answer.json()["rejected"] == [], answer.text

    def run(self) -> None:
        second = 0
        while not self._stopping.wait(1.0):
            second += 1
            made = events(rows(PER_SECOND, second, self.shift), time.time() - 1.0, known=0.5)
            for event in made:
                event["request_id"] += f"-{second}"
                if event.get("model") == "late":
                    event["version"] = self.version
                    event["prediction"] ^= self.wrong
            self.post(*made)

    def __enter__(self) -> Traffic:
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        assert self._thread is not None
        self._thread.join(30)


@dataclass
class Stack:
    """What runs."""

    traffic: Traffic
    alertmanager: Alertmanager
    people: WebhookReceiver

    def notices(self, path: str, alert: str, status: str = "firing") -> list[dict[str, Any]]:
        """Notifications of an alert that came to a path."""
        return [
            body
            for to, body in list(self.people.received)
            if to == path and body["groupLabels"]["alertname"] == alert and body["status"] == status
        ]

    def said(self) -> set[tuple[str, str]]:
        """Who was told of which alert; a busy machine may rightly say that its rules are slow."""
        return {
            (path, a["labels"]["alertname"])
            for path, body in list(self.people.received)
            for a in body["alerts"]
            if a["labels"].get("rule_group") is None
        }

    def known(self, alert: str, model: str) -> list[dict[str, Any]]:
        """What Alertmanager holds of an alert, muted or not."""
        alerts = requests.get(f"{self.alertmanager.url}/api/v2/alerts", timeout=10).json()
        return [a for a in alerts if a["labels"]["alertname"] == alert and a["labels"].get("model") == model]


def deployment(model: str, version: str, baseline: str) -> dict[str, Any]:
    return {
        "type": "deployment", "model": model, "version": version, "stage": "production",
        "baseline": baseline, "commit": f"c{version}",
    }  # fmt: skip


def run_of_feed(run: str, status: str) -> dict[str, Any]:
    return {"type": "pipeline", "pipeline": "feed", "stage": "load", "run_id": run, "status": status}


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, digests: dict[str, str]) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("alerting")
    path = folder / "plumbline.yaml"
    exporter_port, prometheus_port, alertmanager_port = free_port(), free_port(), free_port()
    with WebhookReceiver() as people:
        write_catalogue(path, exporter_port)
        raw = yaml.safe_load(path.read_text())
        today = datetime.now(UTC)
        far = (today + timedelta(days=3)).strftime("%A").lower()
        raw["time_intervals"] = {
            "always": [{"weekdays": ["sunday:saturday"]}],
            "not_now": [{"weekdays": [far]}],
        }
        raw["owners"] = {
            name: {
                "team": name.title(),
                "page": [{"webhook": f"{people.url}/{name}/page"}],
                "ticket": [{"webhook": f"{people.url}/{name}/ticket"}],
                **({} if hours is None else {"ticket_hours": hours}),
            }
            for name, hours in (("day", "always"), ("night", "not_now"), ("data", None), ("platform", None))
        }
        raw["platform_owner"] = "platform"
        raw["models"]["minutes"]["owner"] = "day"
        raw["models"]["late"]["owner"] = "night"
        raw["models"]["late"]["objectives"] = [
            {"metric": "accuracy", "max_drop": 0.1, "severity": "critical"}
        ]
        raw["pipelines"] = {
            "feed": {
                "owner": "data", "stages": ["load"], "cadence": "5m", "freshness": "10m", "models": ["minutes"],
            }
        }  # fmt: skip
        raw["evaluation"] = EVALUATION
        raw["targets"] |= {
            "prometheus": [f"127.0.0.1:{prometheus_port}"],
            "alertmanagers": [f"127.0.0.1:{alertmanager_port}"],
        }
        raw["links"] = {"exporter": f"http://127.0.0.1:{exporter_port}"}
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        catalogue = load_catalogue(path)
        for name, baseline in build_baselines(catalogue, folder, rows(4000, 1)).items():
            digests[name] = baseline.digest
        write_files(generate(catalogue), folder)
        with (
            Exporter(path, folder / "baselines", folder / "data", exporter_port) as exporter,
            Alertmanager(
                folder / "alerting" / "alertmanager.yml", folder / "am", port=alertmanager_port
            ) as alertmanager,
            Prometheus(
                folder / "prometheus" / "prometheus.yml", folder / "tsdb", port=prometheus_port
            ) as prometheus,
            Traffic(exporter.url) as traffic,
        ):
            wait_for(lambda: prometheus.query('up{job="plumbline"} == 1'), name="a scrape")
            traffic.post(
                deployment("late", "1", digests["late"]),
                deployment("minutes", "1", digests["minutes"]),
                run_of_feed("r0", "succeeded"),
            )
            wait_for(
                lambda: prometheus.query(f"{names.R_QUALITY_SAMPLES.over('40s')} > 700"),
                seconds=90,
                name="healthy traffic",
            )
            yield Stack(traffic, alertmanager, people)


def stays(count: Callable[[], int], wanted: int) -> None:
    """Whether a number is still the same after all that could be said again would have been said."""
    time.sleep(SETTLE_SECONDS)
    assert count() == wanted


def test_slow_drift_opens_one_ticket_in_working_hours_and_never_a_page(stack: Stack) -> None:
    assert stack.said() == set()  # health, with a first start in it, said nothing
    stack.traffic.shift = 0.8
    notice = wait_for(lambda: stack.notices("/day/ticket", "FeatureDrift"), seconds=90, name="the ticket")[0]
    (alert,) = notice["alerts"]
    assert alert["labels"] | {"model": "minutes", "version": "1", "feature": "x"} == alert["labels"]
    assert "unknown" not in alert["annotations"]["description"]
    held = wait_for(
        lambda: [a for a in stack.known("FeatureDrift", "late") if a["status"]["state"] == "active"],
        name="the same drift for the other owner",
    )
    assert held[0]["labels"]["owner"] == "night"
    stays(lambda: len(stack.notices("/day/ticket", "FeatureDrift")), 1)
    # Nothing to night, whose working hours these are not; no page to anybody.
    assert stack.said() == DRIFT


def test_a_broken_feed_pages_its_owner_once_and_mutes_its_models_drift(stack: Stack) -> None:
    stack.traffic.post(run_of_feed("r1", "failed"))
    notice = wait_for(lambda: stack.notices("/data/page", "PipelineFailed"), seconds=60, name="the page")[0]
    (alert,) = notice["alerts"]
    assert alert["labels"]["pipeline"] == "feed"
    assert "Models that depend on it: minutes." in alert["annotations"]["description"]

    def muted(model: str) -> bool:
        drifts = stack.known("FeatureDrift", model)
        return bool(drifts) and all(a["status"]["inhibitedBy"] for a in drifts)

    wait_for(lambda: muted("minutes"), name="the drift of the feed's model to be muted")
    assert not muted("late")  # its inputs do not come from this feed
    stays(lambda: len(stack.notices("/data/page", "PipelineFailed")), 1)
    stack.traffic.post(run_of_feed("r2", "succeeded"))
    wait_for(lambda: stack.notices("/data/page", "PipelineFailed", "resolved"), seconds=60, name="the end")
    assert stack.said() == DRIFT | {("/data/page", "PipelineFailed")}


def test_a_bad_deployment_pages_the_models_owner_with_the_version_to_roll_back_to(
    stack: Stack, digests: dict[str, str]
) -> None:
    stack.traffic.shift = 0.0
    stack.traffic.post(deployment("late", "2", digests["late"]))
    stack.traffic.version, stack.traffic.wrong = "2", True
    notice = wait_for(
        lambda: stack.notices("/night/page", "ModelQualityCritical"), seconds=90, name="the page at any hour"
    )[0]
    (alert,) = notice["alerts"]
    notes = alert["annotations"]
    assert alert["labels"] | {"model": "late", "version": "2", "metric": "accuracy"} == alert["labels"]
    assert notes[names.ROLLBACK_ANNOTATION] == "1"
    said = re.fullmatch(
        r"Roll back to version 1: at the same age its accuracy was (0\.\d+), this version has (0\.\d+)\.",
        notes["verdict"],
    )
    assert said is not None, notes["verdict"]
    # Version 2 answers the opposite of version 1, whose accuracy is about 0.7.
    assert float(said[1]) == pytest.approx(0.7, abs=0.12)
    assert float(said[2]) == pytest.approx(0.3, abs=0.12)
    stays(lambda: len(stack.notices("/night/page", "ModelQualityCritical")), 1)
    pages = {one for one in stack.said() if "page" in one[0]}
    assert pages == {("/data/page", "PipelineFailed"), ("/night/page", "ModelQualityCritical")}
