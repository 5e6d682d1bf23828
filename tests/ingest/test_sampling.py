"""Features of a sample are stored; what is counted, joined, recognised and traced is everything."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.events.parse import parse, parse_line
from plumbline.events.parsed import Item
from plumbline.export import Selection, export
from plumbline.ingest.engine import Engine
from plumbline.pages import render
from plumbline.sampling import in_sample, line_to_store, sampling_of
from plumbline.trace.lookup import Lookup
from support.samples import body, catalogue, outcome, prediction, values

Open = Callable[..., Engine]
SLICES = {"c": ["a", "b"], "region": ["north", "south"]}


def models(share: float) -> dict[str, Any]:
    """The sample models, with slices of which one is a feature, stored by a share."""
    raw = json.loads(catalogue().model_dump_json())["models"]
    for model in raw.values():
        model["slices"] = SLICES
        model["store"] = {"sample": share}
    return raw


def stream(seed: int, count: int = 200) -> list[dict[str, Any]]:
    """Predictions of both models with errors, missing features, outcomes, conflicts and corrections."""
    rng = random.Random(seed)
    events = []
    for n in range(count):
        request = f"r{n}"
        features = {"x": rng.uniform(-1, 3), "c": rng.choice(["a", "b", "?", None]), "undeclared": "x" * 50}
        events.append(
            prediction(
                request,
                features=features,
                slices={"region": rng.choice(["north", "south"])},
                prediction=rng.choice("01"),
                score=rng.random(),
                status="error" if rng.random() < 0.1 else "ok",
                comment="kept only with the features",
                data_batch_id=f"b{n % 3}",
            )
        )
        if rng.random() < 0.8:
            events.append(outcome(request, rng.choice("01")))
        if rng.random() < 0.1:
            events.append(outcome(request, rng.choice("01"), ts=2500.0, correction=True))
        events.append(prediction(request + "g", model="reg", features=features, prediction=rng.gauss(0, 1)))
        events.append(outcome(request + "g", rng.gauss(0, 1)))
    rng.shuffle(events)
    return events


def send(engine: Engine, events: list[dict[str, Any]], now: float) -> int:
    sent = (
        itertools.batched(events, 60)
        if hasattr(itertools, "batched")
        else [events[i : i + 60] for i in range(0, len(events), 60)]
    )
    return sum(sum(engine.commit([parse(body(*part), now)], now)) for part in sent)


def rows(engine: Engine) -> list[dict[str, Any]]:
    store = engine.store
    return [json.loads(e.raw) for e in store.read(range(1, store.last_seq + 1)).values()]


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_counters_are_those_of_an_exporter_that_stores_all_over_restarts_and_resends(
    opened: Open, tmp_path: Path, share: float
) -> None:
    events = stream(3)
    whole, sampled = (opened(tmp_path / name, models=models(s)) for name, s in (("whole", 1.0), ("sampled", share)))
    assert send(whole, events[:300], 2600.0) == send(sampled, events[:300], 2600.0) == 0
    sampled.close()
    sampled = opened(tmp_path / "sampled", models=models(share))
    for engine in (whole, sampled):
        send(engine, events[300:], 2600.0)
        assert send(engine, events, 2700.0) == len(events)  # all of them are known, stored whole or not
        engine.tick(1000.0 + 3600.0)
    found, expected = (
        {key: value for key, value in values(engine.blocks()).items() if key[0] != "plumbline_store_bytes"}
        for engine in (sampled, whole)
    )
    assert found == expected
    assert sum(value for key, value in found.items() if key[0] == "ml_confusion_total") > 100


@pytest.mark.parametrize("recomputed_first", [False, True])
def test_skew_counts_the_requests_of_the_sample_in_any_order_of_arrival(opened: Open, recomputed_first: bool) -> None:
    """Features that are not stored must not look as if they had differed."""
    engine = opened(models=models(0.3))
    served = [prediction(f"r{n}", features={"x": 1.0, "c": "a"}) for n in range(200)]
    recomputed = [{"type": "recomputed", "request_id": f"r{n}", "features": {"x": 1.0, "c": "b"}} for n in range(200)]
    for part in (recomputed, served) if recomputed_first else (served, recomputed):
        send(engine, part, 2600.0)
    sample = sum(in_sample(f"r{n}", 0.3) for n in range(200))
    found = values(engine.blocks())
    for feature, mismatches in (("x", 0), ("c", sample)):
        assert found["ml_feature_skew_rows_total", "clf", "1", feature] == sample
        assert found["ml_feature_skew_mismatches_total", "clf", "1", feature] == mismatches


def test_features_of_the_sample_are_stored_and_the_rest_keeps_what_it_is_found_by(opened: Open) -> None:
    engine = opened(models=models(0.3))
    events = [e for e in stream(5) if e["type"] == "prediction"]
    send(engine, events, 2600.0)
    sent = {e["request_id"]: e for e in events}
    kept = 0
    for row in rows(engine):
        event = sent[row["request_id"]]
        if event.get("status") == "error":
            assert row == event  # stored whole, and says nothing of sampling
            continue
        assert row.pop("sampling") == {"share": 0.3, "kept": in_sample(row["request_id"], 0.3)}
        if in_sample(row["request_id"], 0.3):
            kept += 1
            assert row == event
        else:
            assert row["features"] == {}
            assert "comment" not in row
            assert row["slices"]["c"] == event["features"]["c"]
            same = ("request_id", "model", "version", "ts", "prediction", "score", "latency", "data_batch_id")
            assert [row.get(name) for name in same] == [event.get(name) for name in same]
    assert 60 < kept < 180  # of about 400 at 0.3


@given(st.text(min_size=1, max_size=50), st.floats(0.001, 1), st.floats(0.001, 1))
def test_the_sample_of_a_smaller_share_is_part_of_a_larger_ones(request: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert in_sample(request, large) or not in_sample(request, small)
    assert in_sample(request, 1.0)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_what_it_says(share: float) -> None:
    found = sum(in_sample(f"request-{n}", share) for n in range(20_000)) / 20_000
    assert abs(found - share) < 5 * (share * (1 - share) / 20_000) ** 0.5  # five standard errors


def test_a_senders_own_field_of_that_name_deceives_nobody() -> None:
    event = prediction("r", sampling={"share": 0.5, "kept": True}, features={"x": 1.0})
    item = parse_line(json.dumps(event).encode(), 2000.0)
    assert isinstance(item, Item)
    stored = line_to_store(item, catalogue(models=models(0.25)).models["clf"])
    found = sampling_of(stored)
    assert found is not None
    assert (found.share, found.kept) == (0.25, in_sample("r", 0.25))
    assert sampling_of(json.dumps({**event, "sampling": "mine"}).encode()) is None


def test_trace_and_export_know_the_factor(opened: Open, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    engine = opened(models=models(0.3))
    send(engine, stream(7, 400), 2600.0)
    engine.tick(5000.0)
    lookup = Lookup(engine.store.reader(), engine.baselines)
    try:
        dropped, kept = (
            next(r["request_id"] for r in rows(engine) if r.get("sampling", {}).get("kept") is want)
            for want in (False, True)
        )
        trace = lookup.trace(dropped)
        assert trace is not None
        assert (trace.predictions[0].features, trace.predictions[0].against_baseline) == ({}, None)
        assert "features counted, not stored: the store keeps those of 0.3" in render(
            "trace.html.j2", trace=trace, grafana=""
        )
        trace = lookup.trace(kept)
        assert trace is not None
        assert trace.predictions[0].features
        assert trace.predictions[0].extra == {"comment": "kept only with the features"} or kept.endswith("g")
        report = export(lookup, engine.catalogue.models["reg"], Selection("reg"), tmp_path / "reg.parquet")
    finally:
        lookup.close()
    table = parquet.read_table(tmp_path / "reg.parquet").to_pylist()
    assert len(table) == report.rows
    assert report.rows + report.unsampled == 400
    assert {row["_weight"] for row in table} == {1 / 0.3}
    assert abs(sum(row["_weight"] for row in table) - 400) < 5 * (400 * 0.7 / 0.3) ** 0.5
    assert all(row["x"] is not None for row in table)
