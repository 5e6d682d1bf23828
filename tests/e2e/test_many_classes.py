"""Sixty classes, fifty declared, in slices: what PromQL says on a real Prometheus is what scikit-learn says.

The stream is made here. Classes that the catalogue does not declare are ``other`` on both sides. Asked as in
``test_truth``: counters at the end of a chunk minus at its start.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from support.between import Between
from support.servers import Prometheus, plumbline

pytestmark = pytest.mark.e2e

DAY = 86_400.0
START = 1_700_006_400.0  # a midnight
CLASSES = [f"c{i:02d}" for i in range(60)]
DECLARED = CLASSES[:50]
REGIONS = ("north", "south", "west")  # west is not declared
EXACT = 1e-9


@dataclass
class Stream:
    """Rows of two chunks of a day each, in time order."""

    ts: np.ndarray
    region: np.ndarray
    actual: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray

    def chunk(self, number: int, region: str | None = None) -> Stream:
        keep = (self.ts >= START + number * DAY) & (self.ts < START + (number + 1) * DAY)
        if region is not None:
            keep &= self.region == region
        return Stream(*(a[keep] for a in (self.ts, self.region, self.actual, self.predicted, self.scores)))


def draw(count: int, seed: int) -> Stream:
    rng = np.random.default_rng(seed)
    actual = rng.choice(len(CLASSES), count, p=rng.dirichlet(np.full(len(CLASSES), 0.7)))
    scores = rng.dirichlet(np.full(len(CLASSES), 0.1), count)
    scores[np.arange(count), actual] += rng.random(count)
    scores /= scores.sum(axis=1, keepdims=True)
    ts = START + np.sort(rng.random(count)) * 2 * DAY
    return Stream(ts, rng.choice(REGIONS, count), actual, scores.argmax(axis=1), scores)


def merged(codes: np.ndarray) -> np.ndarray:
    """Classes as Plumbline shows them: what is not declared is one."""
    return np.minimum(codes, len(DECLARED))


def by_class(rows: Stream) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of each class shown, NaN without a case: two undeclared classes are no hit."""
    hit, size = rows.actual == rows.predicted, len(DECLARED) + 1
    right = np.bincount(merged(rows.actual[hit]), minlength=size)
    predicted, actual = (np.bincount(merged(codes), minlength=size) for codes in (rows.predicted, rows.actual))
    with np.errstate(invalid="ignore"):
        return {"precision": right / predicted, "recall": right / actual, "f1": 2 * right / (predicted + actual)}


@dataclass
class Scene:
    stream: Stream
    catalogue: Path
    prometheus: Prometheus

    def ask(self, recorded: names.Recorded, metric: str | None, chunk: int) -> list[dict[str, Any]]:
        query = Between(load_catalogue(self.catalogue), DAY).of(recorded, metric)
        answer = requests.post(
            f"{self.prometheus.url}/api/v1/query", data={"query": query, "time": START + (chunk + 1) * DAY}, timeout=60
        ).json()
        assert answer["status"] == "success", answer
        found = [{**s["metric"], "number": float(s["value"][1])} for s in answer["data"]["result"]]
        return [s for s in found if s.get("version") == "1"]

    def quality(self, metric: str, chunk: int) -> dict[str, float]:
        """The metric of all rows and of each slice value."""
        return {item.get("value", names.ALL): item["number"] for item in self.ask(names.R_QUALITY, metric, chunk)}


def run_cli(*arguments: object) -> str:
    done = subprocess.run(plumbline(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("classes")
    receiver = [{"webhook": "http://127.0.0.1:9/x"}]
    model = {
        "task": "multiclass",
        "owner": "team",
        "classes": DECLARED,
        "slices": {"region": list(REGIONS[:2])},
        "features": {"x": {"type": "numeric"}},
    }
    catalogue = {
        "version": 1,
        "owners": {"team": {"team": "Team", "page": receiver, "ticket": receiver}},
        "platform_owner": "team",
        "models": {"many": model},
        "host_metrics": False,
        "series_budget": {"per_model": 20_000},  # that many classes by slice are more than the usual 15,000
    }
    (folder / "plumbline.yaml").write_text(yaml.safe_dump(catalogue, sort_keys=False))
    reference, stream = draw(2000, 1), draw(4000, 2)
    with (folder / "reference.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ts", "x", "prediction", "actual"])
        for i in range(len(reference.ts)):
            row = (reference.predicted[i], reference.actual[i])
            writer.writerow([reference.ts[i] - 30 * DAY, i % 7, *(CLASSES[c] for c in row)])
    with (folder / "history.ndjson").open("w") as file:
        for i in range(len(stream.ts)):
            event = {
                "type": "prediction",
                "ts": stream.ts[i],
                "request_id": f"r{i}",
                "model": "many",
                "version": "1",
                "features": {"x": i % 7},
                "prediction": CLASSES[stream.predicted[i]],
                "scores": dict(zip(CLASSES, stream.scores[i].tolist(), strict=True)),
                "slices": {"region": str(stream.region[i])},
            }
            outcome = {
                "type": "outcome",
                "ts": stream.ts[i],
                "request_id": f"r{i}",
                "actual": CLASSES[stream.actual[i]],
            }
            file.write(json.dumps(event) + "\n" + json.dumps(outcome) + "\n")
    shared = ("--catalogue", folder / "plumbline.yaml")
    run_cli(
        "baseline",
        "build",
        folder / "reference.csv",
        "--model",
        "many",
        "--version",
        "1",
        *shared,
        "--output",
        folder / "baselines",
        "--time-column",
        "ts",
    )
    run_cli(
        "backfill",
        folder / "history.ndjson",
        *shared,
        "--baselines",
        folder / "baselines",
        "--data",
        folder / "data",
        "--tsdb",
        folder / "tsdb",
        "--step",
        "1d",
        "--json",
    )
    (folder / "prometheus.yml").write_text("global: {}\n")
    years = ["--storage.tsdb.retention.time=100y"]
    with Prometheus(folder / "prometheus.yml", folder / "tsdb", args=years) as prometheus:
        yield Scene(stream, folder / "plumbline.yaml", prometheus)


@pytest.mark.parametrize("chunk", [0, 1])
def test_quality_of_all_rows_and_of_each_slice_is_scikit_learns(scene: Scene, chunk: int) -> None:
    places = {names.ALL: None, "north": "north", "south": "south", names.OTHER: "west"}
    for metric, score in (
        ("accuracy", lambda rows: accuracy_score(rows.actual, rows.predicted)),
        ("macro_precision", lambda rows: np.nanmean(by_class(rows)["precision"])),
        ("macro_recall", lambda rows: np.nanmean(by_class(rows)["recall"])),
        ("macro_f1", lambda rows: np.nanmean(by_class(rows)["f1"])),
        ("micro_f1", lambda rows: f1_score(rows.actual, rows.predicted, average="micro")),
    ):
        got = scene.quality(metric, chunk)
        assert set(got) == set(places)
        for place, region in places.items():
            expected = score(scene.stream.chunk(chunk, region))
            assert got[place] == pytest.approx(expected, rel=EXACT), (metric, place)


def test_each_class_has_its_precision_recall_and_f1(scene: Scene) -> None:
    rows = scene.stream.chunk(1, "south")
    for metric, expected in by_class(rows).items():
        answers = scene.ask(names.R_CLASS_QUALITY, metric, 1)
        got = {a["class"]: a["number"] for a in answers if a["value"] == "south"}
        wanted = {
            name: value for name, value in zip([*DECLARED, names.OTHER], expected, strict=True) if not np.isnan(value)
        }
        assert got == pytest.approx(wanted, rel=EXACT, abs=1e-15), metric
        assert len(got) > 30


def test_the_declared_classes_are_scikit_learns(scene: Scene) -> None:
    rows = scene.stream.chunk(1)
    table = precision_recall_fscore_support(
        merged(rows.actual), merged(rows.predicted), labels=np.arange(len(DECLARED)), zero_division=np.nan
    )
    for metric, expected in zip(("precision", "recall"), table, strict=False):
        answers = scene.ask(names.R_CLASS_QUALITY, metric, 1)
        got = {a["class"]: a["number"] for a in answers if a["value"] == names.ALL}
        wanted = {name: value for name, value in zip(DECLARED, expected, strict=True) if not np.isnan(value)}
        assert {name: got[name] for name in wanted} == pytest.approx(wanted, rel=EXACT, abs=1e-15), metric


def test_brier_and_log_loss_are_of_all_classes_that_the_scores_name(scene: Scene) -> None:
    rows = scene.stream.chunk(0)
    brier = float(np.mean(((rows.scores - np.eye(60)[rows.actual]) ** 2).sum(axis=1)))
    assert scene.quality("brier", 0)[names.ALL] == pytest.approx(brier, rel=EXACT)
    expected = log_loss(rows.actual, rows.scores, labels=np.arange(60))
    assert scene.quality("log_loss", 0)[names.ALL] == pytest.approx(expected, rel=EXACT)


def test_the_matrix_tells_twenty_classes_apart_and_counts_everyone(scene: Scene) -> None:
    rows = scene.stream.chunk(0)
    actual, predicted = (np.minimum(codes, 20) for codes in (rows.actual, rows.predicted))
    expected = confusion_matrix(actual, predicted, labels=np.arange(21))
    shown = [*CLASSES[:20], names.OTHER]
    at = START + DAY
    cells = scene.prometheus.query('ml_confusion_total{version="1"}', at)
    got = {(c["metric"]["actual"], c["metric"]["predicted"]): float(c["value"][1]) for c in cells}
    assert len(got) == 21 * 21
    assert got == {(a, p): expected[i, j] for i, a in enumerate(shown) for j, p in enumerate(shown)}


def test_drift_of_the_target_is_that_of_the_merged_classes(scene: Scene) -> None:
    reference, rows = draw(2000, 1), scene.stream.chunk(1)
    [got] = [a["number"] for a in scene.ask(names.R_PSI, None, 1) if a["feature"] == names.ACTUAL_FEATURE]

    def shares(codes: np.ndarray) -> np.ndarray:
        counts = np.bincount(merged(codes), minlength=52)  # declared, other, and missing, which none is
        return (counts + 0.5) / (counts.sum() + 26)

    p, q = shares(rows.actual), shares(reference.actual)
    assert got == pytest.approx(float(((p - q) * np.log(p / q)).sum()), rel=1e-6)
