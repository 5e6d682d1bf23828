from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from exporter_stand_in import StandIn, predict
from plumbline import Client, names
from plumbline.errors import InvalidEvent, UsageError
from plumbline.logging import bind

Make = Callable[..., Client]


def names_of(count: int, prefix: str = "r") -> list[str]:
    return [f"{prefix}{i}" for i in range(count)]


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
    features: dict[str, Any] = {"a": np.float64(1.5), "b": np.int32(2), "c": np.bool_(True), "d": float("nan"),
                                "e": float("inf"), "f": "x\r\n\0\u2028\ud800"}  # fmt: skip
    client.prediction(request_id="r", model="m", version="1", features=features, prediction=np.float32(0.5))
    features["a"] = 99
    assert client.flush()
    assert json.loads(stand_in.lines[0])["features"] == {
        "a": 1.5, "b": 2, "c": True, "d": None, "e": None, "f": "x\r\n\0\u2028\ufffd",
    }  # fmt: skip


class Hostile:
    def __iter__(self) -> Any:
        raise ZeroDivisionError

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


@pytest.mark.parametrize(
    "event",
    [
        {}, {"type": "nonsense"}, {"type": "prediction"}, {"type": []}, {"type": "log", "level": 1, "message": "m"},
        {"type": "kpi", "model": "m", "version": "1", "kpi": "k", "value": object()},
        {"type": "log", "level": "INFO", "message": "m", "fields": {"x": Hostile()}},
        {"type": "outcome", "request_id": "a\nb", "actual": 1}, None, Hostile(), 5,
        {"type": "log", "level": "INFO", "message": "x" * 2_000_000},
    ],
    ids=lambda event: type(event).__name__,
)  # fmt: skip
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


@pytest.mark.parametrize("fault", ["cut", "partial", "reset", "html", (503, {}), (429, {}), (500, {}), (302, {"Location": "/x"})])
def test_after_any_fault_everything_arrives_in_order_and_resends_are_identical(
    fault: Any, stand_in: StandIn, client_for: Make, tmp_path: Path
) -> None:
    stand_in.faults = [fault, fault]
    client = client_for(spool_dir=tmp_path)
    for number in range(60):
        predict(client, f"r{number}")
        time.sleep(0.001)
    assert client.flush(10)
    assert stand_in.first_ids() == names_of(60)
    stand_in.assert_resends_are_identical()
    stats = client.stats()
    assert (stats.sent, stats.queued, stats.spooled) == (60, 0, 0)
    assert len(stand_in.requests) > 2


def test_retry_after_is_honoured(stand_in: StandIn, client_for: Make) -> None:
    stand_in.faults = [(503, {"Retry-After": "1"})]
    client = client_for()
    predict(client, "a")
    assert client.flush(5)
    assert stand_in.requests[1][0] - stand_in.requests[0][0] >= 1.0


def test_pauses_grow(stand_in: StandIn, client_for: Make) -> None:
    stand_in.faults = [(503, {})] * 5
    client = client_for(backoff=0.05)
    predict(client, "a")
    assert client.flush(10)
    times = [at for at, _ in stand_in.requests]
    assert times[5] - times[4] >= 0.4
    assert times[5] - times[4] > 2 * (times[1] - times[0]) > 0.04


def test_a_rejected_line_is_counted_and_the_rest_is_sent(
    stand_in: StandIn, client_for: Make, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.reject = lambda event: event["request_id"] == "bad"
    client = client_for(linger=0.2)
    predict(client, "a", "bad", "b", "bad")
    assert client.flush()
    stats = client.stats()
    assert (stats.sent, stats.dropped["rejected"]) == (2, 2)
    assert stand_in.ids() == ["a", "b"]
    assert "bad_field: planted" in caplog.text


@pytest.mark.parametrize("spooled", [False, True])
def test_a_batch_that_is_too_large_is_split(stand_in: StandIn, client_for: Make, tmp_path: Path, spooled: bool) -> None:
    stand_in.max_lines = 7
    client = client_for(linger=0.05, spool_dir=tmp_path if spooled else None)
    predict(client, *names_of(100))
    assert client.flush(10)
    assert stand_in.ids() == names_of(100)
    assert max(map(len, stand_in.batches)) <= 7


def test_a_single_event_that_is_too_large_is_dropped_and_does_not_block(stand_in: StandIn, client_for: Make) -> None:
    stand_in.faults = [(413, {})]
    client = client_for(batch_events=1)
    predict(client, "a", "b")
    assert client.flush()
    assert client.stats().dropped["too_large"] == 1
    assert stand_in.ids() == ["b"]


def test_a_hanging_exporter_never_holds_up_the_caller(stand_in: StandIn, client_for: Make) -> None:
    stand_in.down = "hang"
    client = client_for(queue_events=50, timeout=(1.0, 30.0))
    slowest = 0.0
    for name in names_of(500):
        start = time.perf_counter()
        predict(client, name)
        slowest = max(slowest, time.perf_counter() - start)
    stats = client.stats()
    assert slowest < 5  # who waits for that exporter waits 30 s
    assert stats.dropped["queue_full"] == 450
    assert stats.balanced
    start = time.perf_counter()
    assert not client.flush(0.2)
    client.close(0.3)
    assert time.perf_counter() - start < 10
    assert client.stats().dropped["closed"] == 50


def test_behind_a_hanging_exporter_the_queue_moves_to_disk(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = "hang"
    client = client_for(queue_events=50, timeout=(1.0, 30.0), spool_dir=tmp_path)
    for name in names_of(400):
        predict(client, name)
        time.sleep(0.0005)
    end = time.monotonic() + 5
    while client.stats().spooled < 300 and time.monotonic() < end:
        time.sleep(0.01)
    assert client.stats().spooled >= 300
    assert client.stats().dropped["queue_full"] == 0
    stand_in.down = None
    stand_in.release.set()
    assert client.flush(10)
    assert stand_in.first_ids() == names_of(400)


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


def test_the_next_client_adopts_what_the_last_left_on_disk(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = (503, {})
    first = client_for(spool_dir=tmp_path)
    predict(first, *names_of(30, "old"))
    first.close(0.2)
    left = first.stats()
    assert (left.spooled, left.queued, left.sent) == (30, 0, 0)
    stand_in.down = None
    second = client_for(spool_dir=tmp_path)
    predict(second, "new")
    assert second.flush()
    assert stand_in.ids() == [*names_of(30, "old"), "new"]
    stats = second.stats()
    assert (stats.created, stats.adopted, stats.sent) == (31, 30, 31)


def test_an_unwritable_spool_folder_costs_nothing_but_the_spool(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    client = client_for(spool_dir=tmp_path / "file" / "spool")
    predict(client, "a")
    assert client.flush()
    assert stand_in.ids() == ["a"]


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


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_client_of_its_own(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = (503, {})
    client = client_for(spool_dir=tmp_path)
    predict(client, *names_of(20, "parent"))
    end = time.monotonic() + 5
    while client.stats().spooled < 20 and time.monotonic() < end:
        time.sleep(0.01)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            empty = client.stats().created == 0
            stand_in.down = None
            predict(client, *names_of(5, "child"))
            client.close(0.3)
            os.write(write, json.dumps([empty, client.stats().spooled, client.stats().created]).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert json.loads(os.read(read, 1000)) == [True, 5, 5]
    os.close(read)
    stand_in.down = None
    assert client.flush(10)
    assert stand_in.first_ids() == names_of(20, "parent")
    heir = client_for(spool_dir=tmp_path)  # takes what the child left; the parent's folder is locked
    assert heir.flush(10) or heir.stats().adopted == 5
    end = time.monotonic() + 5
    while heir.stats().sent < 5 and time.monotonic() < end:
        time.sleep(0.01)
    assert stand_in.first_ids()[20:] == names_of(5, "child")


SCRIPT = """
import sys, time
from plumbline import Client
client = Client(sys.argv[1], spool_dir=sys.argv[2], backoff=0.05, linger=0.01, close_timeout=float(sys.argv[5]))
for number in range(int(sys.argv[4])):
    client.prediction(request_id=f"{sys.argv[3]}{number}", model="m", version="1", features={"x": 1}, prediction=1)
print("made", flush=True)
if sys.argv[6:] == ["wait"]:
    time.sleep(60)
"""


def start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, arguments)], stdout=subprocess.PIPE)


def test_the_end_of_a_process_flushes(stand_in: StandIn, tmp_path: Path) -> None:
    process = start(stand_in.url, tmp_path, "r", 700, 10)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert stand_in.first_ids() == names_of(700)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_on_one_root_do_not_share_a_spool(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = (503, {})

    def spooled() -> int:
        return sum(path.read_bytes().count(b'"request_id"') for path in tmp_path.glob("[!.]*/*.seg"))

    both = [start(stand_in.url, tmp_path, prefix, 100, 0.3, "wait") for prefix in "ab"]
    try:
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == b"made\n"
        end = time.monotonic() + 30
        # Not the hidden folder that a client is just making: it may vanish while it is read.
        while len(list(tmp_path.glob("[!.]*/*.seg"))) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        assert len({path.parent for path in tmp_path.glob("[!.]*/*.seg")}) == 2
        late = client_for(spool_dir=tmp_path)
        predict(late, "mine")
        time.sleep(0.3)
        assert late.stats().adopted == 0
        while spooled() < 201 and time.monotonic() < end:
            time.sleep(0.02)
        assert spooled() == 201
    finally:
        for process in both:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    late.close(0.1)
    stand_in.down = None
    heir = client_for(spool_dir=tmp_path)
    end = time.monotonic() + 10
    while heir.stats().sent < 201 and time.monotonic() < end:
        time.sleep(0.02)
    assert sorted(stand_in.first_ids()) == sorted([*names_of(100, "a"), *names_of(100, "b"), "mine"])


FAULTS = st.sampled_from(["ok", "cut", "partial", "reset", "html", (503, {}), (413, {}), (400, {})])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(FAULTS, max_size=8), count=st.integers(0, 80), reject=st.booleans(),
    spool=st.sampled_from(["none", "spool", "durable"]),
    queue=st.sampled_from([10, 1000]), batch=st.sampled_from([1, 7, 500]), patient=st.booleans(),
)  # fmt: skip
def test_the_account_is_exact_under_random_faults(
    faults: list[Any], count: int, reject: bool, spool: str, queue: int, batch: int, patient: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    stand_in = StandIn()
    try:
        stand_in.faults = list(faults)
        if reject:
            stand_in.reject = lambda event: int(event["request_id"][1:]) % 5 == 0
        client = Client(
            stand_in.url, linger=0.001, backoff=0.002, timeout=(1.0, 1.0), fsync=False, queue_events=queue,
            batch_events=batch, spool_dir=None if spool == "none" else tmp_path_factory.mktemp("s"),
            durable=spool == "durable",
        )  # fmt: skip
        for number in range(count):
            predict(client, f"r{number}")
            if number % 10 == 0:
                assert client.stats().balanced
        if patient:
            client.flush(10)
        client.close(0.05)
        stats = client.stats()
        assert stats.balanced
        assert (stats.created, stats.queued) == (count, 0)
        stored = len(set(stand_in.ids()))
        # An answer that was cut off may hide events that are stored; none counts as sent that is not.
        assert stats.sent <= stored
        if patient:
            # An event that was stored, but not answered, and is then refused as too large, counts as dropped.
            assert stats.sent <= stored <= stats.sent + stats.dropped["too_large"]
            assert stats.sent + sum(stats.dropped.values()) == count
        stand_in.assert_resends_are_identical()
    finally:
        stand_in.stop()


def test_the_account_is_exposed(stand_in: StandIn, client_for: Make) -> None:
    client = client_for()
    registry = CollectorRegistry()
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


def test_importing_plumbline_does_not_import_the_client() -> None:
    code = "import sys, plumbline; assert 'requests' not in sys.modules and 'msgspec' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


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
