"""The real scraper, stricter than the parsers written in Python, reads a page full of hostile labels."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from plumbline import names
from plumbline.expose.block import Block, Exemplar

LABELS = [('a"b', "c\\d"), ("e\nf", "\r\x00\u2028"), ("{}", '="#'), ("%s%d", "\U0001f600 \ud800")]


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_prometheus_scrapes_hostile_labels_and_exemplars(
    start: Callable[..., Any], engine: Any, tmp_path: Path
) -> None:
    counts = np.ones((len(LABELS), len(names.PREDICTION_LATENCY.buckets) + 1))
    exemplars = {(row, 3): Exemplar({"request_id": LABELS[row][0]}, 0.008, time.time()) for row in range(4)}
    blocks = [
        Block(names.PREDICTION_LATENCY, "l", 1, tuple(LABELS), counts, np.full(4, 0.1), exemplars),
        Block(names.PREDICTIONS, "p", 1, tuple(LABELS), np.array([1.0, 2.5, 1e300, 2.0**60])),
        Block(names.BASELINE_ROWS, "b", 1, tuple(LABELS), np.array([np.nan, np.inf, -np.inf, -0.5])),
    ]
    engine.blocks = lambda: blocks
    server = start()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    target = server.url.removeprefix("http://")
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "p", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/api/v1"
        found: dict[tuple[str, str], float] = {}
        end = time.monotonic() + 60
        while len(found) < len(LABELS):
            assert time.monotonic() < end, requests.get(f"{url}/targets", timeout=10).text
            time.sleep(0.3)
            try:
                answer = requests.get(f"{url}/query", params={"query": "ml_predictions_total"}, timeout=10)
                result = answer.json()["data"]["result"] if answer.ok else []
            except requests.ConnectionError:  # not listening yet
                continue
            found = {(r["metric"]["model"], r["metric"]["version"]): float(r["value"][1]) for r in result}
        assert found == dict(zip([*LABELS[:3], ("%s%d", "\U0001f600 ?")], [1.0, 2.5, 1e300, 2.0**60], strict=True))
        query = {"query": "ml_prediction_latency_seconds_bucket", "start": "0", "end": "4102444800"}
        shown = requests.get(f"{url}/query_exemplars", params=query, timeout=10).json()["data"]
        ids = {e["labels"]["request_id"] for series in shown for e in series["exemplars"]}
        # 2.42 stores an exemplar's label as it is written, without undoing the escapes.
        plain = {i.replace("\\n", "\n").replace('\\"', '"') for i in ids}
        assert plain == {labels[0] for labels in LABELS}
    finally:
        process.terminate()
        process.wait(30)
