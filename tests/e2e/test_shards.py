"""Three exporters, each with a third of the requests, give the same PromQL answers as one with all of them.

Both sides are real: exporters as a user starts them, a Prometheus each with the generated rules. A fifth of
the outcomes is corrected after it has matured, so the answers are net of what that took back, and equal
scikit-learn's on the corrected outcomes.

``increase()`` extrapolates by each exporter's own scrape times, so what is compared to the event are the
series since deployment (``_life``) and counters at the end minus at the start (``between``).
"""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, log_loss, mean_absolute_error, r2_score

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.servers import free_port
from support.between import Between
from support.scenery import Exporter, Rows, build_baselines, events, post, prometheus_for, rows, write_catalogue
from support.servers import Prometheus, wait_for

pytestmark = pytest.mark.e2e
EXACT = 1e-9
Answer = dict[tuple[tuple[str, str], ...], float]


@dataclass
class Side:
    """Exporters that share the work, and the Prometheus that watches them."""

    folder: Path
    count: int
    exporters: list[Exporter] = field(default_factory=list)
    prometheus: Prometheus | None = None

    def start(self, reference: Rows, stack: ExitStack) -> Catalogue:
        self.folder.mkdir()
        ports = [free_port() for _ in range(self.count)]
        path = self.folder / "plumbline.yaml"
        write_catalogue(path, ports[0])
        raw = yaml.safe_load(path.read_text())
        raw["targets"]["exporters"] = [f"127.0.0.1:{port}" for port in ports]
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        catalogue = load_catalogue(path)
        build_baselines(catalogue, self.folder, reference)
        for at, port in enumerate(ports):
            exporter = Exporter(path, self.folder / "baselines", self.folder / f"data{at}", port)
            self.exporters.append(stack.enter_context(exporter))
        self.prometheus = stack.enter_context(prometheus_for(catalogue, self.folder))
        return catalogue

    def send(self, made: list[dict[str, Any]]) -> None:
        for at, exporter in enumerate(self.exporters):
            mine = [e for e in made if zlib.crc32(e["request_id"].encode()) % self.count == at]
            assert post(exporter.url, mine).json()["accepted"] == len(mine)

    def ask(self, expr: str, at: float | None = None) -> Answer:
        assert self.prometheus is not None
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in self.prometheus.query(expr, at)}

    def wait(self, expr: str, value: float) -> None:
        wait_for(lambda: list(self.ask(expr).values()) == [value], name=expr)


@dataclass
class Scene:
    one: Side
    three: Side
    live: Rows
    between: Between
    at: float


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("shards")
    reference, live = rows(3000, 1), rows(900, 2, shift=0.4)
    one, three = Side(folder / "one", 1), Side(folder / "three", 3)
    with ExitStack() as stack:
        catalogue = one.start(reference, stack)
        three.start(reference, stack)
        for side in (one, three):
            side.wait("sum(ml_predictions_total)", 0)
            assert side.prometheus is not None
            side.prometheus.wait_for_scrapes("ml_predictions_total", 3)
        # The stretch is rounded to seconds: it must begin neither before the first scrape nor after the sending.
        zeros = time.time() - 1
        # In the past: what lies ahead of an exporter's clock is taken as its now.
        started, wrong = time.time() - 10, np.arange(len(live)) % 5 == 0
        said = Rows(live.x, live.c, live.score, live.late ^ wrong, live.minutes + 40 * wrong, live.answer)
        first = events(said, started)
        truth = [e for e in events(live, started, known=2.0) if e["type"] == "outcome"]
        late = [{**e, "correction": True} for e in truth if wrong[int(e["request_id"][1:])]]
        for side in (one, three):
            side.send(first)
        for side in (one, three):
            side.wait("sum(ml_outcomes_matured_total)", 2 * len(live))
            side.send(late)
        for side in (one, three):
            side.wait('sum(ml_outcomes_total{state="corrected"})', len(late))
        for side in (one, three):
            assert side.prometheus is not None
            side.prometheus.wait_for_rules()
        at = time.time()
        yield Scene(one, three, live, Between(catalogue, round(at - zeros)), at)


def same(ours: Answer, theirs: Answer) -> Answer:
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key] == pytest.approx(value, rel=EXACT, abs=1e-12), key
    return theirs


def asked(scene: Scene, expr: str) -> Answer:
    return same(scene.three.ask(expr, scene.at), scene.one.ask(expr, scene.at))


def sums(side: Side, at: float) -> Answer:
    """Every counter of the models summed over exporters, less what is retracted of it."""
    found: Answer = defaultdict(float)
    back = {retracted.name: name for name, retracted in names.RETRACTED.items()}
    for labels, value in side.ask('{__name__=~"ml_.+_(total|bucket|count|sum)"}', at).items():
        kept = {k: v for k, v in labels if k not in ("instance", "job")}
        name, sign = back.get(kept["__name__"]), 1
        if name is not None:
            kept["__name__"], sign = name, -1
        found[tuple(sorted(kept.items()))] += sign * value
    return found


def test_every_counter_sums_to_the_same(scene: Scene) -> None:
    found = same(sums(scene.three, scene.at), sums(scene.one, scene.at))
    assert len({dict(labels)["__name__"] for labels, value in found.items() if value}) > 25


def test_every_recorded_series_since_deployment_is_the_same(scene: Scene) -> None:
    found = asked(scene, '{__name__=~".+_life"}')
    answered = {dict(labels)["__name__"].removesuffix("_life") for labels in found}
    assert {
        names.R_QUALITY.stem,
        names.R_AUC_BOUND.stem,
        names.R_CALIBRATION_GAP.stem,
        names.R_ECE.stem,
        names.R_QUALITY_LOSS.stem,
        names.R_QUALITY_STDERR.stem,
    } <= answered


def test_drift_is_the_same(scene: Scene) -> None:
    assert len(asked(scene, scene.between.of(names.R_PSI))) == 9  # x, c, _prediction, _actual; one _score


def test_quality_is_scikit_learns_on_the_corrected_outcomes(scene: Scene) -> None:
    live = scene.live
    called = (live.score > 0.5).astype(int)
    expected = {
        ("late", "accuracy"): accuracy_score(live.late, called),
        ("late", "f1"): f1_score(live.late, called),
        ("late", "brier"): brier_score_loss(live.late, live.score),
        ("late", "log_loss"): log_loss(live.late, live.score),
        ("minutes", "mae"): mean_absolute_error(live.minutes, live.answer),
        ("minutes", "r2"): r2_score(live.minutes, live.answer),
    }
    for (model, metric), value in expected.items():
        got = asked(
            scene, f'{names.R_QUALITY.over("life")}{{model="{model}", version="1", slice="all", metric="{metric}"}}'
        )
        assert list(got.values()) == [pytest.approx(value, rel=1e-9)], (model, metric)
