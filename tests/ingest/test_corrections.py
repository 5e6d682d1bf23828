"""Outcomes that contradict each other: corrections, conflicts, and those that cannot be compared."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plumbline import names
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from support.samples import body, catalogue, outcome, prediction, values

CLF = ("clf", "1")
ALL = ("all", "all")
Opener = Callable[..., Engine]
MATURE = 10_000.0


def feed(engine: Engine, *events: dict, now: float = MATURE) -> list[int]:
    return engine.commit([parse(body(*events), now)], now)


def gross(engine: Engine) -> dict[tuple[str, ...], float]:
    return values(engine.blocks())


def net(engine: Engine) -> dict[tuple[str, ...], float]:
    """Counters less what is retracted of them."""
    found = gross(engine)
    for name, retracted in names.RETRACTED.items():
        for key in [key for key in found if key[0] == retracted.name]:
            found[name, *key[1:]] -= found.pop(key)
    return found


def confusion(engine: Engine, *key: str) -> dict[str, float]:
    v = net(engine)
    key = key or (*CLF, *ALL)
    return {a + p: v["ml_confusion_total", *key, a, p] for a in "01" for p in "01"}


def test_a_correction_after_maturity_takes_back_what_it_replaces(engine: Engine) -> None:
    feed(engine, prediction("r"), outcome("r", "1"))
    before = gross(engine)
    feed(engine, outcome("r", "0", correction=True, ts=9000.0))
    v = gross(engine)
    assert confusion(engine) == {"00": 0, "01": 1, "10": 0, "11": 0}
    assert v["ml_confusion_retracted_total", *CLF, *ALL, "1", "1"] == 1
    assert all(v[key] >= before[key] for key in before if key[0].endswith("_total"))  # no counter falls
    assert v["ml_outcomes_matured_total", *CLF] == 1
    assert v["ml_outcomes_total", *CLF, "corrected"] == 1
    of = net(engine)
    assert of["ml_squared_score_error_total", *CLF, *ALL] == pytest.approx(0.81)
    assert of["ml_log_loss_total", *CLF, *ALL] == pytest.approx(-np.log(0.1))
    assert of["ml_score_bins_total", *CLF, "03", "0"] == 1
    assert of["ml_score_bins_total", *CLF, "03", "1"] == 0
    assert of["ml_score_positives_above_total", *CLF, "03"] == 0
    assert of["ml_score_bin_sum_total", *CLF, "03"] == pytest.approx(0.9)


def test_a_correction_of_a_correction_takes_that_back(engine: Engine) -> None:
    feed(engine, prediction("r"), outcome("r", "1"))
    feed(engine, outcome("r", "0", correction=True, ts=8000.0))
    feed(engine, outcome("r", "1", correction=True, ts=9000.0))
    assert confusion(engine) == {"00": 0, "01": 0, "10": 0, "11": 1}
    feed(engine, outcome("r", "0", correction=True, ts=8500.0))  # older than the one that stands
    assert confusion(engine) == {"00": 0, "01": 0, "10": 0, "11": 1}


def test_a_correction_may_come_before_its_outcome_and_before_its_prediction(engine: Engine) -> None:
    feed(engine, outcome("r", "0", correction=True, ts=9000.0))
    feed(engine, prediction("r"))
    assert confusion(engine) == {"00": 0, "01": 1, "10": 0, "11": 0}
    feed(engine, outcome("r", "1"))  # what had been corrected
    assert confusion(engine) == {"00": 0, "01": 1, "10": 0, "11": 0}
    v = net(engine)
    assert v["ml_outcomes_total", *CLF, "matched"] == v["ml_outcomes_total", *CLF, "corrected"] == 1
    assert v["ml_outcomes_matured_total", *CLF] == 1


def test_a_correction_between_maturity_and_the_tick_that_notices_it_counts_once(engine: Engine) -> None:
    feed(engine, prediction("r"), outcome("r", "1"), now=2000)
    feed(engine, outcome("r", "0", correction=True, ts=4700.0), now=4700)  # mature since 4600
    engine.tick(4701)
    assert confusion(engine) == {"00": 0, "01": 1, "10": 0, "11": 0}
    assert net(engine)["ml_outcomes_matured_total", *CLF] == 1


def test_corrections_survive_a_restart(opened: Opener) -> None:
    engine = opened()
    feed(engine, prediction("r"), outcome("r", "1"))
    feed(engine, outcome("r", "0", correction=True, ts=9000.0))
    before = {k: v for k, v in gross(engine).items() if k[0].startswith("ml_")}
    engine.close()
    engine = opened()
    assert {k: v for k, v in gross(engine).items() if k[0].startswith("ml_")} == before
    feed(engine, outcome("r", "1", correction=True, ts=9500.0))
    assert confusion(engine) == {"00": 0, "01": 0, "10": 0, "11": 1}


def test_a_shadow_pair_is_corrected_in_both_versions(engine: Engine) -> None:
    deploy = {"type": "deployment", "ts": 1.0, "model": "clf", "version": "2", "stage": "shadow"}
    feed(engine, deploy, prediction("r"), prediction("r", version="2", prediction="0"), outcome("r", "1"))
    feed(engine, outcome("r", "0", correction=True, ts=9000.0))
    assert confusion(engine) == {"00": 0, "01": 1, "10": 0, "11": 0}
    assert confusion(engine, "clf", "2", *ALL) == {"00": 1, "01": 0, "10": 0, "11": 0}


@pytest.mark.parametrize("swapped", [False, True])
def test_of_two_plain_outcomes_the_one_known_first_counts_whatever_came_first(engine: Engine, swapped: bool) -> None:
    said = [outcome("r", "1", ts=2000.0), outcome("r", "0", ts=2001.0)]
    feed(engine, prediction("r"))
    for one in reversed(said) if swapped else said:
        feed(engine, one)
    assert confusion(engine) == {"00": 0, "01": 0, "10": 0, "11": 1}
    v = net(engine)
    assert (v["ml_outcomes_total", *CLF, "matched"], v["ml_outcomes_total", *CLF, "duplicate"]) == (1, 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_an_outcome_that_had_been_known_in_time_is_not_late_after_all(engine: Engine, swapped: bool) -> None:
    said = [outcome("r", "1", ts=2000.0), outcome("r", "0", ts=9000.0)]
    feed(engine, prediction("r"))
    for one in reversed(said) if swapped else said:
        feed(engine, one)
    v = net(engine)
    states = {s: v["ml_outcomes_total", *CLF, s] for s in names.OUTCOME_STATES}
    assert states == {"matched": 1, "late": 0, "duplicate": 1, "corrected": 0, "orphan": 0}
    assert v["ml_outcome_delay_seconds", *CLF, "sum"] == 9000


@pytest.mark.parametrize("swapped", [False, True])
def test_of_outcomes_known_at_the_same_time_the_value_decides(engine: Engine, swapped: bool) -> None:
    said = [outcome("r", "0"), outcome("r", "1")]
    feed(engine, prediction("r"))
    for one in reversed(said) if swapped else said:
        feed(engine, one)
    assert confusion(engine) == {"00": 0, "01": 0, "10": 0, "11": 1}


def test_an_orphan_whose_prediction_comes_after_all_is_none(engine: Engine) -> None:
    feed(engine, outcome("r", "1"))
    engine.tick(MATURE + engine.setup.orphan_grace)
    assert net(engine)["ml_outcomes_total", "_unknown", "_unknown", "orphan"] == 1
    feed(engine, prediction("r"))
    v = net(engine)
    assert v["ml_outcomes_total", "_unknown", "_unknown", "orphan"] == 0
    assert v["ml_outcomes_total", *CLF, "matched"] == 1


def test_every_sum_of_a_regression_is_corrected_in_every_slice(opened: Opener) -> None:
    models = catalogue().model_dump(mode="json")["models"]
    models["reg"]["slices"] = {"c": ["a"]}
    engine = opened(models=models)
    p = [prediction(f"r{i}", model="reg", prediction=4.0 + i, score=None) for i in range(3)]
    feed(engine, *p, *(outcome(f"r{i}", 9.0) for i in range(3)))
    feed(engine, *(outcome(f"r{i}", 4.5, correction=True, ts=9000.0) for i in range(3)))
    v = net(engine)
    error = np.array([4.0, 5.0, 6.0]) - 4.5
    for slice_ in (ALL, ("c", "a")):
        expected = {
            "ml_regression_total": 3,
            "ml_absolute_error_total": np.abs(error).sum(),
            "ml_squared_error_total": (error**2).sum(),
            "ml_overprediction_total": error[error > 0].sum(),
            "ml_underprediction_total": -error[error < 0].sum(),
            "ml_actual_squared_total": 3 * 0.25,
        }
        assert {k: v[k, "reg", "1", *slice_] for k in expected} == pytest.approx(expected)
        assert v["ml_actual_total", "reg", "1", *slice_, "positive"] == 0
        assert v["ml_actual_total", "reg", "1", *slice_, "negative"] == pytest.approx(1.5)


def test_a_model_without_corrections_keeps_the_first_and_saves_the_series(opened: Opener) -> None:
    models = catalogue().model_dump(mode="json")["models"]
    full = opened(models=models)
    series = full.state.versions["clf", "1"].series
    full.close()
    models["clf"]["outcome"]["corrections"] = False
    engine = opened(models=models)
    assert engine.state.versions["clf", "1"].series < series
    feed(engine, prediction("r"), outcome("r", "1"))
    feed(engine, outcome("r", "0", correction=True, ts=9000.0))
    v = gross(engine)
    assert v["ml_confusion_total", *CLF, *ALL, "1", "1"] == 1
    assert v["ml_confusion_total", *CLF, *ALL, "0", "1"] == 0
    assert v["ml_outcomes_total", *CLF, "corrected"] == 1
    assert not [key for key in v if key[0] == "ml_confusion_retracted_total"]


def test_an_outcome_that_cannot_be_compared_never_replaces_one_that_can(engine: Engine) -> None:
    feed(engine, prediction("r"), outcome("r", "1"))
    feed(engine, outcome("r", "maybe", correction=True, ts=9000.0))
    assert confusion(engine)["11"] == 1
    feed(engine, prediction("q"), outcome("q", "maybe"))
    feed(engine, outcome("q", "0", correction=True, ts=9000.0))
    assert confusion(engine) == {"00": 0, "01": 1, "10": 0, "11": 1}
    v = net(engine)
    assert v["ml_outcomes_excluded_total", *CLF, "unknown_class"] == 2
    assert v["ml_outcomes_matured_total", *CLF] == 2


@pytest.mark.parametrize(("predicted", "actual"), [(1e99, 1.0), (1.0, -1e99), (1.0, 1e13)])
def test_an_absurd_number_is_counted_apart_and_swallows_no_later_error(
    engine: Engine, predicted: float, actual: float
) -> None:
    feed(engine, prediction("r", model="reg", prediction=predicted, score=None), outcome("r", actual))
    for i in range(10):
        feed(engine, prediction(f"q{i}", model="reg", prediction=0.5, score=None), outcome(f"q{i}", 0.0))
    v = net(engine)
    assert v["ml_squared_error_total", "reg", "1", *ALL] == 2.5
    assert v["ml_regression_total", "reg", "1", *ALL] == 10
    assert v["ml_outcomes_excluded_total", "reg", "1", "extreme"] == 1
    assert v["ml_outcomes_matured_total", "reg", "1"] == 11  # known all the same: it is no gap in coverage
    feed(engine, outcome("r", 0.0, correction=True, ts=9000.0))
    assert net(engine)["ml_regression_total", "reg", "1", *ALL] == (10 if predicted == 1e99 else 11)


def test_early_outcomes_are_counted_as_they_come_and_apart(engine: Engine) -> None:
    # Maturity is an hour, so what is known within five minutes is early.
    feed(engine, prediction("a"), outcome("a", "1", ts=1250.0), now=2000)
    feed(engine, prediction("b"), outcome("b", "0", ts=1300.0), now=2000)
    feed(engine, prediction("c"), outcome("c", "0", ts=1301.0), now=2000)
    regression = {"model": "reg", "score": None}
    feed(engine, prediction("d", prediction=3.0, **regression), outcome("d", 1.0, ts=1001.0), now=2000)
    v = net(engine)
    assert v["ml_early_outcomes_total", *CLF] == 2
    assert v["ml_early_correct_total", *CLF] == 1
    assert v["ml_early_outcomes_total", "reg", "1"] == 1
    assert v["ml_early_absolute_error_total", "reg", "1"] == v["ml_early_overprediction_total", "reg", "1"] == 2
    assert v["ml_early_squared_error_total", "reg", "1"] == 4
    assert sum(x for k, x in v.items() if k[0] == "ml_confusion_total") == 0  # none is mature


def test_a_model_that_is_mature_at_once_has_no_early_view(opened: Opener) -> None:
    models = catalogue().model_dump(mode="json")["models"]
    models["clf"]["outcome"]["maturity"] = "0"
    assert not [k for k in gross(opened(models=models)) if k[0].startswith("ml_early") and k[1] == "clf"]


def test_versions_are_compared_at_equal_age_corrections_included(engine: Engine) -> None:
    day = 86_400.0
    for version, born in (("1", 1000.0), ("2", 3 * day)):
        stage = {"type": "deployment", "model": "clf", "version": version, "stage": "shadow", "ts": born}
        feed(engine, stage, {**stage, "ts": born + 9 * day}, now=20 * day)  # a later stage begins no new age
        for i, age in enumerate((0.5 * day, 0.9 * day, 2 * day, 8 * day)):
            ts = born + age
            feed(engine, prediction(f"{version}/{i}", version=version, ts=ts), now=20 * day)
            feed(engine, outcome(f"{version}/{i}", "1", ts=ts + 60), now=20 * day)
    feed(engine, outcome("2/0", "0", correction=True, ts=5 * day), now=20 * day)
    v = net(engine)
    for version, right in (("1", (2, 3)), ("2", (1, 2))):
        for at, (age, n) in enumerate({"1d": 2, "7d": 3}.items()):
            assert v["ml_young_outcomes_total", "clf", version, age] == n
            assert v["ml_young_correct_total", "clf", version, age] == right[at]


SPECIES = ["cat", "dog", "owl"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_corrected_history_counts_as_one_that_was_never_wrong(opened: Opener, tmp_path: Path, task: str) -> None:
    """Every counter of quality, those that another part adds included: what can fall must have a retraction."""
    models = catalogue().model_dump(mode="json")["models"]
    model = models["reg" if task == "regression" else "clf"]
    model["slices"] = {"c": ["a"]}
    if task == "multiclass":
        model |= {"task": task, "classes": SPECIES, "positive_class": None, "objectives": [], "kpis": []}
    answers: dict[str, list] = {"binary": ["0", "1"], "multiclass": SPECIES, "regression": [-3.0, 4.0, 5.5, 90.0]}
    rng = random.Random(3)
    made, wrong, right, corrected = [], [], [], []
    for i in range(60):
        p = rng.random()
        scores = {"binary": {"score": p}, "multiclass": {"score": None, "scores": {"cat": p, "dog": 1 - p}}}
        made.append(
            prediction(
                f"r{i}",
                model="reg" if task == "regression" else "clf",
                prediction=rng.choice(answers[task]),
                features={"x": 1.0, "c": rng.choice("ab")},
                **scores.get(task, {"score": None}),
            )
        )
        first, last = rng.choice(answers[task]), rng.choice(answers[task])
        wrong.append(outcome(f"r{i}", first))
        right.append(outcome(f"r{i}", last))
        corrected.append(outcome(f"r{i}", last, correction=True, ts=9000.0))
    deploy = {"type": "deployment", "ts": 1.0, "model": made[0]["model"], "version": "1", "stage": "production"}
    found = []
    for folder, parts in (("straight", [right]), ("detour", [wrong, corrected])):
        engine = opened(tmp_path / folder, models={made[0]["model"]: model}, pipelines={})
        feed(engine, deploy, *made)
        for part in parts:
            feed(engine, *part)
        found.append(
            {
                key: value
                for key, value in net(engine).items()
                if names.METRICS[key[0]].kind != "gauge"
                and names.METRICS[key[0]].group in ("Quality", "Equal age")
                and key[0] not in (names.OUTCOMES.name, names.OUTCOME_DELAY.name)
            }
        )
    assert found[0].keys() == found[1].keys()
    assert sum(found[0].values()) > 100
    for key, value in found[0].items():
        assert found[1][key] == pytest.approx(value, rel=1e-9, abs=1e-9), key


def test_random_corrections_equal_a_count_of_the_last_words(engine: Engine) -> None:
    """Against plain Python that knows only the rule: the newest correction, else what was known first."""
    rng = random.Random(5)
    events: list[dict] = []
    expected: Counter[str] = Counter()
    for i in range(120):
        predicted = rng.choice("01")
        events.append(prediction(f"r{i}", prediction=predicted))
        plain = dict.fromkeys(rng.choices("01", k=rng.randint(0, 2)))
        said = [(False, 1500.0 + rng.randrange(5000), a) for a in plain]
        said += [(True, 1500.0 + rng.randrange(5000), rng.choice("01")) for _ in range(rng.randint(0, 3))]
        events += [outcome(f"r{i}", a, ts=ts, correction=c) for c, ts, a in said]
        corrections = [(ts, a) for c, ts, a in said if c]
        first = [(ts, -int(a)) for c, ts, a in said if not c]  # the same second: "1" before "0"
        if corrections:
            expected[max(corrections)[1] + predicted] += 1
        elif first:
            expected[str(-min(first)[1]) + predicted] += 1
    rng.shuffle(events)
    for at in range(0, len(events), 7):
        feed(engine, *events[at : at + 7], now=MATURE + at)
    assert confusion(engine) == {key: expected[key] for key in ("00", "01", "10", "11")}
