"""Slices, versions and KPIs compared in PromQL on a real Prometheus, against numpy and scipy on the same rows.

The window is the whole life of the counters, which rules read as they are: what is left between the two
sides is float64 rounding.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.integrate import quad
from scipy.stats import binomtest, chi2_contingency, norm
from sklearn.metrics import brier_score_loss, log_loss, mean_squared_error, r2_score

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from plumbline.servers import free_port
from support.scenery import Exporter, post, prometheus_for
from support.servers import Prometheus, wait_for

pytestmark = pytest.mark.e2e
EXACT = 1e-9
FAIRNESS_VALUES = {
    "sex": ["f", "m"],
    "age": ["young", "old"],
    "sex & age": ["f & young", "f & old", "m & young", "m & old"],
}
MINIMUM = 30


def write_catalogue(path: Path, port: int) -> None:
    receiver = [{"webhook": "http://127.0.0.1:9/x"}]
    shared = {
        "owner": "team",
        "features": {"x": {"type": "numeric"}},
        "outcome": {"maturity": "1s", "minimum_samples": MINIMUM},
        "slices": {"sex": ["f", "m"], "age": ["young", "old"]},
        "intersections": [["sex", "age"]],
    }
    raw = {
        "version": 1,
        "owners": {"team": {"team": "Team", "page": receiver, "ticket": receiver}},
        "platform_owner": "team",
        "models": {
            "hire": {
                **shared,
                "task": "binary",
                "classes": ["0", "1"],
                "positive_class": "1",
                "kpis": ["fee"],
                "kpi_objectives": {"fee": {"floor": 4.0}},
            },
            "pay": {**shared, "task": "regression"},
        },
        "evaluation": {
            "scrape_interval": "1s",
            "rule_interval": "1s",
            "drift": ["1m"],
            "quality": ["30s", "5m"],
            "fast": "30s",
            "slow": "5m",
            "drift_alert": "1m",
            "alert_for": "1s",
            "ticket_for": "1s",
        },
        "targets": {"exporters": [f"127.0.0.1:{port}"], "prometheus": [], "alertmanagers": []},
        "host_metrics": False,
    }
    path.write_text(yaml.safe_dump(raw, sort_keys=False))


@dataclass
class Rows:
    """Predictions with their truth; ``who`` holds each slice's value per row, None where it is not said."""

    who: dict[str, np.ndarray]
    actual: np.ndarray
    answer: np.ndarray
    score: np.ndarray | None = None


def people(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    sex = rng.choice(np.array(["f", "m", "x", None], dtype=object), count, p=[0.4, 0.45, 0.1, 0.05])
    age = rng.choice(np.array(["young", "old"], dtype=object), count, p=[0.3, 0.7])
    known = sex != None  # noqa: E711 - elementwise
    both = np.array([f"{s} & {a}" if k else None for s, a, k in zip(sex, age, known, strict=True)], dtype=object)
    return {"sex": sex, "age": age, "sex & age": both}


def draw(seed: int, count: int = 1500) -> dict[str, Rows]:
    rng = np.random.default_rng(seed)
    who = people(rng, count)
    actual = (rng.random(count) < 0.4).astype(int)
    flip = np.where(who["sex"] == "f", 0.35, 0.15)
    answer = np.where(rng.random(count) < flip, 1 - actual, actual)
    whom = people(rng, count)
    pay = rng.normal(100, 20, count)
    guess = pay + rng.normal(np.where(whom["age"] == "old", 3.0, 0.0), 8.0, count)
    score = np.clip(np.where(answer == 1, 0.7, 0.3) + rng.normal(0, 0.15, count), 0.001, 0.999)
    return {"hire": Rows(who, actual, answer, score), "pay": Rows(whom, pay, guess)}


def first_report(i: int, actual: float) -> float:
    """Every seventh outcome is reported wrongly at first, and corrected after it has matured."""
    if i % 7:
        return actual
    return 1 - actual if actual in (0, 1) else actual + 25.0


def corrections(model: str, rows: Rows, at: float) -> Iterator[dict[str, Any]]:
    for i in range(0, len(rows.actual), 7):
        outcome = {"type": "outcome", "ts": at, "request_id": f"{model}1/{i}", "correction": True}
        yield {**outcome, "actual": rows.actual[i].item()}


def events(model: str, rows: Rows, at: float, version: str = "1") -> Iterator[dict[str, Any]]:
    for i in range(len(rows.actual)):
        slices = {name: str(rows.who[name][i]) for name in ("sex", "age") if rows.who[name][i] is not None}
        answer, actual = rows.answer[i].item(), rows.actual[i].item()
        yield {
            "type": "prediction",
            "ts": at,
            "request_id": f"{model}{version}/{i}",
            "model": model,
            "version": version,
            "features": {"x": 1.0},
            "prediction": answer,
            "slices": slices,
            **({} if rows.score is None else {"score": rows.score[i].item()}),
        }
        said = first_report(i, actual) if version == "1" else actual
        yield {"type": "outcome", "ts": at + 1, "request_id": f"{model}{version}/{i}", "actual": said}


def canaries(seed: int) -> dict[str, Rows]:
    """Answers of version 2: more often wrong than version 1's, by more minutes."""
    rng = np.random.default_rng(seed)
    rows = draw(seed, 400)
    hire, pay = rows["hire"], rows["pay"]
    answer = np.where(rng.random(400) < 0.4, 1 - hire.answer, hire.answer)
    return {
        "hire": Rows(hire.who, hire.actual, answer),
        "pay": Rows(pay.who, pay.actual, pay.answer + rng.normal(0, 12, 400)),
    }


def shadow(rows: Rows) -> np.ndarray:
    """Answers of version 3 to the very requests of version 1: a tenth differ, mostly for the better."""
    rng = np.random.default_rng(9)
    better = np.where(rng.random(len(rows.answer)) < 0.15, rows.actual, rows.answer)
    return np.where(rng.random(len(rows.answer)) < 0.02, 1 - better, better)


def fees(seed: int) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(2.0, 3.0, 300), 6)


@dataclass
class Scene:
    prometheus: Prometheus
    rows: dict[str, Rows]
    canaries: dict[str, Rows]
    fees: np.ndarray

    def figures(
        self, recorded: names.Recorded, model: str, version: str = "1", **labels: str
    ) -> dict[tuple[str, ...], float]:
        """Recorded values by the labels that are not given."""
        given = {"model": model, **({"version": version} if "version" in recorded.labels else {}), **labels}
        inside = ", ".join(f'{k}="{v}"' for k, v in given.items())
        left = [label for label in recorded.labels if label not in {"model", "version", *labels}]
        return {
            tuple(r["metric"][label] for label in left): float(r["value"][1])
            for r in self.prometheus.query(f"{recorded.over('life')}{{{inside}}}")
        }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("comparisons")
    port = free_port()
    write_catalogue(folder / "plumbline.yaml", port)
    (folder / "baselines").mkdir()
    rows, beside, paid = draw(3), canaries(5), fees(7)
    exporter = Exporter(folder / "plumbline.yaml", folder / "baselines", folder / "data", port)
    with exporter, prometheus_for(load_catalogue(folder / "plumbline.yaml"), folder) as prometheus:
        now = time.time()
        post(
            exporter.url,
            [
                {"type": "deployment", "ts": now - 60, "model": model, "version": version, "stage": stage}
                for model, (version, stage) in itertools.product(
                    rows, (("1", "production"), ("2", "canary"), ("3", "shadow"))
                )
            ],
        )
        born = 'ml_predictions_total{version="1"} == 0'
        wait_for(lambda: len(prometheus.query(born)) == len(rows), name="counters born at 0")
        prometheus.wait_for_scrapes("ml_predictions_total", 3)
        now = time.time()
        post(exporter.url, itertools.chain.from_iterable(events(model, of, now) for model, of in rows.items()))
        answers = shadow(rows["hire"]).tolist()
        post(
            exporter.url,
            (
                {
                    "type": "prediction",
                    "ts": now,
                    "request_id": f"hire1/{i}",
                    "model": "hire",
                    "version": "3",
                    "features": {"x": 1.0},
                    "prediction": answer,
                }
                for i, answer in enumerate(answers)
            ),
        )
        post(exporter.url, itertools.chain.from_iterable(events(model, of, now, "2") for model, of in beside.items()))
        kpi = {"type": "kpi", "model": "hire", "version": "1", "kpi": "fee", "ts": now}
        post(exporter.url, [{**kpi, "value": float(value), "event_id": f"fee{i}"} for i, value in enumerate(paid)])
        total = sum(len(r.actual) for r in (*rows.values(), *beside.values())) + len(answers)
        wait_for(lambda: prometheus.value("sum(ml_outcomes_matured_total)") == total, name="mature outcomes")
        for model, of in rows.items():
            post(exporter.url, corrections(model, of, now + 2))
        gap = names.R_GAP_UPPER.over("life")
        wait_for(lambda: prometheus.query(f'{gap}{{model="pay"}}'), name="rules of the whole life")
        prometheus.wait_for_rules()
        yield Scene(prometheus, rows, beside, paid)


def sample(rows: Rows, metric: str, mask: np.ndarray) -> np.ndarray:
    """One number per row whose mean is the figure."""
    actual, answer = rows.actual[mask], rows.answer[mask]
    return {
        "selection_rate": lambda: answer == 1,
        "tpr": lambda: answer[actual == 1] == 1,
        "fpr": lambda: answer[actual == 0] == 1,
        "accuracy": lambda: answer == actual,
        "mae": lambda: np.abs(answer - actual),
        "bias": lambda: answer - actual,
    }[metric]().astype(float)


def interval(values: np.ndarray, z: float, proportion: bool) -> tuple[float, float]:
    if not proportion:
        half = z * values.std() / np.sqrt(len(values))
        return values.mean() - half, values.mean() + half
    level = 2 * norm.cdf(z) - 1
    found = binomtest(int(values.sum()), len(values)).proportion_ci(level, method="wilson")
    return found.low, found.high


def test_every_slice_value_and_intersection_has_its_figures_beside_the_rest_of_the_model(scene: Scene) -> None:
    for (model, rows), part in itertools.product(scene.rows.items(), names.FAIRNESS_PARTS):
        task = "binary" if model == "hire" else "regression"
        value = scene.figures(names.R_FAIRNESS, model, part=part)
        count = scene.figures(names.R_FAIRNESS_COUNT, model, part=part)
        seen = set()
        for name, metric in itertools.product(rows.who, names.FAIRNESS_METRICS[task]):
            for one in FAIRNESS_VALUES[name]:
                own = rows.who[name] == one
                expected = sample(rows, metric, own if part == "own" else ~own)
                assert value[name, one, metric] == pytest.approx(expected.mean(), rel=EXACT)
                assert count[name, one, metric] == len(expected)
                seen.add((name, one, metric))
        others = {key for key in value if key[1] == names.OTHER}  # sex = x
        assert others == {
            (n, names.OTHER, m) for n, m in itertools.product(("sex", "sex & age"), names.FAIRNESS_METRICS[task])
        } | (others & {("age", names.OTHER, m) for m in names.FAIRNESS_METRICS[task]})
        assert seen | others == set(value)


def scores_and_errors(rows: Rows, mask: np.ndarray) -> dict[str, float]:
    """Every other figure of a slice value, by scikit-learn."""
    actual, answer = rows.actual[mask], rows.answer[mask]
    if rows.score is None:
        rmse = mean_squared_error(actual, answer) ** 0.5
        return {"rmse": rmse, "r2": r2_score(actual, answer), "bias": float(np.mean(answer - actual))}
    score = rows.score[mask]
    return {"brier": brier_score_loss(actual, score), "log_loss": log_loss(actual, score)}


def test_scores_and_squared_errors_of_slice_values_and_of_the_rest_are_scikit_learns(scene: Scene) -> None:
    """Corrected outcomes included: what they replaced is taken back in every slice."""
    for model, rows in scene.rows.items():
        beside = names.BESIDE_METRICS["binary" if model == "hire" else "regression"]
        own, rest = scene.figures(names.R_QUALITY, model), scene.figures(names.R_QUALITY_REST, model)
        for name, values in FAIRNESS_VALUES.items():
            for one in values:
                mask = rows.who[name] == one
                for metric, value in scores_and_errors(rows, mask).items():
                    assert own[name, one, metric] == pytest.approx(value, rel=EXACT), (name, one, metric)
                for metric in beside:
                    value = scores_and_errors(rows, ~mask)[metric]
                    assert rest[name, one, metric] == pytest.approx(value, rel=EXACT), (name, one, metric)
        for metric, value in scores_and_errors(rows, np.ones(len(rows.actual), dtype=bool)).items():
            assert own[names.ALL, names.ALL, metric] == pytest.approx(value, rel=EXACT), metric
        assert {(s, v) for s, v, _ in rest} >= {(s, v) for s, values in FAIRNESS_VALUES.items() for v in values}
        assert {m for _, _, m in rest} == set(beside)
        back = (
            f"sum({names.RETRACTED[(names.SQUARED_SCORE_ERROR if model == 'hire' else names.SQUARED_ERROR).name].name}"
        )
        assert scene.prometheus.value(f'{back}{{model="{model}", slice="sex", value="f"}})') > 1  # it is exercised


def test_differences_from_the_rest_have_the_intervals_and_significance_that_scipy_finds(scene: Scene) -> None:
    for model, rows in scene.rows.items():
        task = "binary" if model == "hire" else "regression"
        metrics = names.FAIRNESS_METRICS[task]
        comparisons = 8 * len(metrics)
        z = norm.ppf(1 - 0.05 / comparisons / 2)
        difference, sigmas, lower, upper = (
            scene.figures(r, model)
            for r in (names.R_DISPARITY, names.R_DISPARITY_SIGMAS, names.R_DISPARITY_LOWER, names.R_DISPARITY_UPPER)
        )
        for name, metric in itertools.product(rows.who, metrics):
            for one in FAIRNESS_VALUES[name]:
                mine = sample(rows, metric, rows.who[name] == one)
                theirs = sample(rows, metric, rows.who[name] != one)
                d = mine.mean() - theirs.mean()
                key = (name, one, metric)
                assert difference[key] == pytest.approx(d, abs=1e-12)
                proportion = metric in names.PROPORTIONS
                (l1, u1), (l2, u2) = interval(mine, z, proportion), interval(theirs, z, proportion)
                # Newcombe 1998, method 10
                assert lower[key] == pytest.approx(d - np.hypot(mine.mean() - l1, u2 - theirs.mean()), rel=1e-7)
                assert upper[key] == pytest.approx(d + np.hypot(u1 - mine.mean(), theirs.mean() - l2), rel=1e-7)
                if proportion:
                    table = [[v.sum(), len(v) - v.sum()] for v in (mine, theirs)]
                    g = chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
                    expected = np.sign(d) * np.sqrt(g)
                else:
                    expected = d / np.sqrt(mine.var() / len(mine) + theirs.var() / len(theirs))
                assert sigmas[key] == pytest.approx(expected, rel=1e-6, abs=1e-6), key


def test_the_gap_spans_the_values_that_have_enough_rows(scene: Scene) -> None:
    for model, rows in scene.rows.items():
        task = "binary" if model == "hire" else "regression"
        gap, low, high = (scene.figures(r, model) for r in (names.R_GAP, names.R_GAP_LOWER, names.R_GAP_UPPER))
        z = norm.ppf(1 - 0.05 / (8 * len(names.FAIRNESS_METRICS[task])) / 2)
        for name, metric in itertools.product(rows.who, names.FAIRNESS_METRICS[task]):
            samples = [sample(rows, metric, rows.who[name] == one) for one in FAIRNESS_VALUES[name]]
            samples = [s for s in samples if len(s) >= MINIMUM]
            means = [s.mean() for s in samples]
            ends = np.array([interval(s, z, metric in names.PROPORTIONS) for s in samples])
            key = (name, metric)
            assert gap[key] == pytest.approx(max(means) - min(means), rel=1e-7)
            assert low[key] == pytest.approx(max(ends[:, 0].max() - ends[:, 1].min(), 0.0), rel=1e-7, abs=1e-12)
            assert high[key] == pytest.approx(ends[:, 1].max() - ends[:, 0].min(), rel=1e-7)
            assert low[key] <= gap[key] <= high[key]


def test_the_planted_disparity_opens_a_ticket_and_nothing_else_does(scene: Scene) -> None:
    firing = 'ALERTS{alertname="SliceDisparity", alertstate="firing"}'
    found = wait_for(lambda: scene.prometheus.query(firing), name="SliceDisparity")
    slices = {(a["metric"]["model"], a["metric"]["slice"], a["metric"]["value"]) for a in found}
    assert ("hire", "sex", "f") in slices
    assert {value for _, _, value in slices} <= {"f", "f & young", "f & old"}
    assert {model for model, _, _ in slices} == {"hire"}


def losses(rows: Rows, loss: str) -> np.ndarray:
    if loss == "failed":
        return np.zeros(len(rows.actual))
    return (rows.answer != rows.actual).astype(float) if loss == "wrong" else np.abs(rows.answer - rows.actual)


def test_a_trial_is_judged_by_the_formula_of_the_always_valid_test(scene: Scene) -> None:
    for model, loss in (("hire", "wrong"), ("pay", "absolute_error")):
        mine, theirs = losses(scene.canaries[model], loss), losses(scene.rows[model], loss)
        both = np.concatenate([mine, theirs])
        d = mine.mean() - theirs.mean()
        m = 1 / (1 / len(mine) + 1 / len(theirs))
        variance = max(mine.var() / len(mine) + theirs.var() / len(theirs), both.var() / m)
        # Johari et al.: the likelihood of d under N(0, V + tau^2) over that under N(0, V).
        tau2 = 0.1**2 * m * variance
        ratio = norm.logpdf(d, 0, np.sqrt(variance + tau2)) - norm.logpdf(d, 0, np.sqrt(variance))
        got = {
            r: scene.figures(r, model, "2", loss=loss)[()]
            for r in (
                names.R_TRIAL_DIFFERENCE,
                names.R_TRIAL_STDERR,
                names.R_TRIAL_EVIDENCE,
                names.R_TRIAL_LOWER,
                names.R_TRIAL_UPPER,
            )
        }
        assert got[names.R_TRIAL_DIFFERENCE] == pytest.approx(d, rel=EXACT)
        assert got[names.R_TRIAL_STDERR] == pytest.approx(np.sqrt(variance), rel=1e-8)
        assert got[names.R_TRIAL_EVIDENCE] == pytest.approx(ratio, rel=1e-7)
        # The sequence's ends are the differences at which the evidence would be exactly ln(1 / 0.05).
        for end in (got[names.R_TRIAL_LOWER], got[names.R_TRIAL_UPPER]):
            there = norm.logpdf(d - end, 0, np.sqrt(variance + tau2)) - norm.logpdf(d - end, 0, np.sqrt(variance))
            assert there == pytest.approx(np.log(20), rel=1e-7)
        assert scene.figures(names.R_TRIAL_COUNT, model, "2", loss=loss) == {
            ("candidate",): len(mine),
            ("production",): len(theirs),
        }


def test_a_shadow_is_judged_pair_by_pair_by_an_always_valid_mcnemar_test(scene: Scene) -> None:
    rows = scene.rows["hire"]
    mine = shadow(rows)
    right, theirs = mine == rows.actual, rows.answer == rows.actual
    better, worse = int((right & ~theirs).sum()), int((~right & theirs).sum())
    n, lead = better + worse, better - worse
    got = {
        r: scene.figures(r, "hire", "3")[()]
        for r in (names.R_SHADOW_AGREEMENT, names.R_SHADOW_COUNT, names.R_SHADOW_LEAD, names.R_SHADOW_EVIDENCE)
    }
    assert got[names.R_SHADOW_AGREEMENT] == pytest.approx((mine == rows.answer).mean(), rel=EXACT)
    assert got[names.R_SHADOW_COUNT] == len(mine)
    assert got[names.R_SHADOW_LEAD] == pytest.approx(lead / len(mine), rel=EXACT)
    # Robbins: the mixture over l ~ N(0, 0.1^2) of exp(l S - l^2 n / 2), integrated numerically.
    mixed, _ = quad(lambda x: np.exp(x * lead - x**2 * n / 2) * norm.pdf(x, 0, 0.1), -2, 2, points=[lead / n])
    assert got[names.R_SHADOW_EVIDENCE] == pytest.approx(np.log(mixed), rel=1e-6)
    assert got[names.R_SHADOW_EVIDENCE] > np.log(20)


def test_kpis_have_their_means_per_event_and_per_prediction_with_standard_errors(scene: Scene) -> None:
    # The shadow's answers, which nobody gets, do not count.
    predictions = len(scene.rows["hire"].actual) + len(scene.canaries["hire"].actual)
    everyone = np.concatenate([scene.fees, np.zeros(predictions - len(scene.fees))])
    for per, values in (("event", scene.fees), ("prediction", everyone)):
        count, mean, stderr = (
            scene.figures(r, "hire", per=per)[("fee",)]
            for r in (names.R_KPI_COUNT, names.R_KPI_MEAN, names.R_KPI_STDERR)
        )
        assert count == len(values)
        assert mean == pytest.approx(values.mean(), rel=EXACT)
        assert stderr == pytest.approx(values.std() / np.sqrt(len(values)), rel=1e-8)


def test_the_worse_canary_and_the_poor_kpi_open_tickets(scene: Scene) -> None:
    def firing(alert: str) -> list[dict[str, Any]]:
        return scene.prometheus.query(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')

    def worse() -> set[tuple[str, str]]:
        return {(a["metric"]["model"], a["metric"]["loss"]) for a in firing("CanaryWorse")}

    wait_for(lambda: worse() == {("hire", "wrong"), ("pay", "absolute_error")}, name="CanaryWorse")
    assert {(a["metric"]["version"], a["metric"]["owner"]) for a in firing("CanaryWorse")} == {("2", "team")}
    [kpi] = wait_for(lambda: firing("KpiDrop"), name="KpiDrop")
    assert {k: kpi["metric"][k] for k in ("model", "version", "kpi", "per")} == {
        "model": "hire",
        "version": "1",
        "kpi": "fee",
        "per": "event",
    }
