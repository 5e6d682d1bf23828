from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from plumbline import Client, names
from plumbline.client.encode import EventIds, encode
from plumbline.client.metrics import ClientCollector
from plumbline.errors import InvalidEvent, UsageError
from plumbline.logging import bind
from support.exporter_stand_in import StandIn, names_of, predict

Make = Callable[..., Client]


def test_every_kind_of_event_arrives_as_the_contract_says(stand_in: StandIn, client_for: Make) -> None:
    client = client_for(strict=True)
    with bind(request_id="r", model="m", version="1", run_id="run"):
        client.prediction(features={"x": 1, "y": None}, prediction="yes", score=0.7, latency=0.01)
        client.outcome(actual="yes")
        client.outcome(actual="no", correction=True)
        client.pipeline(pipeline="p", stage="s", status="succeeded", rows_in=3)
        client.deployment(stage="production", commit="abc")
        client.kpi(kpi="revenue", value=-3.5)
        client.log("hello", level="WARNING")
    assert client.flush()
    events = [json.loads(line) for line in stand_in.lines]
    assert [e["type"] for e in events] == ["prediction", "outcome", "outcome", "pipeline", "deployment", "kpi", "log"]
    assert all(isinstance(e["ts"], float) for e in events)
    assert [("event_id" in e) for e in events] == [False, False, True, True, True, True, True]
    assert events[0]["model"] == "m"
    assert events[3]["run_id"] == "run"
    assert client.stats().sent == 7


def test_what_numpy_and_the_caller_give_becomes_a_valid_line(stand_in: StandIn, client_for: Make) -> None:
    client = client_for(strict=True)
    features: dict[str, Any] = {
        "a": np.float64(1.5),
        "b": np.int32(2),
        "c": np.bool_(True),
        "d": float("nan"),
        "e": float("inf"),
        "f": "x\r\n\0\u2028\ud800",
    }
    client.prediction(request_id="r", model="m", version="1", features=features, prediction=np.float32(0.5))
    features["a"] = 99
    assert client.flush()
    assert json.loads(stand_in.lines[0])["features"] == {
        "a": 1.5,
        "b": 2,
        "c": True,
        "d": None,
        "e": None,
        "f": "x\r\n\0\u2028\ufffd",
    }


def test_ids_that_the_caller_has_as_numbers_are_sent_as_text() -> None:
    event = {
        "type": "prediction",
        "model": "m",
        "prediction": 1,
        "features": {"day": np.datetime64("2024-02-29", "ns")},
    }
    for request_id, version, text in (
        (7, 2, "7"),
        (np.int64(2**60), np.int8(2), str(2**60)),
        (12345678901.0, 2.0, "12345678901"),
    ):
        sent = json.loads(encode(event | {"request_id": request_id, "version": version}, EventIds()))
        assert (sent["request_id"], sent["version"]) == (text, "2")
        assert sent["features"] == {"day": "2024-02-29T00:00:00"}


class Hostile:
    def __iter__(self) -> Any:
        raise ZeroDivisionError

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


def test_a_decimal_that_is_no_number_is_a_missing_value(stand_in: StandIn, client_for: Make) -> None:
    client = client_for(strict=True)
    features = {"x": Decimal("NaN"), "y": Decimal("-Infinity"), "z": Decimal("0.5"), "f": float("nan")}
    client.prediction(request_id="r", model="m", version="1", features=features, prediction=1)
    assert client.flush()
    [sent] = stand_in.lines
    assert json.loads(sent)["features"] == {"x": None, "y": None, "z": 0.5, "f": None}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "nonsense"},
        {"type": "prediction"},
        {"type": []},
        {"type": "log", "level": 1, "message": "m"},
        {"type": "kpi", "model": "m", "version": "1", "kpi": "k", "value": object()},
        {"type": "log", "level": "INFO", "message": "m", "fields": {"x": Hostile()}},
        {"type": "outcome", "request_id": "a\nb", "actual": 1},
        None,
        Hostile(),
        5,
        {"type": "log", "level": "INFO", "message": "x" * 2_000_000},
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_bad_event_is_counted_and_told_once_but_never_raised(
    event: Any, stand_in: StandIn, client_for: Make, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for()
    client.send(event)
    client.send(event)
    stats = client.stats()
    assert (stats.created, stats.dropped["invalid"]) == (2, 2)
    assert len([r for r in caplog.records if r.name == "plumbline.client"]) == 1
    with pytest.raises(InvalidEvent):
        client_for(strict=True).send(event)


@pytest.mark.parametrize("options", [{"url": "no"}, {"url": "ftp://x"}, {"queue_events": 0}, {"linger": -1}])
def test_settings_that_cannot_work_are_refused_at_the_start(options: dict[str, Any], client_for: Make) -> None:
    with pytest.raises(UsageError):
        client_for(**options)


def test_the_queue_is_bounded_in_bytes(client_for: Make) -> None:
    client = client_for("http://127.0.0.1:1", queue_bytes=10_000)
    predict(client, *names_of(1000))
    stats = client.stats()
    assert stats.dropped["queue_full"] > 800
    assert stats.queued < 100


def test_after_the_end_events_are_dropped_and_counted(stand_in: StandIn, client_for: Make) -> None:
    client = client_for()
    predict(client, "a")
    client.close()
    predict(client, "b")
    stats = client.stats()
    assert (stats.sent, stats.dropped["closed"]) == (1, 1)


def test_threads_may_share_a_client(stand_in: StandIn, client_for: Make) -> None:
    client = client_for()
    threads = [threading.Thread(target=predict, args=(client, *names_of(200, f"t{n}-"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(10)
    assert sorted(stand_in.ids()) == sorted(f"t{n}-{i}" for n in range(8) for i in range(200))


def test_the_connection_is_kept_and_credentials_are_sent(stand_in: StandIn, client_for: Make) -> None:
    client = client_for(auth=("user", "word"), headers={"X-Tenant": "t"})
    predict(client, "a")
    assert client.flush()
    sent = stand_in.requests[0][1]
    assert sent["Authorization"].startswith("Basic ")
    assert sent["X-Tenant"] == "t"
    assert sent["Content-Type"] == names.CONTENT_TYPE_NDJSON


def test_the_account_is_exposed(stand_in: StandIn, client_for: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_for()
    registry = CollectorRegistry()
    monkeypatch.setattr("plumbline.client.client.COLLECTOR", ClientCollector())
    registry.register(client.collector())
    predict(client, "a", "b")
    client.send({})
    assert client.flush()
    page = generate_latest(registry).decode()
    assert "plumbline_client_created_events_total 3.0" in page
    assert 'plumbline_client_events_total{result="sent"} 2.0' in page
    assert 'plumbline_client_events_total{result="invalid"} 1.0' in page
    for reason in names.CLIENT_DROP_REASONS:
        assert f'result="{reason}"' in page
    exposed = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert exposed == {m.name for m in names.METRICS.values() if m.group == "Client"}


def test_clients_of_one_process_share_a_collector_in_any_registry(stand_in: StandIn, client_for: Make) -> None:
    registry, other = CollectorRegistry(), CollectorRegistry()
    first, second = client_for(), client_for()
    before = created(first.collector())
    for client in (first, second):
        registry.register(client.collector())
    other.register(second.collector())
    predict(first, "a")
    predict(second, "b", "c")
    first.close()  # a counter must not fall
    assert created(second.collector()) == before + 3
    for page in (generate_latest(registry).decode(), generate_latest(other).decode()):
        assert page.count("# TYPE plumbline_client_created_events_total counter") == 1
        assert list(text_string_to_metric_families(page))


def created(collector: Collector) -> float:
    return next(iter(collector.collect())).samples[0].value


def test_importing_plumbline_does_not_import_the_client() -> None:
    code = "import sys, plumbline; assert 'requests' not in sys.modules and 'msgspec' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, plumbline; plumbline.Client; assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# In a fresh process: the modules that a service must not pay for, and the peak of its resident memory in MiB.
LIGHT = """
import json, sys, plumbline
client = plumbline.Client(sys.argv[1], spool_dir=sys.argv[2], durable=True)
client.prediction(request_id="r", model="m", version="1", features={"x": 1}, prediction=1)
assert client.flush(20)
peak = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([sorted({name.partition(".")[0] for name in sys.modules}), peak]))
"""


def test_a_service_pays_for_the_client_and_not_for_the_rest_of_plumbline(stand_in: StandIn, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIGHT, stand_in.url, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    modules, peak = json.loads(done.stdout)
    heavy = {"numpy", "starlette", "pydantic", "grafana_foundation_sdk", "structlog", "rich", "yaml", "psutil"}
    assert not heavy & set(modules)
    assert peak < 36


def test_no_thread_to_be_had_is_no_error(client_for: Make, monkeypatch: pytest.MonkeyPatch, stand_in: StandIn) -> None:
    client = client_for()

    def none(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        predict(client, "a")
    assert client.stats().queued == 1
    predict(client, "b")
    assert client.flush()
    assert stand_in.ids() == ["a", "b"]
    assert logging.getLogger("plumbline.client").level == 0
