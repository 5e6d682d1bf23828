"""kill -9 of the exporter and crashes of its PostgreSQL in mid-stream, seen from a client that resends."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest

from plumbline.servers import free_port
from support.postgres import Postgres
from support.scenery import (
    Exporter,
    build_baselines,
    counters,
    events,
    ndjson,
    post_until_answered,
    rows,
    write_catalogue,
)
from support.servers import plumbline, wait_for

pytestmark = pytest.mark.e2e


def test_crashes_of_exporter_and_database_lose_nothing_and_count_nothing_twice(
    postgres: Postgres, tmp_path: Path
) -> None:
    rng = random.Random(5)
    port = free_port()
    url = postgres.new_database()
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", port)
    build_baselines(catalogue, tmp_path, rows(1500, 1))
    live = rows(1500, 4)
    stream = events(live, time.time())
    rng.shuffle(stream)
    batches = [stream[at : at + 60] for at in range(0, len(stream), 60)]
    baselines = tmp_path / "baselines"
    exporter = Exporter(tmp_path / "plumbline.yaml", baselines, tmp_path / "data", port, "--store", url)
    failures: list[BaseException] = []
    faults = 0
    over = threading.Event()

    def disturb() -> None:
        nonlocal faults
        try:
            while faults < 6 and not over.is_set():
                time.sleep(rng.uniform(0.1, 0.4))
                if faults % 2:
                    postgres.stop("immediate")
                    time.sleep(rng.uniform(0, 0.3))
                    postgres.start()
                else:
                    assert exporter.process is not None
                    exporter.process.send_signal(signal.SIGKILL)
                    exporter.process.wait()
                    exporter.start()
                faults += 1
        except BaseException as error:  # a thread's failure must fail the test  # noqa: BLE001
            failures.append(error)

    exporter.start()
    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        deadline = time.monotonic() + 120
        for batch in batches:
            post_until_answered(exporter.url, ndjson(batch), deadline)
            time.sleep(0.03)
        disturber.join()
        assert failures == []
        wait_for(
            lambda: (
                sum(v for k, v in counters(exporter.url).items() if k.startswith("ml_outcomes_matured"))
                == 2 * len(live)
            ),
            name="all outcomes mature",
        )
        final = counters(exporter.url)
    finally:
        over.set()
        disturber.join()
        exporter.stop()
    assert faults >= 4
    totals = {
        prefix: sum(v for k, v in final.items() if k.startswith(prefix))
        for prefix in ("ml_predictions_total", "ml_confusion_total", "plumbline_events_total")
    }
    assert totals == {
        "ml_predictions_total": 2 * len(live),
        "ml_confusion_total": len(live),
        "plumbline_events_total": len(stream),
    }
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*), count(DISTINCT identity) FROM plumbline.events").fetchone() == (
            len(stream),
            len(stream),
        )
    request = next(event["request_id"] for event in stream if event["type"] == "prediction")
    shown = subprocess.run(
        plumbline("trace", request, "--store", url, "--baselines", baselines),
        capture_output=True,
        text=True,
        check=True,
    )
    assert request in shown.stdout
