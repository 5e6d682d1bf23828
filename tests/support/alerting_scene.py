"""One stack for the tests of alerting: models with traffic, the servers, and everybody who is told something."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import requests
import yaml

from plumbline import names
from plumbline.baseline.artefact import save_baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.catalogue.load import load_catalogue
from plumbline.generated import write_files
from plumbline.servers import free_port
from plumbline_alerting.generate import generate
from support.scenery import Exporter, build_baselines, events, post, rows, write_catalogue
from support.servers import Alertmanager, Prometheus, WebhookReceiver, wait_for

PER_SECOND = 40
SHOP_PER_SECOND = 20
REVENUE = 2.0  # mean of a KPI event of a healthy shop; its standard deviation is 1
EVALUATION = {
    "scrape_interval": "1s",
    "rule_interval": "1s",
    "drift": ["20s", "40s"],
    "quality": ["20s", "40s"],
    "fast": "20s",
    "slow": "40s",
    "drift_alert": "20s",
    "alert_for": "2s",
    "ticket_for": "2s",
}
GRAFANA = "http://grafana.example"
# Two of Alertmanager's group intervals of a page, one of a ticket: what was to be said twice would have been.
SETTLE_SECONDS = 10.5


def offers(
    count: int, seed: int, version: str, *, wrong: float = 0.1, wrong_in_b: float | None = None
) -> list[dict[str, Any]]:
    """Predictions of the model ``offers`` with their outcomes; group b may be served worse than group a.

    Args:
        count: of predictions.
        seed: for the rows, and part of the request ids.
        version: that answers.
        wrong: share of wrong answers.
        wrong_in_b: the same for group b, where it is another.
    """
    made, rng, now = rows(count, seed), np.random.default_rng(seed), time.time() - 1.0
    sent: list[dict[str, Any]] = []
    for i in range(count):
        group, request, actual = "ab"[i % 2], f"o{version}-{seed}-{i}", int(made.late[i])
        share = wrong if group == "a" or wrong_in_b is None else wrong_in_b
        x = None if np.isnan(made.x[i]) else float(made.x[i])
        sent += [
            {
                "type": "prediction",
                "ts": now,
                "request_id": request,
                "model": "offers",
                "version": version,
                "features": {"x": x, "c": made.c[i]},
                "prediction": actual ^ int(rng.random() < share),
                "score": float(made.score[i]),
                "slices": {"group": group},
            },
            {"type": "outcome", "ts": now + 0.5, "request_id": request, "actual": actual},
        ]
    return sent


def revenues(seed: int, version: str, mean: float) -> list[dict[str, Any]]:
    """KPI events of one second of the shop."""
    values = np.random.default_rng(seed).normal(mean, 1.0, SHOP_PER_SECOND)
    kpi = {"type": "kpi", "model": "offers", "version": version, "kpi": "revenue", "ts": time.time() - 1.0}
    return [{**kpi, "value": float(v), "event_id": f"r{seed}-{i}"} for i, v in enumerate(values)]


@dataclass
class Traffic:
    """Predictions with their outcomes, every second, as the test says at the moment.

    Attributes:
        url: of the exporter.
        shift: of the feature x, in standard deviations; not of the shop's.
        version: of the model ``late``.
        wrong: whether that version answers the opposite.
        shop: version of the model ``offers``.
        unfair: whether that model fails group b.
        revenue: mean of its KPI events.
        canary: a version of ``offers`` beside it that is wrong half the time; empty = none.
    """

    url: str
    shift: float = 0.0
    version: str = "1"
    wrong: bool = False
    shop: str = "1"
    unfair: bool = False
    revenue: float = REVENUE
    canary: str = ""
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def post(self, *sent: dict[str, Any]) -> None:
        post(self.url, sent)

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
            made += offers(SHOP_PER_SECOND, second, self.shop, wrong_in_b=0.9 if self.unfair else None)
            made += revenues(second, self.shop, self.revenue)
            if self.canary:
                made += offers(SHOP_PER_SECOND, second, self.canary, wrong=0.5)
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
    digests: dict[str, str]

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
            if a["labels"]["alertname"] != "RulesSlow"
        }

    def known(self, alert: str, model: str) -> list[dict[str, Any]]:
        """What Alertmanager holds of an alert, muted or not."""
        alerts = requests.get(f"{self.alertmanager.url}/api/v2/alerts", timeout=10).json()
        return [a for a in alerts if a["labels"]["alertname"] == alert and a["labels"].get("model") == model]

    def deploy(self, model: str, version: str, stage: str = "production") -> None:
        """Announce a version."""
        self.traffic.post(
            {
                "type": "deployment",
                "model": model,
                "version": version,
                "stage": stage,
                "baseline": self.digests[model],
                "commit": f"c{version}",
            }
        )

    def run_of_feed(self, run: str, status: str) -> None:
        """Report a run of the pipeline."""
        self.traffic.post({"type": "pipeline", "pipeline": "feed", "stage": "load", "run_id": run, "status": status})


def _catalogue(path: Path, people: str, exporter: int, prometheus: int, alertmanager: int) -> None:
    write_catalogue(path, exporter)
    raw = yaml.safe_load(path.read_text())
    far = (datetime.now(UTC) + timedelta(days=3)).strftime("%A").lower()
    raw["time_intervals"] = {"always": [{"weekdays": ["sunday:saturday"]}], "not_now": [{"weekdays": [far]}]}
    hours = {"day": "always", "night": "not_now", "shop": None, "data": None, "platform": None}
    raw["owners"] = {
        name: {
            "team": name.title(),
            "page": [{"webhook": f"{people}/{name}/page"}],
            "ticket": [{"webhook": f"{people}/{name}/ticket"}],
            **({} if when is None else {"ticket_hours": when}),
        }
        for name, when in hours.items()
    }
    raw["platform_owner"] = "platform"
    raw["models"]["minutes"]["owner"] = "day"
    raw["models"]["offers"] = {
        **raw["models"]["late"],
        "owner": "shop",
        "slices": {"group": ["a", "b"]},
        "disparities": {"accuracy": 0.2},
        "kpis": ["revenue"],
        "kpi_objectives": {"revenue": {"max_drop": 0.3}},
    }
    raw["models"]["late"]["owner"] = "night"
    raw["models"]["late"]["objectives"] = [{"metric": "accuracy", "max_drop": 0.1, "severity": "critical"}]
    raw["pipelines"] = {
        "feed": {"owner": "data", "stages": ["load"], "cadence": "5m", "freshness": "10m", "models": ["minutes"]}
    }
    raw["evaluation"] = EVALUATION
    raw["targets"] |= {"prometheus": [f"127.0.0.1:{prometheus}"], "alertmanagers": [f"127.0.0.1:{alertmanager}"]}
    raw["links"] = {"exporter": f"http://127.0.0.1:{exporter}", "grafana": GRAFANA}
    path.write_text(yaml.safe_dump(raw, sort_keys=False))


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Run exporter, Alertmanager, Prometheus and traffic, and give them once all is healthy."""
    path = folder / "plumbline.yaml"
    ports = [free_port() for _ in range(3)]
    with WebhookReceiver() as people:
        _catalogue(path, people.url, *ports)
        catalogue = load_catalogue(path)
        digests = {
            name: baseline.digest for name, baseline in build_baselines(catalogue, folder, rows(4000, 1)).items()
        }
        # The shop has the inputs, scores and outcomes of the model late.
        settings = BuildSettings(tables=(folder / "late.csv",))
        shop = build_baseline("offers", "1", catalogue.models["offers"], settings).baseline
        save_baseline(shop, folder / "baselines")
        digests["offers"] = shop.digest
        write_files(generate(catalogue), folder)
        exporter, prometheus, alertmanager = ports
        with (
            Exporter(path, folder / "baselines", folder / "data", exporter) as server,
            Alertmanager(folder / "alerting" / "alertmanager.yml", folder / "am", port=alertmanager) as manager,
            Prometheus(folder / "prometheus" / "prometheus.yml", folder / "tsdb", port=prometheus) as database,
            Traffic(server.url) as traffic,
        ):
            stack = Stack(traffic, manager, people, digests)
            wait_for(lambda: database.query('up{job="plumbline"} == 1'), name="a scrape")
            for model in digests:
                stack.deploy(model, "1")
            stack.run_of_feed("r0", "succeeded")
            healthy = f'{names.R_QUALITY_SAMPLES.over("40s")}{{model="late"}} > 700'
            wait_for(lambda: database.query(healthy), name="healthy traffic")
            yield stack
