"""The generated configuration in a real Prometheus and Alertmanager: right numbers, right receivers.

A small target serves counters: first all 0, then the sums of one made-up batch at once. So increase() has
the same extrapolation in every series and it cancels: what PromQL says must equal numpy and scikit-learn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml
from sklearn import metrics as sk

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.generated import write_files
from plumbline.servers import free_port
from plumbline_alerting.generate import generate
from plumbline_alerting.scene import JOB_EXPORTER
from support.servers import Alertmanager, FakeTarget, Prometheus, WebhookReceiver, wait_for

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
EVALUATION = {
    "scrape_interval": "1s",
    "rule_interval": "1s",
    "drift": ["1m", "2m"],
    "quality": ["1m", "2m"],
    "fast": "1m",
    "slow": "2m",
    "drift_alert": "1m",
    "alert_for": "1s",
    "ticket_for": "1s",
}
CLASSIFIER = {"model": "flight_late", "version": "7"}
REGRESSOR = {"model": "flight_delay", "version": "3"}
WHOLE = {"slice": "all", "value": "all"}
CENTRE = 5.0
BINS = [f"{i:02d}" for i in range(6)] + ["missing"]


@dataclass
class Truth:
    """One batch of predictions with outcomes."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def __post_init__(self) -> None:
        n = 40_000
        # Scores take as many values as there are bins, so the binned ROC-AUC is exact.
        self.score = (self.rng.integers(0, 50, n) + 0.5) / 50
        self.actual = (self.rng.random(n) < 0.3 + 0.4 * self.score).astype(int)
        self.predicted = (self.score > 0.5).astype(int)
        self.target = self.rng.normal(8.0, 20.0, n)
        self.forecast = self.target * 0.5 + self.rng.normal(6.0, 15.0, n)
        self.share = np.array([0.16, 0.16, 0.16, 0.16, 0.16, 0.19, 0.01])
        self.values = np.array([100_000, 900_000, 50_000, 700_000, 0, 1_300_000, 20_000])


def line(metric: names.Metric, value: float, /, **labels: str) -> str:
    text = ",".join(f'{k}="{v}"' for k, v in labels.items())
    return f"{metric.name}{{{text}}} {value!r}" if labels else f"{metric.name} {value!r}"


@dataclass
class Exposed:
    """The page of the target."""

    truth: Truth
    on: float = 0.0
    failures: int = 0

    def text(self) -> str:
        out = [*self.intent(), *self.classifier(), *self.regressor(), *self.feature(), *self.pipeline()]
        return "\n".join(out) + "\n"

    def intent(self) -> Iterator[str]:
        for model, task in ((CLASSIFIER, "binary"), (REGRESSOR, "regression")):
            yield line(names.MODEL_INFO, 1, **model, owner="flight-ml", stage="production", task=task, commit="c")
            yield line(names.BASELINE_INFO, 1, **model, baseline="b", training_data="t", commit="c")
            yield line(names.BASELINE_ROWS, 100_000, **model)
            for metric, bound in ((names.OBJECTIVE_SAMPLES, 200), (names.OBJECTIVE_COVERAGE, 0.9)):
                yield line(names.OBJECTIVE, bound, **model, metric=metric, severity="critical")
            counted = self.on * len(self.truth.actual)
            yield line(names.PREDICTIONS, counted, **model)
            yield line(names.PREDICTIONS_MATURED, counted, **model)
            yield line(names.OUTCOMES_MATURED, 0.96 * counted, **model)
        yield line(names.OBJECTIVE, 0.75, **CLASSIFIER, metric="accuracy", severity="critical")
        yield line(names.BASELINE_QUALITY, 0.85, **CLASSIFIER, metric="accuracy")
        yield line(names.BASELINE_QUALITY_STDDEV, 0.02, **CLASSIFIER, metric="accuracy")
        yield line(names.ROLLBACK_INFO, 1, **CLASSIFIER, rollback_version="6")

    def classifier(self) -> Iterator[str]:
        t = self.truth
        for a in (0, 1):
            for p in (0, 1):
                cell = float(np.sum((t.actual == a) & (t.predicted == p)))
                yield line(names.CONFUSION, self.on * cell, **CLASSIFIER, **WHOLE, actual=str(a), predicted=str(p))
        above = 0.0
        for k in reversed(range(50)):
            inside = np.isclose(t.score, (k + 0.5) / 50)
            positives = float(np.sum(inside & (t.actual == 1)))
            negatives = float(np.sum(inside & (t.actual == 0)))
            where = {**CLASSIFIER, "bin": f"{k:02d}"}
            yield line(names.SCORE_BINS, self.on * positives, **where, actual="1")
            yield line(names.SCORE_BINS, self.on * negatives, **where, actual="0")
            yield line(names.SCORE_POSITIVES_ABOVE, self.on * (above + positives / 2), **where)
            yield line(names.BASELINE_SCORE_POSITIVE_SHARE, (k + 0.5) / 50, **where)
            above += positives
        brier = float(np.sum((t.score - t.actual) ** 2))
        loss = -float(np.sum(np.log(np.where(t.actual == 1, t.score, 1 - t.score))))
        yield line(names.SCORED, self.on * len(t.score), **CLASSIFIER, **WHOLE)
        yield line(names.SQUARED_SCORE_ERROR, self.on * brier, **CLASSIFIER, **WHOLE)
        yield line(names.LOG_LOSS, self.on * loss, **CLASSIFIER, **WHOLE)

    def regressor(self) -> Iterator[str]:
        error = self.truth.forecast - self.truth.target
        centred = self.truth.target - CENTRE
        sums = {
            names.REGRESSION: len(error),
            names.ABSOLUTE_ERROR: np.abs(error).sum(),
            names.SQUARED_ERROR: (error**2).sum(),
            names.OVERPREDICTION: np.maximum(error, 0).sum(),
            names.UNDERPREDICTION: np.maximum(-error, 0).sum(),
            names.ACTUAL_SQUARED: (centred**2).sum(),
        }
        for metric, value in sums.items():
            yield line(metric, self.on * float(value), **REGRESSOR, **WHOLE)
        for sign, factor in (("positive", 1), ("negative", -1)):
            side = float(np.maximum(factor * centred, 0).sum())
            yield line(names.ACTUAL, self.on * side, **REGRESSOR, **WHOLE, sign=sign)

    def feature(self) -> Iterator[str]:
        where = {**REGRESSOR, "feature": "temp"}
        for bin_, count, share in zip(BINS, self.truth.values, self.truth.share, strict=True):
            if count:  # an empty bin may have no series at all
                yield line(names.FEATURE_VALUES, self.on * float(count), **where, bin=bin_)
            yield line(names.BASELINE_FEATURE_SHARE, float(share), **where, bin=bin_)
        yield line(names.BASELINE_FEATURE_NOISE, 0.13, **where)
        yield line(names.BASELINE_FEATURE_CHI2, 25.0, **where)

    def pipeline(self) -> Iterator[str]:
        yield line(names.PIPELINE_INFO, 1, pipeline="weather_feed", owner="weather-data", models="flight_delay")
        yield line(names.PIPELINE_MODEL_INFO, 1, pipeline="weather_feed", model="flight_delay")
        yield line(names.PIPELINE_FAILURES, self.failures, pipeline="weather_feed", stage="fetch")


@dataclass
class Stack:
    """The running servers."""

    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: WebhookReceiver
    exposed: Exposed

    def quality(self, metric: str, recorded: names.Recorded = names.R_QUALITY) -> float:
        value = self.prometheus.value(f'{recorded.over("1m")}{{metric="{metric}", slice="all"}}', self.at)
        assert value is not None, metric
        return value

    at: float = 0.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    exposed = Exposed(Truth())
    with WebhookReceiver() as receiver, FakeTarget(text=exposed.text) as target:
        port, am_port = free_port(), free_port()
        document = yaml.safe_load((ROOT / "plumbline.yaml").read_text(encoding="utf-8"))
        for name, owner in document["owners"].items():
            owner["page"] = [{"webhook": f"{receiver.url}/{name}/page"}]
            owner["ticket"] = [{"webhook": f"{receiver.url}/{name}/ticket"}]
            del owner["ticket_hours"]  # the test must not depend on the time of day
        document["pipelines"]["weather_feed"]["cadence"] = "30s"
        document["evaluation"] = EVALUATION
        document["targets"] = {
            "exporters": [f"127.0.0.1:{target.port}"],
            "prometheus": [f"127.0.0.1:{port}"],
            "alertmanagers": [f"127.0.0.1:{am_port}"],
        }
        document["links"] = {"exporter": receiver.url}  # or Alertmanager rightly says that one way is broken
        write_files(generate(Catalogue.model_validate(document)), folder)
        config = folder / "prometheus" / "prometheus.yml"
        am_config = folder / "alerting" / "alertmanager.yml"
        with (
            Alertmanager(am_config, folder / "am-data", port=am_port) as alertmanager,
            Prometheus(config, folder / "prom-data", port=port) as prometheus,
        ):
            found = Stack(prometheus, alertmanager, receiver, exposed)
            scraped = f'sum_over_time(up{{job="{JOB_EXPORTER}"}}[1m]) >= 3'
            wait_for(lambda: prometheus.query(scraped), name="three scrapes")
            # Drift tickets wait until their window (1m) lies after the version's start; the batch must still be
            # in it by then.
            time.sleep(35)
            exposed.on = 1.0
            wait_for(lambda: prometheus.query(f"{names.R_PSI.over('1m')} > 0"), name="the first recorded PSI")
            prometheus.wait_for_rules()  # every rule has seen the whole batch, in order
            found.at = time.time() - 1
            yield found


def test_classification_equals_scikit_learn(stack: Stack) -> None:
    t = stack.exposed.truth
    expected = {
        "accuracy": sk.accuracy_score(t.actual, t.predicted),
        "precision": sk.precision_score(t.actual, t.predicted),
        "recall": sk.recall_score(t.actual, t.predicted),
        "f1": sk.f1_score(t.actual, t.predicted),
        "roc_auc": sk.roc_auc_score(t.actual, t.score),
        "brier": sk.brier_score_loss(t.actual, t.score),
        "log_loss": sk.log_loss(t.actual, t.score),
    }
    assert {m: stack.quality(m) for m in expected} == pytest.approx(expected, abs=1e-6)


def test_regression_equals_scikit_learn(stack: Stack) -> None:
    t = stack.exposed.truth
    expected = {
        "mae": sk.mean_absolute_error(t.target, t.forecast),
        "rmse": float(np.sqrt(sk.mean_squared_error(t.target, t.forecast))),
        "bias": float(np.mean(t.forecast - t.target)),
        "r2": sk.r2_score(t.target, t.forecast),
    }
    assert {m: stack.quality(m) for m in expected} == pytest.approx(expected, abs=1e-6)


def test_standard_errors_are_those_of_the_sample(stack: Stack) -> None:
    t = stack.exposed.truth
    right = (t.actual == t.predicted).astype(float)
    error = t.forecast - t.target
    count = f'{names.R_QUALITY_SAMPLES.over("1m")}{{model="%s", slice="all"}}'
    # increase() extrapolates n to the window's ends, so the n it found is the one to divide by.
    n = {m["model"]: stack.prometheus.value(count % m["model"], stack.at) for m in (CLASSIFIER, REGRESSOR)}
    assert n["flight_late"] == pytest.approx(len(right), rel=0.25)
    root = {model: np.sqrt(float(samples or 0)) for model, samples in n.items()}
    expected = {
        "accuracy": right.std() / root["flight_late"],
        "mae": np.abs(error).std() / root["flight_delay"],
        "bias": error.std() / root["flight_delay"],
    }
    found = {m: stack.quality(m, names.R_QUALITY_STDERR) for m in expected}
    assert found == pytest.approx(expected, rel=1e-6)


def test_standard_error_of_f1_is_that_of_a_bootstrap(stack: Stack) -> None:
    t = stack.exposed.truth
    rows = t.rng.integers(0, len(t.actual), (300, len(t.actual)))
    f1 = [sk.f1_score(t.actual[r], t.predicted[r]) for r in rows]
    assert stack.quality("f1", names.R_QUALITY_STDERR) == pytest.approx(np.std(f1), rel=0.3)


def test_auc_bound_is_half_the_sum_of_products(stack: Stack) -> None:
    t = stack.exposed.truth
    bins = np.round(t.score * 50 - 0.5).astype(int)
    p = np.bincount(bins[t.actual == 1], minlength=50)
    n = np.bincount(bins[t.actual == 0], minlength=50)
    bound = stack.prometheus.value(names.R_AUC_BOUND.over("1m"), stack.at)
    assert bound == pytest.approx(0.5 * np.sum(p * n) / (p.sum() * n.sum()), abs=1e-6)


def test_psi_equals_numpy_with_the_same_smoothing(stack: Stack) -> None:
    t = stack.exposed.truth
    p = (t.values + 0.5) / (t.values.sum() + 0.5 * len(t.values))
    expected = float(np.sum((p - t.share) * np.log(p / t.share)))
    recorded = stack.prometheus.query(names.R_BIN_INCREASE.over("1m"), stack.at)
    counts = {r["metric"]["bin"]: float(r["value"][1]) for r in recorded}
    c = np.array([counts.get(b, 0.0) for b in BINS])
    q = (c + 0.5) / (c.sum() + 0.5 * len(c))
    psi = stack.prometheus.value(names.R_PSI.over("1m"), stack.at)
    # The extrapolation of increase() scales the counts but not the pseudo-count of the empty bin.
    assert psi == pytest.approx(expected, rel=0.03)
    assert psi == pytest.approx(float(np.sum((q - t.share) * np.log(q / t.share))), abs=1e-6)


def test_psi_threshold_is_the_features_own_noise_at_large_n(stack: Stack) -> None:
    assert stack.prometheus.value(names.R_PSI_THRESHOLD.over("1m"), stack.at) == pytest.approx(0.13)


def test_page_and_ticket_reach_their_owners_and_a_broken_pipeline_mutes_the_drift(stack: Stack) -> None:
    receiver = stack.receiver

    def firing(path: str, alert: str) -> list[dict[str, dict[str, str]]]:
        return [a for a in receiver.alerts(path) if a["labels"]["alertname"] == alert]

    page = wait_for(lambda: firing("/flight-ml/page", "ModelQualityCritical"), name="the page")[0]
    assert page["labels"] | CLASSIFIER == page["labels"]
    assert page["annotations"]["verdict"] == "Roll back to version 6."
    assert "objective 0.75, baseline 0.85" in page["annotations"]["description"]
    assert "unknown" not in page["annotations"]["description"]
    assert page["annotations"]["dashboard_url"].endswith("/d/plumbline-quality?var-model=flight_late&var-version=7")
    ticket = wait_for(lambda: firing("/flight-ml/ticket", "FeatureDrift"), name="the ticket")[0]
    assert ticket["labels"]["feature"] == "temp"
    assert "threshold 0.13" in ticket["annotations"]["description"]
    assert receiver.alerts("/weather-data/page") == []

    stack.exposed.failures = 1
    broken = wait_for(lambda: firing("/weather-data/page", "PipelineFailed"), name="the second page")
    assert "Models that depend on it: flight_delay." in broken[0]["annotations"]["description"]

    def muted() -> bool:
        stack.exposed.on += 0.1  # the drift goes on, however slow this machine is
        alerts = requests.get(f"{stack.alertmanager.url}/api/v2/alerts", timeout=5).json()
        drifts = [a for a in alerts if a["labels"]["alertname"] == "FeatureDrift"]
        return bool(drifts) and all(a["status"]["inhibitedBy"] for a in drifts)

    wait_for(muted, seconds=30, name="the drift to be muted")
    paths = {path for path, _ in receiver.received} - {"/v1/alerts"}
    assert paths <= {"/flight-ml/page", "/flight-ml/ticket", "/weather-data/page", "/platform/ticket"}
