"""Numbers that PromQL gives on a real Prometheus against numpy and scikit-learn on the same rows.

All events fall inside one window and every counter starts at 0 before them, so there is no window edge:
``increase()`` scales all series by one factor, which cancels in every ratio. What is left is float64
rounding; 1e-9 relative would hold, 1e-6 is what we promise.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
)

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.baseline.noise import significant_psi
from plumbline.servers import free_port
from support.scenery import Exporter, Rows, build_baselines, events, post, prometheus_for, rows, write_catalogue
from support.servers import Prometheus, wait_for

pytestmark = pytest.mark.e2e
TOLERANCE = 1e-6
WINDOW = "2m"


@dataclass
class Scene:
    prometheus: Prometheus
    exporter: Exporter
    live: Rows
    reference: Rows
    baselines: dict[str, Baseline]
    at: float

    def value(self, expr: str) -> float | None:
        """Return the value at the one moment that all tests look at: between two, the rules go on."""
        return self.prometheus.value(expr, self.at)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("sums")
    port = free_port()
    catalogue = write_catalogue(folder / "plumbline.yaml", port, WINDOW)
    reference, live = rows(4000, 1), rows(1500, 2, shift=0.4)
    baselines = build_baselines(catalogue, folder, reference)
    exporter = Exporter(folder / "plumbline.yaml", folder / "baselines", folder / "data", port)
    with exporter, prometheus_for(catalogue, folder) as prometheus:
        wait_for(lambda: prometheus.value("sum(ml_predictions_total)") == 0, name="counters born at 0")
        prometheus.wait_for_scrapes("ml_predictions_total", 3)
        assert post(exporter.url, events(live, time.time())).json()["accepted"] == 4 * len(live)
        wait_for(lambda: prometheus.value("sum(ml_outcomes_matured_total)") == 2 * len(live), name="mature outcomes")
        prometheus.wait_for_rules()
        at = time.time()
        prometheus.wait_for_rules()  # so that the round at that moment is whole
        yield Scene(prometheus, exporter, live, reference, baselines, at)


def test_counters_equal_an_independent_count(scene: Scene) -> None:
    for model in ("late", "minutes"):
        selector = f'{{model="{model}", version="1"}}'
        assert scene.value(f"ml_predictions_total{selector}") == len(scene.live)
        assert scene.value(f"sum(ml_outcomes_total{selector})") == len(scene.live)
        missing = scene.value(
            f'ml_feature_problems_total{{model="{model}", version="1", feature="x", problem="missing"}}'
        )
        assert missing == np.isnan(scene.live.x).sum()
    for actual in (0, 1):
        for predicted in (0, 1):
            got = scene.value(f'ml_confusion_total{{version="1", actual="{actual}", predicted="{predicted}"}}')
            mask = (scene.live.late == actual) & ((scene.live.score > 0.5) == predicted)
            assert got == mask.sum()


def quality(scene: Scene, model: str, metric: str) -> float:
    name = names.R_QUALITY.over(WINDOW)
    got = scene.value(f'{name}{{model="{model}", version="1", metric="{metric}", slice="all"}}')
    assert got is not None, metric
    return got


def test_classification_quality_equals_scikit_learn(scene: Scene) -> None:
    truth, score = scene.live.late, scene.live.score
    answer = (score > 0.5).astype(int)
    expected = {
        "accuracy": accuracy_score(truth, answer),
        "precision": precision_score(truth, answer),
        "recall": recall_score(truth, answer),
        "f1": f1_score(truth, answer),
        "brier": brier_score_loss(truth, score),
        "log_loss": log_loss(truth, score),
    }
    for metric, value in expected.items():
        assert quality(scene, "late", metric) == pytest.approx(value, rel=TOLERANCE), metric


def test_roc_auc_lies_within_its_recorded_bound(scene: Scene) -> None:
    exact = roc_auc_score(scene.live.late, scene.live.score)
    bound = scene.value(f'{names.R_AUC_BOUND.over(WINDOW)}{{model="late", version="1"}}')
    assert bound is not None
    assert 0 < bound < 0.02
    assert abs(quality(scene, "late", "roc_auc") - exact) <= bound


def test_regression_quality_equals_scikit_learn(scene: Scene) -> None:
    truth, answer = scene.live.minutes, scene.live.answer
    expected = {
        "mae": mean_absolute_error(truth, answer),
        "rmse": mean_squared_error(truth, answer) ** 0.5,
        "bias": float(np.mean(answer - truth)),
        "r2": r2_score(truth, answer),
    }
    for metric, value in expected.items():
        assert quality(scene, "minutes", metric) == pytest.approx(value, rel=TOLERANCE), metric


def shares(counts: np.ndarray) -> np.ndarray:
    return (counts + 0.5) / (counts.sum() + 0.5 * len(counts))


def psi(p: np.ndarray, q: np.ndarray) -> float:
    return float(((p - q) * np.log(p / q)).sum())


def test_psi_equals_numpy(scene: Scene) -> None:
    """Bins are counted again here with numpy alone, from the edges in the artefact."""
    bins = scene.baselines["late"].features

    def count_x(x: np.ndarray) -> np.ndarray:
        edges = np.array([-np.inf, *bins["x"].uppers, np.inf])
        inside = [((x > a) & (x <= b)).sum() for a, b in itertools.pairwise(edges)]
        return np.array([*inside, np.isnan(x).sum()])

    def count_c(c: list[str | None]) -> np.ndarray:
        known = bins["c"].categories
        counts = [c.count(level) for level in known]
        return np.array([*counts, len(c) - sum(counts) - c.count(None), c.count(None)])

    for feature, live, reference in (
        ("x", count_x(scene.live.x), count_x(scene.reference.x)),
        ("c", count_c(scene.live.c), count_c(scene.reference.c)),
    ):
        got = scene.value(f'{names.R_PSI.over(WINDOW)}{{model="late", version="1", feature="{feature}"}}')
        n = scene.value(f'{names.R_FEATURE_INCREASE.over(WINDOW)}{{model="late", version="1", feature="{feature}"}}')
        assert n is not None
        # increase() scales the counts by one factor; smoothing sees the scaled n, so numpy does as well.
        scaled = live * (n / live.sum())
        assert n == pytest.approx(len(scene.live), rel=0.1)
        assert got == pytest.approx(psi(shares(scaled), shares(reference)), rel=TOLERANCE)
        assert got == pytest.approx(psi(shares(live), shares(reference)), abs=1e-3)


def test_the_threshold_knows_its_sample_size(scene: Scene) -> None:
    for feature, bins in scene.baselines["late"].features.items():
        got = scene.value(f'{names.R_PSI_THRESHOLD.over(WINDOW)}{{model="late", version="1", feature="{feature}"}}')
        n = scene.value(f'{names.R_FEATURE_INCREASE.over(WINDOW)}{{model="late", version="1", feature="{feature}"}}')
        assert n is not None
        expected = max(0.1, bins.noise, significant_psi(bins.counts, n, bins.chi2))
        assert got == pytest.approx(expected, rel=TOLERANCE)


def test_coverage_is_complete(scene: Scene) -> None:
    for model in ("late", "minutes"):
        got = scene.value(f'{names.R_COVERAGE.over(WINDOW)}{{model="{model}", version="1"}}')
        assert got == pytest.approx(1.0, rel=TOLERANCE)
