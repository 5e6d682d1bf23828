"""A canary's trial: counted from the moment both arms were deployed, once, over restarts and resends."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.ingest.stages import Entry, Trial, trials_of
from support.samples import body, catalogue, outcome, prediction, values

Opener = Callable[..., Engine]
NOW = 1e5


def deployed(version: str, stage: str, ts: float, model: str = "clf") -> dict:
    return {"type": "deployment", "ts": ts, "model": model, "version": version, "stage": stage}


def feed(engine: Engine, *events: dict, now: float = NOW) -> dict[tuple[str, ...], float]:
    engine.commit([parse(body(*events), now)], now)
    return values(engine.blocks())


def arm(v: dict[tuple[str, ...], float], arm: str, loss: str, model: str = "clf") -> list[float]:
    key = (model, "2", arm, loss)
    return [v[f"ml_trial_{what}_total", *key] for what in ("samples", "loss", "squared_loss")]


def asked(i: int, version: str, answer: object, actual: object, **changes: object) -> list[dict]:
    request = f"v{version}r{i}"
    return [prediction(request, version=version, prediction=answer, **changes), outcome(request, actual)]


def test_both_arms_are_counted_from_the_canarys_deployment(opened: Opener) -> None:
    engine = opened()
    v = feed(
        engine,
        deployed("1", "production", 100),
        deployed("2", "canary", 900),
        *asked(1, "1", "1", "1"),
        *asked(2, "1", "1", "0"),
        *asked(3, "1", "1", "0", ts=899),
        *asked(4, "2", "0", "0"),
        *asked(5, "2", "1", "0"),
        *asked(6, "2", "1", "0"),
        prediction("failed", version="2", status="error", prediction=None),
    )
    assert arm(v, "production", "wrong") == [2, 1, 1]  # the third answer came before the trial
    assert arm(v, "candidate", "wrong") == [3, 2, 2]
    assert arm(v, "production", "failed") == [2, 0, 0]
    assert arm(v, "candidate", "failed") == [4, 1, 1]


def test_losses_of_a_regression_are_absolute_errors(opened: Opener) -> None:
    engine = opened()
    rng = np.random.default_rng(4)
    answer, actual = rng.normal(0, 5, 50), rng.normal(0, 5, 50)
    events = [deployed("1", "production", 100, "reg"), deployed("2", "canary", 900, "reg")]
    for i in range(50):
        events += asked(i, "2", float(answer[i]), float(actual[i]), model="reg")
    v = feed(engine, *events)
    error = np.abs(answer - actual)
    assert arm(v, "candidate", "absolute_error", "reg") == pytest.approx([50, error.sum(), (error**2).sum()])


def test_a_resend_and_a_restart_change_nothing(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tmp_path)
    events = [
        deployed("1", "production", 100),
        deployed("2", "canary", 900),
        *asked(1, "1", "1", "0"),
        *asked(2, "2", "1", "0"),
    ]
    first = feed(engine, *events)
    assert arm(feed(engine, *events), "candidate", "wrong") == arm(first, "candidate", "wrong") == [1, 1, 1]
    engine.close()
    again = opened(tmp_path)
    assert arm(values(again.blocks()), "production", "wrong") == [1, 1, 1]
    assert arm(feed(again, *asked(3, "2", "1", "0")), "candidate", "wrong") == [2, 2, 2]


def test_an_outcome_that_waits_for_maturity_over_a_restart_counts_in_its_trial(opened: Opener, tmp_path: Path) -> None:
    engine = opened(tmp_path)
    v = feed(engine, deployed("1", "production", 100), deployed("2", "canary", 900), *asked(1, "2", "1", "0"), now=2000)
    assert arm(v, "candidate", "wrong") == [0, 0, 0]
    engine.close()
    again = opened(tmp_path)
    again.tick(1000 + 3600)
    assert arm(values(again.blocks()), "candidate", "wrong") == [1, 1, 1]


def test_another_production_version_starts_the_trial_anew(opened: Opener) -> None:
    engine = opened()
    feed(engine, deployed("1", "production", 100), deployed("2", "canary", 900), *asked(1, "1", "1", "0"))
    v = feed(engine, deployed("3", "production", 1500), *asked(2, "2", "1", "0", ts=1600), *asked(3, "2", "1", "0"))
    assert arm(v, "production", "wrong") == [0, 0, 0]
    assert arm(v, "candidate", "wrong") == [1, 1, 1]


def test_what_a_trial_found_stays_when_the_canary_goes_into_production(opened: Opener) -> None:
    engine = opened()
    feed(engine, deployed("1", "production", 100), deployed("2", "canary", 900), *asked(1, "2", "1", "0"))
    v = feed(engine, deployed("2", "production", 2000), *asked(2, "2", "1", "0", ts=2100))
    assert arm(v, "candidate", "wrong") == [1, 1, 1]


def test_trials_need_a_production_version_and_a_canary() -> None:
    production, canary = Entry(1.0, "1", "production"), Entry(5.0, "2", "canary")
    assert trials_of([production]) == trials_of([canary]) == ()
    assert trials_of([canary, production]) == (Trial("2", "1", 5.0),)
    assert trials_of([production, canary, Entry(9.0, "3", "production")]) == (Trial("2", "3", 9.0),)
    assert trials_of([production, canary, Entry(9.0, "2", "retired")]) == ()
    assert trials_of([production, Entry(5.0, "2", "shadow")]) == (Trial("2", "1", 5.0, shadow=True),)


def test_a_kpi_counts_its_squares_and_its_declared_bounds_are_shown(opened: Opener) -> None:
    declared = catalogue().models["clf"].model_dump(exclude_defaults=True)
    bounds = {"margin": {"floor": 1.5, "max_drop": 0.2, "per": "prediction"}}
    engine = opened(models={"clf": {**declared, "kpi_objectives": bounds}}, pipelines={})
    event = {"type": "kpi", "model": "clf", "version": "1", "kpi": "margin"}
    v = feed(engine, {**event, "value": 3.0, "ts": 1}, {**event, "value": -2.0, "ts": 2})
    assert v["ml_kpi_objective", "clf", "margin", "prediction", "floor"] == 1.5
    assert v["ml_kpi_objective", "clf", "margin", "prediction", "max_drop"] == 0.2
    assert v["ml_kpi_squared_total", "clf", "1", "margin"] == 13.0


def better(v: dict[tuple[str, ...], float], model: str = "clf") -> tuple[float, ...]:
    return tuple(v["ml_shadow_outcomes_total", model, "2", who] for who in ("shadow", "production", "neither"))


def agreement(v: dict[tuple[str, ...], float]) -> tuple[float, ...]:
    return tuple(v["ml_shadow_pairs_total", "clf", "2", which] for which in ("agree", "disagree"))


SHADOW = (deployed("1", "production", 100), deployed("2", "shadow", 900))


def answers(i: int, shadow: str, production: str, actual: str) -> list[dict]:
    """The same request, answered by both versions, and its outcome."""
    return [
        prediction(f"r{i}", version="2", prediction=shadow),
        prediction(f"r{i}", version="1", prediction=production),
        outcome(f"r{i}", actual),
    ]


def test_a_shadow_is_compared_with_production_request_by_request(opened: Opener) -> None:
    engine = opened()
    v = feed(
        engine,
        *SHADOW,
        *answers(1, "1", "0", "1"),
        *answers(2, "1", "0", "0"),
        *answers(3, "0", "0", "1"),
        *answers(4, "1", "1", "1"),
        prediction("alone", version="2"),
        outcome("alone", "0"),
        prediction("r5", version="2"),
        prediction("r5", version="1", status="error", prediction=None),
        outcome("r5", "1"),
    )
    assert agreement(v) == (2, 2)
    assert better(v) == (1, 1, 2)


@pytest.mark.parametrize("maturity", [0, 3600])
@pytest.mark.parametrize("batches", [1, 3])
def test_a_pair_counts_once_in_whatever_order_its_parts_arrive(opened: Opener, batches: int, maturity: int) -> None:
    engine = opened()
    events = [
        e
        for i, order in enumerate(itertools.permutations(range(3)))
        for e in [answers(i, "1", "0", "1")[at] for at in order]
    ]
    now = NOW if maturity == 0 else 1500.0
    feed(engine, *SHADOW, now=now)
    for part in range(batches):
        feed(engine, *events[part::batches], now=now)
    feed(engine, *events, now=now)  # a resend
    engine.tick(NOW)
    v = values(engine.blocks())
    assert agreement(v) == (0, 6)
    assert better(v) == (6, 0, 0)


def test_a_corrected_truth_judges_the_same_pairs_once(opened: Opener) -> None:
    engine = opened()
    feed(engine, *SHADOW, *answers(1, "1", "0", "1"), now=2500)
    shadow, production, first = answers(2, "1", "0", "1")
    feed(engine, shadow, first, production, now=2500)
    corrections = [outcome(f"r{i}", "0", correction=True, ts=2100.0) for i in (1, 2)]
    assert better(feed(engine, *corrections, now=2500)) == (0, 0, 0)
    engine.tick(NOW)
    assert better(values(engine.blocks())) == (0, 2, 0)


def test_a_correction_after_maturity_takes_back_what_a_trial_and_a_pair_had_counted(opened: Opener) -> None:
    engine = opened()
    feed(engine, *SHADOW, *answers(1, "1", "0", "1"), *answers(2, "1", "0", "1"))
    v = feed(engine, outcome("r1", "0", correction=True, ts=3000.0))
    assert better(v) == (2, 1, 0)
    back = [v["ml_shadow_outcomes_retracted_total", "clf", "2", who] for who in ("shadow", "production", "neither")]
    assert back == [1, 0, 0]
    net = {
        a: [
            x - v[f"ml_trial_{what}_retracted_total", "clf", "2", a, "wrong"]
            for what, x in zip(("samples", "loss", "squared_loss"), arm(v, a, "wrong"), strict=True)
        ]
        for a in ("candidate", "production")
    }
    assert net == {"candidate": [2, 1, 1], "production": [2, 1, 1]}


def test_of_a_regression_the_closer_answer_is_better(opened: Opener) -> None:
    engine = opened()
    rng = np.random.default_rng(6)
    mine, theirs, actual = rng.normal(0, 3, (3, 60))
    events = [deployed("1", "production", 100, "reg"), deployed("2", "shadow", 900, "reg")]
    for i in range(60):
        for version, answer in (("2", mine[i]), ("1", theirs[i])):
            events.append(prediction(f"r{i}", model="reg", version=version, prediction=float(answer)))
        events.append(outcome(f"r{i}", float(actual[i])))
    closer = int((np.abs(mine - actual) < np.abs(theirs - actual)).sum())
    assert better(feed(engine, *events), "reg") == (closer, 60 - closer, 0)


def test_another_production_version_begins_the_pairs_anew(opened: Opener) -> None:
    engine = opened()
    feed(engine, *SHADOW, *answers(1, "1", "0", "1"))
    v = feed(engine, deployed("3", "production", 1500))
    assert better(v) == (0, 0, 0)
    assert agreement(v) == (0, 0)
