"""Log files of two services, followed to a real exporter through kill -9, and what the trace shows of them."""

from __future__ import annotations

import io
import json
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plumbline.logging import IdFilter, JsonFormatter, Resource, bind
from plumbline.servers import free_port
from support.scenery import Exporter, build_baselines, counters, rows, write_catalogue
from support.servers import wait_for

pytestmark = pytest.mark.e2e


def log_line(service: str, request: str, message: str) -> str:
    """What ``plumbline.logging`` writes in a service."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter(Resource(service)))
    handler.addFilter(IdFilter())
    record = logging.LogRecord(f"{service}.http", logging.WARNING, "app.py", 1, message, (), None)
    with bind(request_id=request):
        handler.handle(record)
    return written.getvalue()


def test_a_request_that_crossed_two_services_is_whole_in_its_trace(tmp_path: Path) -> None:
    port = free_port()
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", port)
    build_baselines(catalogue, tmp_path, rows(500, 1))
    gateway, scorer = tmp_path / "gateway.log", tmp_path / "scorer.log"
    command = [
        sys.executable,
        "-m",
        "plumbline.cli.main",
        "ingest",
        "--follow",
        str(gateway),
        str(scorer),
        "--checkpoint",
        str(tmp_path / "checkpoint"),
        "--url",
        f"http://127.0.0.1:{port}",
        "--rotate-wait",
        "100ms",
    ]
    exporter = Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", tmp_path / "data", port)
    follower = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with exporter:
            for number in range(200):
                request = f"r{number}"
                with gateway.open("a") as file:
                    file.write(log_line("gateway", request, f"asked for {request}"))
                    file.write("a line of another library\n")
                with scorer.open("a") as file:
                    file.write(log_line("scorer", request, "features were late"))
                    prediction = {
                        "type": "prediction",
                        "request_id": request,
                        "model": "late",
                        "version": "1",
                        "ts": time.time(),
                        "features": {"x": 0.5, "c": "a"},
                        "prediction": 1,
                        "score": 0.7,
                    }
                    file.write(json.dumps(prediction) + "\n")
                if number == 80:
                    wait_for(lambda: counters(exporter.url).get('plumbline_events_total{kind="prediction"}', 0) > 0)
                    follower.send_signal(signal.SIGKILL)
                    follower.wait()
                    scorer.rename(tmp_path / "scorer.log.1")
                    follower = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            wait_for(lambda: counters(exporter.url).get('plumbline_events_total{kind="log"}') == 400, name="all lines")
            found = counters(exporter.url)
            assert sum(v for k, v in found.items() if k.startswith("ml_predictions_total")) == 200
            assert sum(v for k, v in found.items() if k.startswith("plumbline_events_rejected_total")) == 0
            shown = subprocess.run(
                [sys.executable, "-m", "plumbline.cli.main", "trace", "r81", "--json", "--url", exporter.url],
                capture_output=True,
                text=True,
                check=True,
            )
    finally:
        follower.terminate()
        follower.wait()
    trace = json.loads(shown.stdout)
    assert trace["predictions"][0]["model"] == "late"
    assert {(line["service"], line["message"]) for line in trace["logs"]} == {
        ("gateway", "asked for r81"),
        ("scorer", "features were late"),
    }
