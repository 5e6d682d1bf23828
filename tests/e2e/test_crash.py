"""kill -9 of the exporter in mid-stream, seen from a client that resends and from a real Prometheus."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import pytest
import requests

from plumbline.servers import free_port
from support.scenery import (
    Exporter,
    build_baselines,
    counters,
    events,
    ndjson,
    post_until_answered,
    prometheus_for,
    rows,
    write_catalogue,
)
from support.servers import wait_for

pytestmark = pytest.mark.e2e


def test_no_counter_falls_and_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    rng = random.Random(3)
    port = free_port()
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", port)
    build_baselines(catalogue, tmp_path, rows(1500, 1))
    live = rows(3000, 4)
    stream = events(live, time.time())
    rng.shuffle(stream)
    batches = [stream[at : at + 60] for at in range(0, len(stream), 60)]
    exporter = Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", tmp_path / "data", port)
    seen: dict[str, float] = {}
    falls: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            try:
                for name, value in counters(exporter.url).items():
                    if value < seen.get(name, 0.0):
                        falls.append(f"{name}: {seen[name]} -> {value}")
                    seen[name] = value
            except requests.RequestException:
                pass
            time.sleep(0.02)

    kills = 0
    with prometheus_for(catalogue, tmp_path) as prometheus:
        exporter.start()
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            deadline = time.monotonic() + 120

            def killer() -> None:
                nonlocal kills
                for _ in range(4):
                    time.sleep(rng.uniform(0.1, 0.5))
                    if done.is_set():
                        return
                    assert exporter.process is not None
                    exporter.process.send_signal(signal.SIGKILL)
                    exporter.process.wait()
                    kills += 1
                    exporter.start()

            reaper = threading.Thread(target=killer)
            reaper.start()
            for batch in batches:
                post_until_answered(exporter.url, ndjson(batch), deadline)
                time.sleep(0.01)
            reaper.join()
            expected = 2 * len(live)
            wait_for(
                lambda: (
                    sum(v for k, v in counters(exporter.url).items() if k.startswith("ml_outcomes_matured")) == expected
                ),
                name="all outcomes mature",
            )
            final = counters(exporter.url)
            wait_for(lambda: prometheus.value("sum(ml_outcomes_matured_total)") == expected, name="the last scrape")
            assert prometheus.value("sum(resets(ml_predictions_total[5m]))") == 0
        finally:
            done.set()
            watcher.join()
            exporter.stop()
    assert kills >= 3
    assert falls == []

    def total(prefix: str) -> float:
        return sum(v for k, v in final.items() if k.startswith(prefix))

    assert total("ml_predictions_total") == expected
    assert total("ml_confusion_total") == len(live)
    assert total("ml_regression_total") == len(live)
    assert total("plumbline_events_total") == len(stream)
    assert total("plumbline_events_rejected_total") == 0
    stored_or_again = total("plumbline_events_total") + total("plumbline_events_duplicate_total")
    assert total("plumbline_lines_total") == stored_or_again
