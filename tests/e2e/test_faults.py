"""Faults at random points under load: kill -9 of the service, of the exporter, a crash of PostgreSQL.

Seen from the service: no prediction fails or waits. Seen from the store: every event whose call returned is
there, once, and the counters say the same.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psycopg
import pytest

from plumbline import Client
from plumbline.servers import free_port
from plumbline.store.embedded import DATABASE
from support.postgres import Postgres, why_not
from support.scenery import Exporter, build_baselines, counters, rows, write_catalogue
from support.servers import wait_for

pytestmark = pytest.mark.e2e

ROUNDS = int(os.environ.get("PLUMBLINE_FAULT_ROUNDS", "4"))
PATIENCE = 120.0  # seconds: a process may be slow to start on a busy machine, and that is no fault of it
# Each line is told after the calls returned, with the slowest call's seconds; a file survives kill -9.
SERVICE = """
import os, random, sys, time
from plumbline import Client
url, spool, told, life = sys.argv[1:]
client = Client(url, spool_dir=spool, durable=True, backoff=0.05, linger=0.05, timeout=(1.0, 2.0))
out = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
rng = random.Random(life)
for number in range(10**9):
    request = f"{life}-{number}"
    start = time.perf_counter()
    client.prediction(request_id=request, model="late", version="1", features={"x": rng.gauss(0, 1), "c": "a"},
                      prediction=1, score=0.7, latency=0.01)
    client.outcome(request_id=request, actual=rng.randint(0, 1))
    os.write(out, f"{request} {time.perf_counter() - start}\\n".encode())
    if number % 50 == 0:
        stats = client.stats()
        assert stats.balanced and stats.created - stats.adopted == 2 * (number + 1), stats
        assert sum(stats.dropped.values()) == 0, stats
    time.sleep(0.002)
"""


class Service:
    """A service that is killed and started again, each life with request ids of its own."""

    def __init__(self, url: str, spool: Path, told: Path) -> None:
        self._fixed = (url, str(spool), str(told))
        self._told = told
        self.lives = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.lives += 1
        life = f"life{self.lives}"
        self._process = subprocess.Popen([sys.executable, "-c", SERVICE, *self._fixed, life])
        wait_for(
            lambda: self._told.exists() and f"{life}-3 " in self._told.read_text(),
            seconds=PATIENCE,
            name=f"{life} serves",
        )

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, "a prediction failed: the service ended by itself"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def stored_in_folder(data: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(data / DATABASE) as db:
        raws = [row[0] for row in db.execute("SELECT raw FROM events")]
    db.close()
    return [(e["type"], e["request_id"]) for e in map(json.loads, raws)]


def stored_in_postgres(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as db:
        raws = [bytes(row[0]) for row in db.execute("SELECT raw FROM plumbline.events")]
    return [(e["type"], e["request_id"]) for e in map(json.loads, raws)]


def disturb(service: Service, exporter: Exporter, crash: Sequence[Callable[[], None]], rng: random.Random) -> None:
    """Break something at random, round by round; each kind at least once."""

    def kill_service() -> None:
        service.kill()
        service.start()

    def kill_exporter() -> None:
        assert exporter.process is not None
        exporter.process.send_signal(signal.SIGKILL)
        exporter.process.wait()
        time.sleep(rng.uniform(0, 0.3))
        exporter.start()

    kinds = [kill_service, kill_exporter, *crash]
    order = [*kinds, *rng.choices(kinds, k=ROUNDS - len(kinds))]
    rng.shuffle(order)
    for fault in order:
        time.sleep(rng.uniform(0.05, 0.6))
        fault()


@pytest.mark.parametrize("store", ["embedded", "postgres"])
def test_nothing_acknowledged_is_lost_or_counted_twice_and_no_prediction_fails(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = int(os.environ.get("PLUMBLINE_FAULT_SEED", time.time_ns() % 10**6))
    print(f"PLUMBLINE_FAULT_SEED={seed}")  # noqa: T201 - shown when the test fails
    rng = random.Random(seed)
    port = free_port()
    data, spool, told = tmp_path / "data", tmp_path / "spool", tmp_path / "told"
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", port)
    build_baselines(catalogue, tmp_path, rows(1000, 1))
    crash: list[Callable[[], None]] = []
    more: list[str] = []
    url = ""
    if store == "postgres":
        if (reason := why_not()) is not None:
            pytest.skip(reason)
        database: Postgres = request.getfixturevalue("postgres")
        url = database.new_database()
        more = ["--store", url]

        def crash_database() -> None:
            database.stop("immediate")
            time.sleep(rng.uniform(0, 0.3))
            database.start()

        crash = [crash_database]
    exporter = Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", data, port, *more)
    exporter.seconds = PATIENCE
    service = Service(exporter.url, spool, told)
    exporter.start()
    try:
        service.start()
        try:
            disturb(service, exporter, crash, rng)
        finally:
            service.kill()
        heir = Client(exporter.url, spool_dir=spool, durable=True, backoff=0.05)
        wait_for(lambda: not list(spool.glob("[!.]*/*.seg")), name="the spool is sent", seconds=PATIENCE)
        assert heir.flush(30)
        account = heir.stats()
        heir.close()
        tally = Counter(stored_in_folder(data) if store == "embedded" else stored_in_postgres(url))
        answered = [line.split() for line in told.read_text().splitlines()]
        outcomes = sum(kind == "outcome" for kind, _ in tally)
        wait_for(
            lambda: (
                sum(v for k, v in counters(exporter.url).items() if k.startswith("ml_outcomes_matured")) == outcomes
            ),
            name="all outcomes mature",
        )
        final = counters(exporter.url)
    finally:
        exporter.stop()

    assert account.created == account.adopted == account.sent
    assert sum(account.dropped.values()) == 0
    assert set(tally.values()) == {1}, "an event is stored twice"
    for kind in ("prediction", "outcome"):
        stored = {request for k, request in tally if k == kind}
        lost = {request for request, _ in answered} - stored
        assert lost == set()
        # At most one call of each life was cut off before it was told.
        assert len(stored) - len(answered) <= service.lives

    def total(prefix: str) -> float:
        return sum(value for key, value in final.items() if key.startswith(prefix))

    assert total("ml_predictions_total") == len(tally) - outcomes
    assert total("ml_confusion_total") == outcomes
    assert total("plumbline_events_total") == len(tally)
    assert total("plumbline_events_rejected_total") == 0
    seconds = np.array([float(taken) for _, taken in answered])
    print(f"{len(seconds)} requests: median {np.median(seconds):.6f} s, largest {seconds.max():.3f} s")  # noqa: T201
    # Any wait for the exporter or the database would take its timeout of a second at least.
    assert np.quantile(seconds, 0.99) < 0.5
    assert np.median(seconds) < 0.05
