"""A durable client: what a call has returned for survives kill -9, and a failing disk harms no prediction."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline import Client
from plumbline.errors import UsageError
from support.exporter_stand_in import StandIn, predict
from support.search import examples

Make = Callable[..., Client]

# Tells each id after its call has returned, in a file: what was written survives kill -9.
SERVICE = """
import os, sys
from plumbline import Client
url, spool, told, prefix = sys.argv[1:]
client = Client(url, spool_dir=spool, durable=True, backoff=0.05, linger=0.01)
out = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in range(10**9):
    client.prediction(request_id=f"{prefix}{number}", model="m", version="1", features={"x": 1}, prediction=1)
    os.write(out, f"{prefix}{number}\\n".encode())
"""


# A signal comes in the middle of each write to the spool, and its handler has something to say too.
INTERRUPTED = """
import os, signal, sys, threading
from plumbline import Client
url, spool = sys.argv[1:]
client = Client(url, spool_dir=spool, durable=True, linger=0.01)
handling = []
def tell(name):
    client.prediction(request_id=name, model="m", version="1", features={"x": 1}, prediction=1)
def handler(number, frame):
    if not handling:
        handling.append(1)
        tell(f"signal{round}")
        handling.clear()
def write(descriptor, data, real=os.write):
    if threading.current_thread() is threading.main_thread():
        signal.raise_signal(signal.SIGUSR1)
    return real(descriptor, data)
signal.signal(signal.SIGUSR1, handler)
os.write = write
for round in range(20):
    tell(f"main{round}")
assert client.flush(20)
stats = client.stats()
assert stats.balanced and stats.created == stats.sent == 40, stats
client.close()
"""


def service(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SERVICE, *map(str, arguments)])


def wait_until(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_signal_handler_that_sends_in_the_middle_of_an_event_does_not_hang_the_service(
    stand_in: StandIn, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", INTERRUPTED, stand_in.url, tmp_path / "spool"], check=True, timeout=30)
    expected = {f"{by}{round_}" for by in ("main", "signal") for round_ in range(20)}
    assert set(stand_in.ids()) == expected


def test_it_needs_a_folder() -> None:
    with pytest.raises(UsageError, match="spool_dir"):
        Client(durable=True)


@pytest.mark.parametrize("down", ["hang", (503, {}), None])
def test_what_a_call_returned_for_survives_kill_9(
    stand_in: StandIn, client_for: Make, tmp_path: Path, down: Any
) -> None:
    """However the exporter was meanwhile; the memory's queue would lose it, the hanging case most of all."""
    stand_in.down = down
    told = tmp_path / "told"
    rng = random.Random(str(down))
    for life in range(2):
        process = service(stand_in.url, tmp_path / "spool", told, f"life{life}-")
        try:
            wait_until(lambda life=life: told.exists() and f"life{life}-10\n" in told.read_text())
            time.sleep(rng.uniform(0, 0.2))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    stand_in.down = None
    stand_in.release.set()
    acknowledged = told.read_text().split()
    heir = client_for(spool_dir=tmp_path / "spool", durable=True)
    wait_until(lambda: set(stand_in.ids()) >= set(acknowledged))
    assert heir.flush(10)
    # One call of each life may have been written and not told.
    assert len(set(stand_in.ids())) - len(acknowledged) <= 2
    stand_in.assert_resends_are_identical()
    stats = heir.stats()
    assert stats.created == stats.adopted == stats.sent
    assert sum(stats.dropped.values()) == 0


def test_events_are_on_disk_when_the_call_returns_and_leave_it_in_order(
    stand_in: StandIn, client_for: Make, tmp_path: Path
) -> None:
    stand_in.down = (503, {})
    client = client_for(spool_dir=tmp_path, durable=True, linger=60)
    for number in range(30):
        predict(client, f"r{number}")
        stats = client.stats()
        assert (stats.spooled, stats.queued) == (number + 1, 0)
        assert sum(path.read_bytes().count(b'"prediction"') for path in tmp_path.rglob("*.seg")) >= number + 1
    stand_in.down = None
    assert client.flush()
    assert stand_in.first_ids() == [f"r{n}" for n in range(30)]
    client.close()
    assert list(tmp_path.iterdir()) == []


def test_new_events_linger_to_share_a_request(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    client = client_for(spool_dir=tmp_path, durable=True, linger=0.3)
    predict(client, *[f"r{n}" for n in range(50)])
    wait_until(lambda: client.stats().sent == 50)
    assert len(stand_in.batches) <= 3


def test_threads_lose_nothing_and_keep_their_own_order(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.faults = ["ok", (503, {}), "cut", "ok", "reset"]
    client = client_for(spool_dir=tmp_path, durable=True, linger=0.001)

    def work(name: str) -> None:
        for number in range(300):
            predict(client, f"{name}-{number}")

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(15)
    seen = stand_in.first_ids()
    for n in range(6):
        assert [i for i in seen if i.startswith(f"{n}-")] == [f"{n}-{k}" for k in range(300)]
    stats = client.stats()
    assert (stats.created, stats.sent) == (1800, 1800)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_folder_of_its_own_and_may_be_killed(
    stand_in: StandIn, client_for: Make, tmp_path: Path
) -> None:
    stand_in.down = (503, {})
    client = client_for(spool_dir=tmp_path, durable=True)
    predict(client, "parent0")
    child = os.fork()
    if child == 0:
        try:
            predict(client, "child0", "child1")
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    predict(client, "parent1")
    stand_in.down = None
    assert client.flush(10)
    assert stand_in.first_ids() == ["parent0", "parent1"]
    heir = client_for(spool_dir=tmp_path, durable=True)
    wait_until(lambda: heir.stats().sent == 2)
    assert stand_in.first_ids()[2:] == ["child0", "child1"]


def test_beyond_its_bound_the_oldest_go_and_are_counted(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = (503, {})
    client = client_for(spool_dir=tmp_path, durable=True, spool_bytes=8 * 1024 * 1024)
    big = "x" * 100_000
    for number in range(150):
        client.prediction(request_id=f"r{number}", model="m", version="1", features={"x": big}, prediction=1)
    stats = client.stats()
    assert stats.created == 150
    assert stats.balanced
    assert stats.dropped["spool_full"] > 50
    stand_in.down = None
    assert client.flush(20)
    assert len(stand_in.first_ids()) == client.stats().sent == 150 - client.stats().dropped["spool_full"]
    assert stand_in.first_ids()[-1] == "r149"


class FailingDisk:
    """Makes calls to the disk fail now and then, from any thread; what the network needs is left alone."""

    def __init__(self, patch: pytest.MonkeyPatch, seed: int, share: float) -> None:
        self.share = share
        self.failed = 0
        self._rng = random.Random(seed)
        for name in ("write", "open", "fsync", "ftruncate", "unlink"):
            patch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *more: Any, **options: Any) -> Any:
            if self._rng.random() < self.share:
                self.failed += 1
                if name == "write" and self._rng.random() < 0.5:
                    real(first, more[0][: len(more[0]) // 2])  # what a full disk does: half of it is there
                raise OSError(self._rng.choice([errno.ENOSPC, errno.EIO, errno.EMFILE]), "planted")
            return real(first, *more, **options)

        return call


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.02, 0.3, 1.0]),
    durable=st.booleans(),
    faults=st.lists(st.sampled_from(["ok", "cut", "reset", (503, {})]), max_size=5),
)
def test_a_disk_that_fails_at_random_harms_no_prediction_and_the_account_stays_exact(
    seed: int,
    share: float,
    durable: bool,
    faults: list[Any],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in = StandIn()
    monkeypatch.setattr("plumbline.client.disk._RETRY", 0.01)
    try:
        stand_in.faults = list(faults)
        client = Client(
            stand_in.url,
            linger=0.001,
            backoff=0.002,
            timeout=(1.0, 1.0),
            durable=durable,
            spool_dir=tmp_path_factory.mktemp("s"),
        )
        with monkeypatch.context() as patch:
            disk = FailingDisk(patch, seed, share)
            for number in range(120):
                predict(client, f"r{number}")
                if number % 10 == 0:
                    assert client.stats().balanced
                    time.sleep(0.002)
            client.flush(0.2)
        stats = client.stats()
        assert stats.balanced
        assert stats.created == 120
        assert client.flush(10)  # the disk works again: everything goes out
        stats = client.stats()
        assert stats.sent + sum(stats.dropped.values()) == 120
        assert len(set(stand_in.ids())) >= stats.sent
        # Nothing but what the disk itself destroyed may be missing, and it is counted.
        assert set(stats.dropped) - {k for k, v in stats.dropped.items() if v == 0} <= {"spool_damaged"}
        assert disk.failed or share < 1 or not durable  # a busy machine may open the spool before, and need it never
        stand_in.assert_resends_are_identical()
        client.close()
    finally:
        stand_in.stop()


def test_a_torn_tail_and_a_flipped_byte_cost_what_they_hit_and_no_more(
    stand_in: StandIn, client_for: Make, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    stand_in.down = "hang"
    process = service(stand_in.url, tmp_path / "spool", told, "r")
    try:
        wait_until(lambda: told.exists() and "r500\n" in told.read_text())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    acknowledged = told.read_text().split()
    # The last one may have been opened just before the kill, and be empty.
    last = [path for path in sorted((tmp_path / "spool").rglob("*.seg")) if path.stat().st_size][-1]
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 0x04
    last.write_bytes(data + data[:7])  # the beginning of a frame that was never finished
    stand_in.down = None
    stand_in.release.set()
    heir = client_for(spool_dir=tmp_path / "spool", durable=True)
    wait_until(lambda: heir.stats().created > 0 and heir.stats().spooled == 0)
    stats = heir.stats()
    assert stats.dropped["spool_damaged"] == 1
    assert len(set(acknowledged) - set(stand_in.ids())) <= 1
    assert stats.created == stats.sent + 1
