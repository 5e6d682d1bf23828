"""The law of counting: the same events give the same counters, net of what is retracted.

Whatever the order of arrival, the cuts into requests, restarts, resends, and over how many exporters the
events are split (by request id; deployments go to every one). What must be the same for it: every event has
its own ``ts`` in the past, and a version is known before its first prediction (docs/adr/0020).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline import names
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.keys import request_key
from plumbline.store.postgres import PostgresStore
from support.postgres import Postgres
from support.samples import body, catalogue, open_sample, values
from support.search import examples

Event = dict[str, Any]
START, END = 9000.0, 40_000.0  # every ts is before START; by END everything is mature and no orphan waits
MODELS = catalogue().model_dump(mode="json")["models"]
MODELS["clf"]["slices"] = {"c": ["a"], "region": ["north"]}
MODELS["reg"]["slices"] = {"c": ["a", "b"]}
MODELS["multi"] = {
    "task": "multiclass",
    "owner": "team",
    "features": {"x": {"type": "numeric"}},
    "classes": ["cat", "dog", "owl"],
    "outcome": {"maturity": "2h"},
}
DEPLOYMENTS: list[Event] = [
    {"type": "deployment", "ts": 1.0, "model": "clf", "version": "2", "stage": "shadow"},
    {"type": "deployment", "ts": 1.0, "model": "multi", "version": "1", "stage": "production"},
    {"type": "deployment", "ts": 900.0, "model": "clf", "version": "1", "stage": "production"},
    {"type": "deployment", "ts": 2.0, "model": "nobody", "version": "1", "stage": "production"},
]

times = st.floats(1000, 8900).map(lambda t: round(t, 1))
classes = st.sampled_from(["0", "1", 1, False, "maybe"])
numbers = st.one_of(st.floats(-50, 50), st.sampled_from([5, 1e99, "much"]))
species = st.sampled_from(["cat", "dog", "owl", "newt"])
shares = st.floats(0, 1)
ANSWERS = {"clf": classes, "reg": numbers, "multi": species, "nobody": classes}


def _plain(value: object) -> object:
    return float(value) if isinstance(value, int | float) else value


@st.composite
def requests(draw: st.DrawFn, request_id: str) -> list[Event]:
    """Predictions of one request (perhaps none, perhaps a shadow pair), its outcomes and corrections, a KPI."""
    model = draw(st.sampled_from(["clf", "clf", "reg", "multi", "nobody"]))
    versions = draw(st.sampled_from([(), ("1",), ("1",), ("1", "2"), ("unheard of",)]))
    answers = ANSWERS[model]
    events: list[Event] = []
    for version in versions:
        event: Event = {
            "type": "prediction",
            "ts": draw(times),
            "request_id": request_id,
            "model": model,
            "version": version,
            "features": {"x": draw(st.sampled_from([0.5, -3, None, "x"])), "c": draw(st.sampled_from("abz"))},
            "latency": draw(st.sampled_from([0.01, 3.0])),
            "slices": {"region": draw(st.sampled_from(["north", "?"]))},
        }
        if draw(st.integers(0, 9)) == 0:
            event["status"] = "error"
        else:
            event["prediction"] = draw(answers)
            if model == "clf":
                event["score"] = draw(shares)
            if model == "multi" and draw(st.booleans()):
                event["scores"] = {name: draw(shares) for name in ("cat", "dog", "owl")}
        events.append(event)
    # One report of each value: a second one would be a resend with another time (docs/adr/0003).
    plain = {repr(_plain(actual)): actual for actual in draw(st.lists(answers, max_size=2))}
    said = [(actual, False) for actual in plain.values()]
    said += [(actual, True) for actual in draw(st.lists(answers, max_size=2))]
    for actual, correction in said:
        event = {"type": "outcome", "ts": draw(times), "request_id": request_id, "actual": actual}
        events.append({**event, "correction": True} if correction else event)
    if draw(st.booleans()):
        events.append(
            {
                "type": "kpi",
                "ts": draw(times),
                "model": model,
                "version": "1",
                "request_id": request_id,
                "kpi": draw(st.sampled_from(["margin", "undeclared"])),
                "value": draw(st.floats(-5, 5)),
            }
        )
    return events


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """All kinds of events, no two of them the same one."""
    events = [event for i in range(draw(st.integers(1, 12))) for event in draw(requests(f"r{i}"))]
    for i in range(draw(st.integers(0, 3))):
        events.append(
            {
                "type": "pipeline",
                "ts": draw(times),
                "pipeline": draw(st.sampled_from(["feed", "undeclared"])),
                "stage": "load",
                "run_id": f"run{i}",
                "status": draw(st.sampled_from(["succeeded", "failed"])),
                "rows_in": draw(st.integers(0, 9)),
                "checks": [{"name": "no_gaps", "passed": draw(st.booleans())}],
            }
        )
        events.append({"type": "log", "ts": draw(times), "level": "info", "message": f"line {i}"})
    return events


class Exporters:
    """One or more engines, fed by request id."""

    def __init__(self, count: int, open_: Callable[[int], Engine]) -> None:
        self._open = open_
        self.engines = [open_(at) for at in range(count)]

    def _place(self, event: Event, line: bytes) -> int:
        key = request_key(event["request_id"]) if "request_id" in event else hash(line)
        return key % len(self.engines)

    def send(self, events: Sequence[Event], now: float) -> None:
        parts: dict[int, list[Event]] = defaultdict(list)
        for event in events:
            everywhere = event["type"] == "deployment"
            for at in range(len(self.engines)) if everywhere else [self._place(event, body(event))]:
                parts[at].append(event)
        for at, part in parts.items():
            self.engines[at].commit([parse(body(*part), now)], now)

    def tick(self, now: float) -> None:
        for engine in self.engines:
            engine.tick(now)

    def restart(self, at: int) -> None:
        self.engines[at].close()
        self.engines[at] = self._open(at)

    def counters(self) -> dict[tuple[str, ...], float]:
        """Return what a query sums: counters over all exporters, less what is retracted of them."""
        found: dict[tuple[str, ...], float] = defaultdict(float)
        for engine in self.engines:
            for key, value in values(engine.blocks()).items():
                metric = names.METRICS[key[0]]
                if metric.kind == "gauge":
                    if metric in (names.PREDICTION_LAST, names.PIPELINE_LAST_SUCCESS):
                        found[key] = max(found[key], value)
                # A deployment goes to every exporter, each counts it and, if so, its unknown model.
                elif key[0].startswith("ml_") or (
                    metric in (names.EVENTS, names.EVENTS_UNKNOWN) and key[1] not in ("deployment", "model")
                ):
                    found[key] += value
            engine.close()
        for name, retracted in names.RETRACTED.items():
            for key in [key for key in found if key[0] == retracted.name]:
                found[name, *key[1:]] -= found.pop(key)
        return dict(found)


def embedded(folder: Path) -> Callable[[int], Engine]:
    return lambda at: open_sample(folder / str(at), models=MODELS)


def in_order(events: Sequence[Event], exporters: Exporters) -> dict[tuple[str, ...], float]:
    exporters.send([*DEPLOYMENTS, *events], START)
    exporters.tick(END)
    return exporters.counters()


def in_disorder(events: Sequence[Event], exporters: Exporters, rng: random.Random) -> dict[tuple[str, ...], float]:
    """Shuffled, with resends, in requests of any size, over hours in which things mature, with restarts."""
    exporters.send(DEPLOYMENTS, START)
    shuffled = [*events, *rng.sample(events, len(events) // 3), *DEPLOYMENTS[:2]]
    rng.shuffle(shuffled)
    now, at = START, 0
    while at < len(shuffled):
        size = rng.randint(1, 6)
        exporters.send(shuffled[at : at + size], now)
        at += size
        now += rng.choice([0.5, 60.0, 3000.0])
        if rng.random() < 0.6:
            exporters.tick(now)
        if rng.random() < 0.2:
            exporters.restart(rng.randrange(len(exporters.engines)))
    exporters.tick(END)
    exporters.tick(2 * END)
    return exporters.counters()


def at_event_time(events: Sequence[Event], exporters: Exporters) -> dict[tuple[str, ...], float]:
    """As ``plumbline backfill`` does: in steps of time, each event in the step that ends after it."""
    exporters.send(DEPLOYMENTS, 999.0)
    for end in range(1500, 9500, 500):
        exporters.send([e for e in events if end - 500 <= e["ts"] < end], float(end))
        exporters.tick(float(end))
    exporters.tick(END)
    return exporters.counters()


def same(got: dict[tuple[str, ...], float], expected: dict[tuple[str, ...], float]) -> None:
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        assert got[key] == pytest.approx(value, rel=1e-9, abs=1e-9), key


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events=histories(), count=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_order_splitting_restarts_resends_and_backfill_do_not_change_any_counter(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], count: int, seed: int
) -> None:
    expected = in_order(events, Exporters(1, embedded(tmp_path_factory.mktemp("one"))))
    exporters = Exporters(count, embedded(tmp_path_factory.mktemp("many")))
    same(in_disorder(events, exporters, random.Random(seed)), expected)
    same(at_event_time(events, Exporters(1, embedded(tmp_path_factory.mktemp("backfilled")))), expected)


@settings(max_examples=examples(4), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events=histories(), count=st.integers(2, 3), seed=st.integers(0, 2**32))
def test_so_it_is_with_exporters_that_share_one_postgresql_store(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, events: list[Event], count: int, seed: int
) -> None:
    url = postgres.new_database()

    def open_(at: int) -> Engine:
        return open_sample(Path(), PostgresStore(url, f"exporter-{at}"), models=MODELS)

    expected = in_order(events, Exporters(1, embedded(tmp_path_factory.mktemp("one"))))
    same(in_disorder(events, Exporters(count, open_), random.Random(seed)), expected)


def test_every_exporter_on_one_store_knows_a_deployment_and_stores_it_once(postgres: Postgres) -> None:
    url = postgres.new_database()
    exporters = Exporters(2, lambda at: open_sample(Path(), PostgresStore(url, f"e{at}"), models=MODELS))
    exporters.send(DEPLOYMENTS, START)
    for at in (0, 1):
        v = values(exporters.engines[at].blocks())
        assert v["ml_model_info", "clf", "2", "team", "shadow", "binary", ""] == 1
        assert v["ml_model_deployed_timestamp_seconds", "clf", "1"] == 900.0
        assert v["plumbline_events_total", "deployment"] == (len(DEPLOYMENTS) if at == 0 else 0)
        exporters.engines[at].close()
