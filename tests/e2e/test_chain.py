"""The whole chain with real processes, on both stores: the example pipeline trains a model, the example
service answers with it over HTTP, outcomes arrive, and one request leads back to the bytes and the code.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from sklearn.linear_model import LogisticRegression

from plumbline.servers import free_port
from support.alert_samples import alert, webhook
from support.scenery import ROOT, Exporter
from support.servers import Server, plumbline, wait_for

pytestmark = pytest.mark.e2e
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def said(*arguments: str) -> str:
    done = subprocess.run(plumbline(*arguments), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The examples in a repository of their own, committed."""
    folder = tmp_path / "code"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "The pipeline as it ran")
    return folder


@pytest.fixture(params=["embedded", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """How a command names the store to read."""
    if request.param == "embedded":
        return ("--data", str(tmp_path / "data"))
    return ("--store", request.getfixturevalue("postgres").new_database())


class Scene:
    """The exporter, and the examples as a person starts them."""

    def __init__(self, folder: Path, code: Path, store: tuple[str, ...]) -> None:
        self.out = folder / "out"
        self.code = code
        port = free_port()
        more = store if store[0] == "--store" else ()
        self.exporter = Exporter(code / "plumbline.yaml", self.out / "baselines", folder / "data", port, *more)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.service = Server(
            [
                "env",
                f"PORT={port}",
                f"PLUMBLINE_URL={self.exporter.url}",
                f"MODEL_FOLDER={self.out}",
                sys.executable,
                str(code / "service.py"),
            ],
            url=url,
            ready="/ready",
            log=folder / "service.log",
        )

    def pipeline(self, batch: str, *more: str) -> None:
        command = [sys.executable, str(self.code / "pipeline.py"), str(self.out), "--batch", batch, *more]
        without = {name: value for name, value in os.environ.items() if name != "GIT_COMMIT"}
        subprocess.run(
            [*command, "--url", self.exporter.url], check=True, capture_output=True, timeout=120, env=without
        )

    def predict(self, request_id: str, distance: float) -> dict[str, Any]:
        headers = {"X-Request-ID": request_id, "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
        answer = requests.post(f"{self.service.url}/predict", json={"distance": distance}, headers=headers, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["X-Request-ID"] == request_id
        found: dict[str, Any] = answer.json()
        return found

    def page(self, name: str) -> None:
        """Post what Alertmanager posts when an alert about the model has just begun to fire."""
        begun = datetime.datetime.now(datetime.UTC).isoformat()
        told = webhook(alert(labels={"alertname": name, "model": "late", "version": None}, startsAt=begun))
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"{self.exporter.url}/v1/alerts", data=told, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text

    def stored(self, kind: str) -> float:
        return self.value(f'plumbline_events_total{{kind="{kind}"}}')

    def value(self, series: str) -> float:
        page = requests.get(f"{self.exporter.url}/metrics", timeout=30).text
        [line] = [one for one in page.splitlines() if one.startswith(f"{series} ")]
        return float(line.split()[-1])


def test_a_request_leads_to_bytes_and_code_and_a_batch_to_its_predictions(
    tmp_path: Path, code: Path, store: tuple[str, ...]
) -> None:
    scene = Scene(tmp_path, code, store)
    with scene.exporter:
        scene.pipeline("2026-05-01", "--train")
        scene.page("ModelErrorRateCritical")
        with scene.service:
            first = {f"a/{n}": scene.predict(f"a/{n}", 100.0 * (n + 1)) for n in range(7)}
            scene.pipeline("2026-05-02", "--seed", "1")  # a new day of data, the same model
            second = {f"b/{n}": scene.predict(f"b/{n}", 100.0 * (n + 1)) for n in range(5)}
            for n, request_id in enumerate((*first, *second)):
                answer = requests.post(
                    f"{scene.service.url}/outcome/{request_id}", params={"actual": n % 2}, timeout=30
                )
                assert answer.status_code == 200
        # The service has ended, and its client with it: everything is on the way or stored.
        wait_for(lambda: scene.stored("outcome") == 12, name="twelve outcomes")
        # They have matured, so no answer changes between two questions.
        wait_for(lambda: scene.value("plumbline_pending_outcomes") == 0, name="maturity")
        # Another service that knows the request's trace and nothing of its request id.
        line = {
            "type": "log",
            "level": "WARN",
            "message": "retried",
            "trace_id": TRACE_ID,
            "fields": {"service.name": "gateway"},
        }
        (tmp_path / "more.ndjson").write_text(json.dumps(line) + "\n")
        said("ingest", str(tmp_path / "more.ndjson"), "--url", scene.exporter.url)
        over_http = json.loads(said("trace", "b/3", "--url", scene.exporter.url, "--json"))

    where = (*store, "--baselines", str(scene.out / "baselines"))
    found = json.loads(said("trace", "b/3", *where, "--json"))
    assert found == over_http
    check_prediction(scene.out, found, second["b/3"])
    check_origin(scene, found)
    check_story(found)
    check_batches(where, {"2026-05-01": set(first), "2026-05-02": set(second)})


def check_prediction(out: Path, found: dict[str, Any], answer: dict[str, Any]) -> None:
    """The prediction is the one that the caller got, and the one that the training data gives."""
    [made] = found["predictions"]
    assert made["score"] == answer["score"]
    clean = np.loadtxt(out / "2026-05-02.csv", delimiter=",", skiprows=1)
    assert made["features"] == {"distance": 400.0, "wind_speed": pytest.approx(clean[:, 1].mean())}
    assert made["data_batch_id"] == "2026-05-02"
    # The same fit again, from the file that the trace names.
    seen = np.loadtxt(out / "2026-05-01.training.csv", delimiter=",", skiprows=1)
    again = LogisticRegression(max_iter=1000).fit(seen[:, :2], seen[:, 2])
    score = again.predict_proba([[400.0, clean[:, 1].mean()]])[0, 1]
    assert made["score"] == pytest.approx(score, rel=1e-9)
    assert made["prediction"] == int(score > 0.5)
    [outcome] = found["outcomes"]
    assert (outcome["actual"], outcome["standing"]) == (0, True)


def check_origin(scene: Scene, found: dict[str, Any]) -> None:
    """The digest is the training file's, the commit is the code's, the baseline is the artefact's."""
    info = found["predictions"][0]["version_info"]
    digest = "sha256:" + hashlib.sha256((scene.out / "2026-05-01.training.csv").read_bytes()).hexdigest()
    assert info["training_data"] == digest
    assert git(scene.code, "cat-file", "-t", info["commit"]) == "commit"
    at_commit = git(scene.code, "show", f"{info['commit']}:pipeline.py")
    assert at_commit == (ROOT / "examples" / "pipeline.py").read_text().strip()
    [artefact] = (scene.out / "baselines").iterdir()
    assert info["baseline"] == artefact.stem
    batches = {(b["data_batch_id"], b["role"]): b for b in found["batches"]}
    assert set(batches) == {
        ("2026-05-02", "data"),
        ("2026-05-02/raw", "data"),
        (digest, "training"),
        ("2026-05-01", "training"),
        ("2026-05-01/raw", "training"),
    }
    assert batches[digest, "training"]["inputs"] == ["2026-05-01"]
    [run] = batches["2026-05-02", "data"]["runs"]
    assert (run["pipeline"], run["run_id"], run["status"]) == ("flights", "run-2026-05-02", "succeeded")
    clean = next(stage for stage in run["stages"] if stage["stage"] == "clean")
    assert (clean["rows_in"], clean["rows_out"], clean["rows_rejected"]) == (1000, 980, 20)
    assert clean["checks"] == [{"name": "no_negative_wind", "passed": True}]


def check_story(found: dict[str, Any]) -> None:
    """Log lines of every service, and the order of events."""
    services = {log["service"] for log in found["logs"]}
    assert services == {"flights-service", "gateway"}
    assert {"predicted", "retried"} <= {log["message"] for log in found["logs"]}
    [fired] = found["alerts"]
    assert (fired["alertname"], fired["model"], fired["resolved"]) == ("ModelErrorRateCritical", "late", None)
    assert fired["runbook_url"] == "http://r/ModelQualityCritical.md"
    kinds = [moment["kind"] for moment in found["timeline"] if moment["kind"] != "log"]
    # Training day, deployment, a page, the day's data, the prediction and what came of it.
    assert kinds == ["pipeline"] * 3 + ["deployment", "alert"] + ["pipeline"] * 2 + ["prediction", "outcome"]


def check_batches(where: tuple[str, ...], used: dict[str, set[str]]) -> None:
    """Each batch names exactly the predictions made with it."""
    for batch, requests_ in used.items():
        listed = said("batch", batch, *where, "--list").splitlines()
        assert {json.loads(line)["request_id"] for line in listed} == requests_
        assert len(listed) == len(requests_)
        found = json.loads(said("batch", batch, *where, "--json"))
        assert found["predictions"] == len(requests_)
        assert [one["predictions"] for one in found["used_by"]] == [len(requests_)]
