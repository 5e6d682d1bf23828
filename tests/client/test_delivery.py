"""Batches on their way to an exporter that fails in every way: order, pauses, splitting, the exact account."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline import Client
from plumbline.client.post import _retry_after
from support.exporter_stand_in import StandIn, names_of, predict
from support.search import examples

Make = Callable[..., Client]


@pytest.mark.parametrize(
    "fault", ["cut", "partial", "reset", "html", (503, {}), (429, {}), (500, {}), (302, {"Location": "/x"})]
)
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


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 0), ("7", 7), (" 0 ", 0), ("99999", 300), ("soon", 0), ("-1", 0), ("1.5", 0), ("", 0), ("9" * 5000, 0)],
)
def test_seconds_of_retry_after_are_bounded_and_nonsense_is_none(value: str | None, seconds: float) -> None:
    assert _retry_after(value) == seconds


def test_a_date_of_retry_after_is_seconds_from_now() -> None:
    assert 28 <= _retry_after(email.utils.formatdate(time.time() + 30, usegmt=True)) <= 30
    assert _retry_after(email.utils.formatdate(time.time() - 30, usegmt=True)) == 0


def test_pauses_grow(stand_in: StandIn, client_for: Make) -> None:
    stand_in.faults = [(503, {})] * 5
    client = client_for(backoff=0.05)
    predict(client, "a")
    assert client.flush(10)
    times = [at for at, _ in stand_in.requests]
    pauses = np.diff(times)
    assert pauses[4] >= 0.4
    assert pauses[0] > 0.02
    assert min(pauses[:2]) < 0.2  # one of them: the machine may be slow now and then


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
    end = time.monotonic() + 60
    while client.stats().spooled < 300 and time.monotonic() < end:
        time.sleep(0.01)
    assert client.stats().spooled >= 300
    assert client.stats().dropped["queue_full"] == 0
    stand_in.down = None
    stand_in.release.set()
    assert client.flush(10)
    assert stand_in.first_ids() == names_of(400)


FAULTS = st.sampled_from(["ok", "cut", "partial", "reset", "html", (503, {}), (413, {}), (400, {})])


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(FAULTS, max_size=8),
    count=st.integers(0, 80),
    reject=st.booleans(),
    spool=st.sampled_from(["none", "spool", "durable"]),
    queue=st.sampled_from([10, 1000]),
    batch=st.sampled_from([1, 7, 500]),
    patient=st.booleans(),
)
def test_the_account_is_exact_under_random_faults(
    faults: list[Any],
    count: int,
    reject: bool,
    spool: str,
    queue: int,
    batch: int,
    patient: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    stand_in = StandIn()
    try:
        stand_in.faults = list(faults)
        if reject:
            stand_in.reject = lambda event: int(event["request_id"][1:]) % 5 == 0
        client = Client(
            stand_in.url,
            linger=0.001,
            backoff=0.002,
            timeout=(1.0, 1.0),
            fsync=False,
            queue_events=queue,
            batch_events=batch,
            spool_dir=None if spool == "none" else tmp_path_factory.mktemp("s"),
            durable=spool == "durable",
        )
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
