from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, mean_absolute_error, roc_auc_score

from plumbline.baseline.artefact import Baseline
from plumbline.errors import StoreError
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.store.base import Transaction
from plumbline.store.embedded import EmbeddedStore
from support.samples import FixedBaselines, baseline, body, catalogue, open_sample, outcome, prediction, values

CLF = ("clf", "1")
Opener = Callable[..., Engine]


def feed(engine: Engine, *events: dict, now: float = 10_000.0) -> list[int]:
    return engine.commit([parse(body(*events), now)], now)


def series(engine: Engine) -> float:
    return counted(engine)["plumbline_series", "clf"]


def counted(engine: Engine) -> dict[tuple[str, ...], float]:
    return values(engine.blocks())


def test_a_prediction_is_counted_in_its_bins(engine: Engine) -> None:
    feed(engine, prediction("r1"), prediction("r2", features={"x": 1.0, "c": "b"}, latency=0.3))
    v = counted(engine)
    assert v["ml_predictions_total", *CLF] == 2
    assert v["ml_feature_values_total", *CLF, "x", "01 [0, 1]"] == 2  # intervals include their upper end
    assert v["ml_feature_values_total", *CLF, "c", "00"] == 1
    assert v["ml_feature_values_total", *CLF, "c", "01"] == 1
    assert v["ml_feature_values_total", *CLF, "_prediction", "01 1"] == 2
    assert v["ml_prediction_latency_seconds", *CLF, "sum"] == pytest.approx(0.32)
    assert v["ml_prediction_last_timestamp_seconds", *CLF] == 1000.0
    assert v["plumbline_lines_total",] == 2
    assert v["plumbline_events_total", "prediction"] == 2


@pytest.mark.parametrize(
    ("features", "problem", "feature", "bin_"),
    [
        ({"x": None, "c": "a"}, "missing", "x", "missing"),
        ({"c": "a"}, "missing", "x", "missing"),
        ({"x": "1.0", "c": "a"}, "wrong_type", "x", "missing"),
        ({"x": True, "c": "a"}, "wrong_type", "x", "missing"),
        ({"x": -5, "c": "a"}, "out_of_range", "x", "00 < 0"),
        ({"x": 10**200, "c": "a"}, "out_of_range", "x", "03 > 2"),
        ({"x": 10**400, "c": "a"}, "out_of_range", "x", "03 > 2"),
        ({"x": -(10**400), "c": "a"}, "out_of_range", "x", "00 < 0"),
        ({"x": 1, "c": "never seen"}, "unseen", "c", "other"),
        ({"x": 1, "c": None}, "missing", "c", "missing"),
        ({"x": 1, "c": 0.5}, "unseen", "c", "other"),
        ({"x": "", "c": "a"}, "missing", "x", "missing"),
        ({"x": 1, "c": " "}, "missing", "c", "missing"),
        ({"x": 1, "c": True}, "unseen", "c", "other"),
    ],
)
def test_a_value_with_a_problem_is_counted_as_such_and_in_a_bin(
    engine: Engine, features: dict, problem: str, feature: str, bin_: str
) -> None:
    feed(engine, prediction("r", features=features))
    v = counted(engine)
    problems = {
        p: v["ml_feature_problems_total", *CLF, feature, p] for p in ("missing", "wrong_type", "unseen", "out_of_range")
    }
    assert problems == {p: float(p == problem) for p in problems}
    assert v["ml_feature_values_total", *CLF, feature, bin_] == 1


def test_a_rare_level_of_the_reference_is_other_but_not_unseen(engine: Engine) -> None:
    feed(engine, prediction("r", features={"x": 1, "c": "z"}))
    v = counted(engine)
    assert v["ml_feature_values_total", *CLF, "c", "other"] == 1
    assert v["ml_feature_problems_total", *CLF, "c", "unseen"] == 0


@pytest.mark.parametrize("large", [2**63, 2**64, -(10**30)])
def test_an_integer_beyond_64_bits_waits_for_maturity_as_any_number_does(engine: Engine, large: int) -> None:
    reg = {"model": "reg", "score": None}
    feed(engine, prediction("r", prediction=2**64, **reg), outcome("r", large), now=2100)
    feed(engine, prediction("s", prediction=3, **reg), outcome("s", 2), now=2100)
    assert counted(engine)["plumbline_pending_outcomes",] == 2
    engine.tick(1e6)
    v = counted(engine)
    assert v["ml_outcomes_matured_total", "reg", "1"] == 2
    assert v["plumbline_pending_outcomes",] == 0


def test_a_deployment_without_a_time_that_is_sent_again_changes_nothing(engine: Engine) -> None:
    deploy = {"type": "deployment", "model": "clf"}
    first = [{**deploy, "version": "1", "stage": "production"}, {**deploy, "version": "2", "stage": "canary"}]
    feed(engine, *first, now=1000)
    feed(engine, prediction("r", version="2", ts=1500.0), now=2000)
    before = counted(engine)
    assert before["ml_trial_samples_total", "clf", "2", "candidate", "failed"] == 1
    feed(engine, *first, *first, now=3000)
    after = counted(engine)
    changed = {key[0] for key in after if after[key] != before.get(key)}
    assert changed - {"plumbline_store_bytes"} == {"plumbline_lines_total", "plumbline_events_duplicate_total"}


def test_an_outcome_waits_for_maturity_and_then_counts_once(engine: Engine) -> None:
    feed(engine, prediction("r"), now=1100)
    feed(engine, outcome("r", "0"), now=2100)
    v = counted(engine)
    assert v["ml_outcomes_total", *CLF, "matched"] == 1
    assert v["ml_confusion_total", *CLF, "all", "all", "0", "1"] == 0
    assert v["plumbline_pending_outcomes",] == 1
    engine.tick(4599.9)
    assert counted(engine)["ml_confusion_total", *CLF, "all", "all", "0", "1"] == 0
    engine.tick(4610.0)  # maturity is 1 h after ts 1000
    engine.tick(4620.0)
    v = counted(engine)
    assert v["ml_confusion_total", *CLF, "all", "all", "0", "1"] == 1
    assert v["ml_outcomes_matured_total", *CLF] == 1
    assert v["ml_predictions_matured_total", *CLF] == 1
    assert v["plumbline_pending_outcomes",] == 0


def test_an_outcome_known_after_maturity_is_late_and_counts_on_arrival(engine: Engine) -> None:
    feed(engine, prediction("r"), now=1100)
    feed(engine, outcome("r", ts=9000.0), now=9000)
    v = counted(engine)
    assert v["ml_outcomes_total", *CLF, "late"] == 1
    assert v["ml_outcomes_total", *CLF, "matched"] == 0
    assert v["ml_confusion_total", *CLF, "all", "all", "1", "1"] == 1


def test_an_outcome_may_come_before_its_prediction(engine: Engine) -> None:
    feed(engine, outcome("r"), now=2000)
    assert counted(engine)["plumbline_orphan_outcomes",] == 1
    feed(engine, prediction("r"), now=2001)
    engine.tick(2100)
    v = counted(engine)
    assert v["plumbline_orphan_outcomes",] == 0
    assert v["ml_outcomes_total", "_unknown", "_unknown", "orphan"] == 0
    assert v["ml_outcomes_total", *CLF, "matched"] == 1


def test_an_outcome_without_prediction_becomes_an_orphan(engine: Engine) -> None:
    feed(engine, outcome("nobody"), now=2000)
    engine.tick(2000 + engine.setup.orphan_grace)
    v = counted(engine)
    assert v["ml_outcomes_total", "_unknown", "_unknown", "orphan"] == 1
    assert v["plumbline_orphan_outcomes",] == 0


def test_a_second_different_outcome_is_a_duplicate_and_changes_nothing(engine: Engine) -> None:
    feed(engine, prediction("r"), outcome("r", "1"))
    feed(engine, outcome("r", "0", ts=2001.0))
    feed(engine, outcome("r", "0", ts=2001.0))  # the resend of the conflict
    v = counted(engine)
    assert v["ml_outcomes_total", *CLF, "duplicate"] == 1
    assert v["ml_confusion_total", *CLF, "all", "all", "1", "1"] == 1
    assert v["ml_confusion_total", *CLF, "all", "all", "0", "1"] == 0


def test_a_correction_before_maturity_replaces_the_outcome(engine: Engine) -> None:
    feed(engine, prediction("r"), outcome("r", "1"), now=2000)
    feed(engine, outcome("r", "0", correction=True, ts=2500.0), now=2500)
    engine.tick(5000)
    v = counted(engine)
    assert v["ml_outcomes_total", *CLF, "corrected"] == 1
    assert v["ml_confusion_total", *CLF, "all", "all", "0", "1"] == 1
    assert v["ml_confusion_total", *CLF, "all", "all", "1", "1"] == 0


def test_a_shadow_version_shares_the_request_and_its_outcome(engine: Engine) -> None:
    deploy = {"type": "deployment", "ts": 1.0, "model": "clf", "version": "2", "stage": "shadow"}
    feed(engine, deploy, prediction("r"), prediction("r", version="2", prediction="0"), outcome("r", "1"))
    v = counted(engine)
    assert v["ml_confusion_total", "clf", "1", "all", "all", "1", "1"] == 1
    assert v["ml_confusion_total", "clf", "2", "all", "all", "1", "0"] == 1


def test_a_resend_changes_no_counter(engine: Engine) -> None:
    events = [
        prediction("r1"),
        prediction("r2"),
        outcome("r1"),
        {"type": "log", "level": "info", "message": "hi"},
        {"type": "kpi", "model": "clf", "version": "1", "kpi": "margin", "value": -2.5},
        {"type": "pipeline", "pipeline": "feed", "stage": "load", "run_id": "a", "status": "succeeded", "rows_in": 3},
    ]
    feed(engine, *events)
    before = counted(engine)
    assert feed(engine, *events) == [6]
    after = counted(engine)
    changed = {k for k in after if after[k] != before.get(k)}
    assert {k[0] for k in changed} <= {
        "plumbline_lines_total",
        "plumbline_events_duplicate_total",
        "plumbline_store_bytes",
    }
    assert after["ml_kpi_total", *CLF, "margin", "negative"] == 2.5
    assert after["ml_kpi_events_total", *CLF, "margin"] == 1
    assert after["ml_pipeline_rows_total", "feed", "load", "in"] == 3


def test_accepted_is_stored_plus_duplicates_plus_rejected(engine: Engine) -> None:
    lines = body(prediction("a"), prediction("a"), outcome("a")) + b'\n{"type":"nope"}\n\n{broken\n'
    engine.commit([parse(lines, 5.0)], 5.0)
    v = counted(engine)
    total = sum(x for k, x in v.items() if k[0].startswith("plumbline_events_") and "unknown" not in k[0])
    assert v["plumbline_lines_total",] == 5 == total
    assert v["plumbline_events_rejected_total", "unknown_type"] == 1
    assert v["plumbline_events_rejected_total", "bad_json"] == 1


def test_unknown_names_are_stored_and_counted_under_bounded_labels(engine: Engine) -> None:
    before = len(counted(engine))
    for i in range(50):
        feed(
            engine,
            prediction(f"m{i}", model=f"model{i}"),
            prediction(f"v{i}", version=f"v{i}"),
            prediction(f"f{i}", features={f"feature{i}": 1, "x": 1, "c": "a"}),
        )
    v = counted(engine)
    assert v["ml_predictions_total", "_unknown", "_unknown"] == 50
    assert v["ml_predictions_total", "clf", "_unknown"] == 50
    assert v["plumbline_events_unknown_total", "model"] == 50
    assert v["plumbline_events_unknown_total", "version"] == 50
    assert v["plumbline_events_unknown_total", "feature"] == 50
    assert len(v) - before <= 3  # the three newest-prediction times


def test_versions_beyond_the_series_budget_are_refused_and_counted(opened: Opener) -> None:
    engine = opened(series_budget={"per_model": 300})
    for i in range(40):
        feed(engine, {"type": "deployment", "ts": 1.0 + i, "model": "clf", "version": f"d{i}", "stage": "canary"})
    v = counted(engine)
    assert v["plumbline_series_refused_total", "clf"] > 0
    assert v["plumbline_series", "clf"] <= 300
    engine.close()
    again = counted(opened(series_budget={"per_model": 300}))
    assert again["plumbline_series", "clf"] == v["plumbline_series", "clf"]


def test_production_keeps_its_stage_however_many_versions_are_tried(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "setup", replace(engine.setup, deployments_kept=5))
    deploy = {"type": "deployment", "model": "clf"}
    feed(engine, {**deploy, "version": "1", "stage": "production", "ts": 1.0})
    feed(engine, *({**deploy, "version": f"c{i}", "stage": "canary", "ts": 2.0 + i} for i in range(20)))
    assert counted(engine)["ml_model_info", "clf", "1", "team", "production", "binary", ""] == 1


def test_a_refused_version_is_refused_once_not_for_every_prediction(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(series_budget={"per_model": 210})
    late = baseline("clf", "9")
    monkeypatch.setattr(engine.baselines, "find", lambda model, version: late if version == "9" else None)
    feed(engine, *(prediction(f"a{i}", version="9") for i in range(10)))
    once = counted(engine)["plumbline_series_refused_total", "clf"]
    feed(engine, *(prediction(f"b{i}", version="9") for i in range(10)))
    v = counted(engine)
    assert v["plumbline_series_refused_total", "clf"] == once > 0
    assert v["ml_predictions_total", "clf", "_unknown"] == 20


def test_invented_versions_leave_room_for_one_with_a_baseline(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(series_budget={"per_model": 1500})
    deploy = {"type": "deployment", "model": "clf"}
    feed(engine, *({**deploy, "version": f"fake{i}", "stage": "canary"} for i in range(90)))
    assert series(engine) < 1500
    assert counted(engine)["plumbline_series_refused_total", "clf"] > 0
    late = baseline("clf", "9")
    monkeypatch.setattr(engine.baselines, "find", lambda model, version: late if version == "9" else None)
    feed(engine, {**deploy, "version": "9", "stage": "production"}, prediction("r", version="9"))
    assert counted(engine)["ml_predictions_total", "clf", "9"] == 1


def test_a_digest_buys_no_room_for_versions_it_was_not_built_for(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(series_budget={"per_model": 3000})
    known = baseline("clf", "1")
    monkeypatch.setattr(engine.baselines, "get", lambda digest: known if digest == known.digest else None)
    deploy = {"type": "deployment", "model": "clf", "stage": "canary"}
    feed(engine, *({**deploy, "version": f"fake{i}"} for i in range(90)))
    feed(engine, *({**deploy, "version": f"fake{i}", "baseline": known.digest, "ts": 2000.0} for i in range(90)))
    others = [v.series for (model, name), v in engine.state.versions.items() if model == "clf" and "fake" in name]
    assert sum(others) <= 1500


def test_a_baseline_of_another_model_is_not_taken(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    other = baseline("reg", "1", "regression")
    monkeypatch.setattr(engine.baselines, "get", lambda digest: other)
    deploy = {"type": "deployment", "model": "clf", "version": "7", "stage": "canary", "baseline": other.digest}
    feed(engine, deploy)
    assert engine.state.versions["clf", "7"].baseline is None


@pytest.mark.parametrize("swapped", [False, True])
def test_a_version_keeps_the_baseline_that_was_last_named_whatever_came_first(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, swapped: bool
) -> None:
    engine = opened()
    named = {one.digest: one for one in (baseline("clf", "1"), changed_baseline())}
    first, last = named
    monkeypatch.setattr(engine.baselines, "get", named.get)
    deploy = {"type": "deployment", "model": "clf", "version": "7", "stage": "shadow"}
    told = [
        {**deploy, "ts": 10.0, "baseline": first},
        {**deploy, "ts": 20.0, "baseline": last},
        {**deploy, "ts": 30.0, "stage": "production"},
    ]
    feed(engine, *(reversed(told) if swapped else told))
    assert engine.state.versions["clf", "7"].layout.baseline == last
    feed(engine, told[0], {**deploy, "version": "8", "ts": 40.0})  # a resend beside something new
    assert engine.state.versions["clf", "7"].layout.baseline == last


def changed_baseline() -> Baseline:
    return msgspec.structs.replace(baseline("clf", "1"), quality={})


class Doubtful(EmbeddedStore):
    """A store that commits, fails to say so, and cannot be read at the first try after that."""

    failures = 0

    def write(self, transaction: Transaction) -> None:
        super().write(transaction)
        if self.failures:
            self.generation += 1
            raise StoreError("the connection broke")

    def state(self) -> dict[str, bytes]:
        if self.failures:
            self.failures -= 1
            raise StoreError("the server is away")
        return super().state()


def test_what_a_store_committed_without_saying_so_counts_once_even_if_it_cannot_be_read_at_once(tmp_path: Path) -> None:
    store = Doubtful(tmp_path)
    engine = open_sample(tmp_path, store)
    feed(engine, prediction("r1"))
    store.failures = 1
    for _ in range(2):
        with pytest.raises(StoreError):
            feed(engine, prediction("r2"))
    assert feed(engine, prediction("r2"), prediction("r3")) == [1]
    assert counted(engine)["ml_predictions_total", *CLF] == 3
    engine.close()


def test_a_deployment_counts_wherever_it_stands_in_its_body(engine: Engine) -> None:
    deploy = {"type": "deployment", "model": "clf", "version": "7", "stage": "canary", "ts": 1.0}
    feed(engine, prediction("r", version="7"), outcome("r"), deploy)
    v = counted(engine)
    assert v["ml_predictions_total", "clf", "7"] == 1
    assert v["ml_outcomes_matured_total", "clf", "7"] == 1


def test_a_version_long_retired_and_silent_leaves_the_page_and_comes_back_when_deployed(engine: Engine) -> None:
    week = 7 * 86400.0
    deploy = {"type": "deployment", "model": "clf", "stage": "production"}
    feed(engine, prediction("r"), {**deploy, "version": "1", "ts": 1.0}, {**deploy, "version": "2", "ts": 2.0})
    full = series(engine)
    engine.tick(1000.0 + week - 1)
    assert counted(engine)["ml_predictions_total", *CLF] == 1
    engine.tick(1000.0 + week + 60)
    v = counted(engine)
    assert not [name for name in v if name[1:3] == CLF]
    assert v["ml_predictions_total", "clf", "2"] == 0
    assert v["plumbline_series", "clf"] == series(engine) < full
    now = 1000.0 + week + 70
    feed(engine, {**deploy, "version": "1", "ts": now}, now=now)
    assert counted(engine)["ml_predictions_total", *CLF] == 1


def test_what_has_left_the_page_takes_no_room_after_a_restart_either(tmp_path: Path) -> None:
    week = 7 * 86400.0
    deploy = {"type": "deployment", "model": "clf", "stage": "production"}
    engine = open_sample(tmp_path)
    feed(engine, prediction("r"), {**deploy, "version": "1", "ts": 1.0}, {**deploy, "version": "2", "ts": 2.0})
    full = series(engine)
    engine.tick(1000.0 + week + 60)
    left = series(engine)
    engine.close()
    # Room for a new version with a baseline in place of the retired one, but not beside it.
    budget, folder = (
        {"per_model": full},
        FixedBaselines(baseline(), baseline("reg", "1", "regression"), baseline("clf", "9")),
    )
    again = Engine(catalogue(series_budget=budget), folder, EmbeddedStore(tmp_path))
    assert ("clf", "9") in again.state.versions
    assert not again.state.refused
    assert left < series(again) <= full
    assert not [name for name in counted(again) if name[1:3] == CLF]
    again.close()


def test_a_scrape_does_not_wait_for_the_disk(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    write, seen = engine.store.write, []

    def slow(transaction: Transaction) -> None:
        reader = threading.Thread(target=lambda: seen.append(counted(engine)["plumbline_lines_total",]))
        reader.start()
        reader.join(10)
        assert seen == [0.0]
        write(transaction)

    monkeypatch.setattr(engine.store, "write", slow)
    feed(engine, prediction("r"))
    assert counted(engine)["plumbline_lines_total",] == 1


def test_a_deployment_sets_stage_and_rollback_target(engine: Engine) -> None:
    base = {"type": "deployment", "model": "clf", "stage": "production"}
    feed(engine, {**base, "ts": 20.0, "version": "2", "commit": "bbb"}, {**base, "ts": 10.0, "version": "1"})
    v = counted(engine)
    assert v["ml_model_info", "clf", "2", "team", "production", "binary", "bbb"] == 1
    assert v["ml_model_info", "clf", "1", "team", "retired", "binary", ""] == 1
    assert v["ml_model_rollback_info", "clf", "2", "1"] == 1
    assert v["ml_model_deployed_timestamp_seconds", "clf", "2"] == 20.0


def test_objectives_are_resolved_against_the_baseline(engine: Engine) -> None:
    v = counted(engine)
    assert v["ml_objective", *CLF, "accuracy", "critical"] == pytest.approx(0.7)
    assert v["ml_objective", *CLF, "outcome_samples", "warning"] == 100


def test_counters_survive_a_restart_and_a_changed_catalogue(opened: Opener) -> None:
    engine = opened()
    feed(engine, prediction("r1"), prediction("r2"), outcome("r1"), now=2000)
    before = counted(engine)
    engine.close()
    engine = opened()
    after = counted(engine)
    different = {k for k in before if before[k] != after.get(k) and k[0] != "plumbline_store_bytes"}
    assert different == set()
    engine.close()
    models = catalogue().model_dump(mode="json")["models"]
    models["clf"]["features"]["new"] = {"type": "numeric"}
    engine = opened(models=models)
    grown = counted(engine)
    assert grown["ml_feature_problems_total", *CLF, "new", "missing"] == 0
    assert all(grown[k] == before[k] for k in before if k[0].startswith("ml_"))


def test_another_positive_class_never_mixes_with_what_was_counted_for_the_first(opened: Opener) -> None:
    engine = opened()
    feed(engine, prediction("r"), now=1100)
    feed(engine, outcome("r", "1"), now=2100)
    engine.tick(10_000)
    assert sum(v for k, v in counted(engine).items() if k[0] == "ml_score_bins_total") == 1
    engine.close()
    models = catalogue().model_dump(mode="json")["models"]
    models["clf"]["positive_class"] = "0"
    v = counted(opened(models=models))
    assert sum(v for k, v in v.items() if k[0] == "ml_score_bins_total") == 0
    assert v["ml_squared_score_error_total", *CLF, "all", "all"] == v["ml_log_loss_total", *CLF, "all", "all"] == 0
    assert v["ml_confusion_total", *CLF, "all", "all", "1", "1"] == 1


def failing(transaction: Transaction) -> None:
    raise StoreError("disk on fire")


def test_a_failed_write_leaves_everything_as_it_was(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(engine, prediction("r1"))
    before = counted(engine)
    with monkeypatch.context() as patched:
        patched.setattr(engine.store, "write", failing)
        with pytest.raises(StoreError):
            feed(engine, prediction("r2"), outcome("r1"))
    assert counted(engine) == before
    assert feed(engine, prediction("r2"), outcome("r1")) == [0]
    assert counted(engine)["ml_predictions_total", *CLF] == 2


def test_a_version_refused_by_a_transaction_that_failed_is_refused_and_counted_by_the_next(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(series_budget={"per_model": 210})
    late = baseline("clf", "9")
    monkeypatch.setattr(engine.baselines, "find", lambda model, version: late if version == "9" else None)
    before = counted(engine)["plumbline_series_refused_total", "clf"]
    with monkeypatch.context() as patched:
        patched.setattr(engine.store, "write", failing)
        with pytest.raises(StoreError):
            feed(engine, prediction("a", version="9"))
    assert counted(engine)["plumbline_series_refused_total", "clf"] == before
    feed(engine, prediction("a", version="9"))
    assert counted(engine)["plumbline_series_refused_total", "clf"] > before


def stream(rows: int, seed: int) -> list[dict]:
    rng = random.Random(seed)
    events = []
    for i in range(rows):
        score = rng.random()
        truth = "1" if rng.random() < score else "0"
        c = rng.choice(["a", "b", "z", "new", None])
        features = {"x": rng.choice([rng.uniform(-1, 3), None]), "c": c}
        ts = 1000.0 + i
        p = prediction(f"r{i}", ts=ts, features=features, score=score, prediction=str(int(score > 0.5)))
        events += [p, outcome(f"r{i}", truth, ts=ts + rng.uniform(0, 5000))]
    return events


def test_quality_sums_equal_scikit_learn(engine: Engine) -> None:
    events = stream(800, 3)
    feed(engine, *events, now=50_000.0)
    v = counted(engine)
    p, o = events[0::2], {e["request_id"]: e["actual"] for e in events[1::2]}
    truth = np.array([int(o[e["request_id"]]) for e in p])
    answer = np.array([int(e["prediction"]) for e in p])
    score = np.array([e["score"] for e in p])
    confusion = {(a, b): v["ml_confusion_total", *CLF, "all", "all", a, b] for a in "01" for b in "01"}
    n = sum(confusion.values())
    assert (confusion["0", "0"] + confusion["1", "1"]) / n == accuracy_score(truth, answer)
    assert v["ml_squared_score_error_total", *CLF, "all", "all"] / n == pytest.approx(
        brier_score_loss(truth, score), rel=1e-12
    )
    assert v["ml_log_loss_total", *CLF, "all", "all"] / n == pytest.approx(log_loss(truth, score), rel=1e-12)
    bins = baseline().score_bins
    assert bins is not None
    zeros = np.array([v["ml_score_bins_total", *CLF, b, "0"] for b in bins.labels])
    ones = np.array([v["ml_score_bins_total", *CLF, b, "1"] for b in bins.labels])
    above = np.array([v["ml_score_positives_above_total", *CLF, b] for b in bins.labels])
    area = (zeros * above).sum() / (zeros.sum() * ones.sum())
    coarse = np.searchsorted(bins.uppers, score)
    assert area == pytest.approx(roc_auc_score(truth, coarse), rel=1e-12)
    bound = 0.5 * (zeros * ones).sum() / (zeros.sum() * ones.sum())
    assert abs(area - roc_auc_score(truth, score)) <= bound


def test_regression_sums_equal_numpy(engine: Engine) -> None:
    rng = np.random.default_rng(5)
    actual, answer = rng.normal(5, 3, 500), rng.normal(5, 3, 500)
    events = []
    for i in range(500):
        events.append(prediction(f"r{i}", model="reg", prediction=float(answer[i]), score=None))
        events.append(outcome(f"r{i}", float(actual[i])))
    feed(engine, *events)
    v = counted(engine)
    key = ("reg", "1", "all", "all")
    n = v["ml_regression_total", *key]
    assert n == 500
    assert v["ml_absolute_error_total", *key] / n == pytest.approx(mean_absolute_error(actual, answer), rel=1e-12)
    assert v["ml_squared_error_total", *key] == pytest.approx(((answer - actual) ** 2).sum(), rel=1e-12)
    bias = (v["ml_overprediction_total", *key] - v["ml_underprediction_total", *key]) / n
    assert bias == pytest.approx((answer - actual).mean(), rel=1e-9)
    first = v["ml_actual_total", *key, "positive"] - v["ml_actual_total", *key, "negative"]
    assert first / n + 5.0 == pytest.approx(actual.mean(), rel=1e-12)
    spread = v["ml_actual_squared_total", *key] - first**2 / n
    assert spread == pytest.approx(((actual - actual.mean()) ** 2).sum(), rel=1e-9)


def test_an_actual_that_is_no_declared_class_is_counted_not_lost(engine: Engine) -> None:
    feed(engine, prediction("r"), outcome("r", "maybe"), prediction("q", model="reg"), outcome("q", "late"))
    v = counted(engine)
    assert v["plumbline_events_unknown_total", "class"] == 2
    assert v["ml_outcomes_matured_total", *CLF] == 1


def test_a_failed_prediction_counts_as_error_and_not_as_quality(engine: Engine) -> None:
    event = prediction("r", status="error")
    del event["prediction"], event["score"]
    feed(engine, event, outcome("r"))
    v = counted(engine)
    assert v["ml_prediction_errors_total", *CLF] == 1
    assert v["ml_predictions_matured_total", *CLF] == 0
    assert v["ml_confusion_total", *CLF, "all", "all", "1", "1"] == 0


def test_stored_lines_are_kept_byte_for_byte(engine: Engine) -> None:
    line = json.dumps({**prediction("r"), "extra": {"kept": "\u2028 yes"}}).encode()
    engine.commit([parse(line + b"\r\n", 1.0)], 1.0)
    assert engine.store.read([1])[1].raw == line


def test_a_clock_that_runs_ahead_cannot_make_old_things_look_fresh_for_ever(engine: Engine) -> None:
    run = {"type": "pipeline", "pipeline": "feed", "stage": "load", "run_id": "u", "status": "succeeded"}
    feed(engine, prediction("r", ts=10_900.0), {**run, "ts": 10_900.0, "data_ts": 10_800.0})
    v = counted(engine)
    assert v["ml_prediction_last_timestamp_seconds", *CLF] == 10_000.0
    assert v["ml_pipeline_last_success_timestamp_seconds", "feed", "load"] == 10_000.0
    assert v["ml_pipeline_data_timestamp_seconds", "feed", "load"] == 10_000.0


def test_a_deployment_with_a_clock_ahead_does_not_outrank_the_rollback_after_it(engine: Engine) -> None:
    deploy = {"type": "deployment", "model": "clf", "stage": "production"}
    feed(engine, {**deploy, "version": "1", "ts": 5_000.0}, {**deploy, "version": "2", "ts": 20_000.0})
    feed(engine, {**deploy, "version": "1", "ts": 10_100.0}, now=10_100.0)
    v = counted(engine)
    assert v["ml_model_info", "clf", "1", "team", "production", "binary", ""] == 1
    assert v["ml_model_info", "clf", "2", "team", "retired", "binary", ""] == 1


def test_the_largest_numbers_leave_every_sum_finite(engine: Engine) -> None:
    feed(engine, prediction("r", model="reg", prediction=1e11), now=1100)
    feed(engine, outcome("r", -1e11), now=2100)
    feed(engine, {"type": "kpi", "model": "clf", "version": "1", "kpi": "margin", "value": -1e100})
    engine.tick(10_000)
    v = counted(engine)
    assert v["ml_regression_total", "reg", "1", "all", "all"] == 1
    assert np.isfinite(list(v.values())).all()


def test_what_is_durable_is_counted_even_when_the_store_fails_right_after(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> int:
        raise StoreError("connection lost")

    feed(engine, prediction("r"), now=1100)
    with monkeypatch.context() as patched:
        patched.setattr(engine.store, "pending_count", gone)
        assert feed(engine, outcome("r", "0"), now=2100) == [0]
    assert counted(engine)["plumbline_events_total", "outcome"] == 1
    assert feed(engine, prediction("r2"), outcome("r2", "0"), outcome("r", "0"), now=2100) == [1]
    v = counted(engine)
    assert v["plumbline_events_total", "outcome"] == 2
    assert engine.state.pending == 2
    assert v["ml_predictions_total", *CLF] == 2


def test_the_exporter_remembers_since_when_it_knows_what_is_declared(opened: Callable[..., Engine]) -> None:
    """Silence is measured from there: a restart must not begin it anew, a first start must not look old."""
    engine = opened()
    declared = ("ml_pipeline_declared_timestamp_seconds", "feed", "load")
    model = ("ml_model_declared_timestamp_seconds", "clf", "team")
    assert declared not in counted(engine)
    assert model not in counted(engine)
    engine.tick(5000.0)
    engine.close()
    again = opened()
    again.tick(9000.0)
    found = counted(again)
    assert found[declared] == found[model] == 5000.0
