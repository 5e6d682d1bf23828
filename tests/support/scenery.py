"""A synthetic stream with late outcomes, its baselines, and the servers to watch it with."""

from __future__ import annotations

import csv
import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests
import yaml

from plumbline import names
from plumbline.baseline.artefact import Baseline, save_baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.generated import run_generators, write_files
from plumbline.servers import free_port
from support.servers import Prometheus, Server, plumbline

ROOT = Path(__file__).parents[2]


@dataclass
class Rows:
    """A table of predictions with their truth."""

    x: np.ndarray
    c: list[str | None]
    score: np.ndarray
    late: np.ndarray
    minutes: np.ndarray
    answer: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def rows(count: int, seed: int, shift: float = 0.0) -> Rows:
    """Draw rows: x is normal with missing values, c a category, and both models are a little wrong."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1.0, count)
    c = rng.choice(["a", "b", "rare", None], count, p=[0.6, 0.3, 0.07, 0.03]).tolist()
    score = np.round(1 / (1 + np.exp(-(x + rng.normal(0, 0.7, count)))), 6)
    late = (rng.random(count) < 1 / (1 + np.exp(-1.2 * x))).astype(int)
    minutes = np.round(10 * x + rng.normal(0, 5, count), 3)
    x[rng.random(count) < 0.05] = np.nan
    return Rows(x, c, score, late, minutes, np.round(10 * np.nan_to_num(x), 3))


def write_catalogue(path: Path, exporter: int, window: str = "2m", maturity: str = "1s") -> Catalogue:
    """Write a catalogue with one window for everything, and load it."""
    features = {"x": {"type": "numeric"}, "c": {"type": "categorical"}}
    receiver = [{"webhook": "http://127.0.0.1:9/x"}]
    shared = {"owner": "team", "features": features, "outcome": {"maturity": maturity, "minimum_samples": 10}}
    raw = {
        "version": 1,
        "owners": {"team": {"team": "Team", "page": receiver, "ticket": receiver}},
        "platform_owner": "team",
        "models": {
            "late": {**shared, "task": "binary", "classes": ["0", "1"], "positive_class": "1"},
            "minutes": {**shared, "task": "regression"},
        },
        "evaluation": {
            "scrape_interval": "1s",
            "rule_interval": "1s",
            "drift": [window],
            "quality": ["1m", window],
            "fast": "1m",
            "slow": window,
            "drift_alert": window,
            "alert_for": "1s",
            "ticket_for": "1s",
        },
        "targets": {"exporters": [f"127.0.0.1:{exporter}"], "prometheus": [], "alertmanagers": []},
        "host_metrics": False,
    }
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return load_catalogue(path)


def build_baselines(catalogue: Catalogue, folder: Path, reference: Rows) -> dict[str, Baseline]:
    """Build both baselines from a CSV of reference rows."""
    made = {}
    for model, (answer, actual) in {
        "late": ((reference.score > 0.5).astype(int), reference.late),
        "minutes": (reference.answer, reference.minutes),
    }.items():
        table = folder / f"{model}.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["ts", "x", "c", "score", "prediction", "actual"])
            for i in range(len(reference)):
                x = "" if np.isnan(reference.x[i]) else repr(float(reference.x[i]))
                writer.writerow([1.7e9 + 600 * i, x, reference.c[i] or "", reference.score[i], answer[i], actual[i]])
        settings = BuildSettings(tables=(table,))
        made[model] = build_baseline(model, "1", catalogue.models[model], settings).baseline
        save_baseline(made[model], folder / "baselines")
    return made


def events(rows: Rows, start: float, known: float = 1.0) -> list[dict[str, Any]]:
    """Both models' predictions at ``start`` and their outcomes ``known`` seconds later."""
    made: list[dict[str, Any]] = []
    for i in range(len(rows)):
        features = {"x": None if np.isnan(rows.x[i]) else float(rows.x[i]), "c": rows.c[i]}
        shared = {"type": "prediction", "ts": start, "version": "1", "features": features, "latency": 0.01}
        score = float(rows.score[i])
        made.append({**shared, "request_id": f"l{i}", "model": "late", "prediction": int(score > 0.5), "score": score})
        made.append({**shared, "request_id": f"m{i}", "model": "minutes", "prediction": float(rows.answer[i])})
        made.append({"type": "outcome", "ts": start + known, "request_id": f"l{i}", "actual": int(rows.late[i])})
        made.append({"type": "outcome", "ts": start + known, "request_id": f"m{i}", "actual": float(rows.minutes[i])})
    return made


def ndjson(events: list[dict[str, Any]]) -> bytes:
    """Events as a request body."""
    return "\n".join(json.dumps(e) for e in events).encode()


class Exporter(Server):
    """``plumbline serve`` as a user starts it."""

    def __init__(self, catalogue: Path, baselines: Path, data: Path, port: int | None = None, *more: str) -> None:
        port = port or free_port()
        folders = (f"--catalogue={catalogue}", f"--baselines={baselines}", f"--data={data}")
        command = plumbline("serve", *folders, f"--listen=127.0.0.1:{port}", *more)
        super().__init__(command, url=f"http://127.0.0.1:{port}", ready="/-/ready", log=data.parent / "exporter.log")
        os.environ.setdefault("PYTHONUNBUFFERED", "1")


def prometheus_for(catalogue: Catalogue, folder: Path) -> Prometheus:
    """A Prometheus with the generated configuration and rules of a catalogue."""
    write_files(run_generators(catalogue), folder)
    return Prometheus(folder / "prometheus" / "prometheus.yml", folder / "tsdb")


def post(url: str, sent: Iterable[dict[str, Any]]) -> requests.Response:
    """Send events to an exporter; none may be rejected."""
    headers = {"Content-Type": names.CONTENT_TYPE_NDJSON}
    answer = requests.post(f"{url}/v1/events", data=ndjson(list(sent)), headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["rejected"] == [], answer.text
    return answer


_SAMPLE = re.compile(r"^((?:ml_|plumbline_(?:events|lines))\S*_total(?:\{.*\})?) (\S+)$")


def counters(url: str) -> dict[str, float]:
    """The counters of events and lines on the exporter's page."""
    text = requests.get(f"{url}/metrics", timeout=10).text
    return {m[1]: float(m[2]) for m in map(_SAMPLE.match, text.splitlines()) if m}


def post_until_answered(url: str, body: bytes, deadline: float) -> dict[str, object]:
    """Send, and send again what was not acknowledged: what any client of an exporter has to do."""
    while True:
        try:
            answer = requests.post(
                f"{url}/v1/events", data=body, headers={"Content-Type": names.CONTENT_TYPE_NDJSON}, timeout=10
            )
            if answer.status_code == 200:
                result: dict[str, object] = answer.json()
                return result
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline, "the exporter never came back"
        time.sleep(0.05)
