"""Log files of two services, brought to a real exporter by what docs/collectors.md describes.

The sender is killed with SIGKILL, a file is rotated meanwhile, and the exporter restarts.

Collectors run with the configurations of examples/collectors, where they are installed.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.logging import IdFilter, JsonFormatter, Resource, bind
from plumbline.servers import free_port
from support.scenery import Exporter, build_baselines, counters, rows, write_catalogue
from support.servers import wait_for

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = ROOT / "examples" / "collectors"
SYSLOG_NG = shutil.which("syslog-ng")
OTELCOL = shutil.which("otelcol-contrib") or shutil.which("otelcol")
PLUMBLINE = [sys.executable, "-m", "plumbline.cli.main"]


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


class Pipes:
    """``tail -n +1 -F FILE | grep | plumbline ingest -`` for each file."""

    def __init__(self, files: list[Path], url: str) -> None:
        self._files = files
        self._url = url
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for file in self._files:
            stdin: object = None
            for command in (
                ["tail", "-n", "+1", "-F", str(file)],
                ["grep", "--line-buffered", "^{"],
                [*PLUMBLINE, "ingest", "-", "--url", self._url],
            ):
                process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # type: ignore[call-overload]
                self._processes.append(process)
                stdin = process.stdout

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()
        self._processes = []

    def catch_up(self, rotated: Path) -> None:
        """A file that was rotated while nothing followed it is sent by hand; what the exporter has, it recognises."""
        text = "".join(line for line in rotated.read_text().splitlines(keepends=True) if line.startswith("{"))
        command = [*PLUMBLINE, "ingest", "-", "--json", "--url", self._url]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["duplicates"] > 0


class Daemon:
    """A collector with its configuration from examples/collectors; it finds a rotated file by itself."""

    def __init__(self, command: list[str], files: list[Path], url: str) -> None:
        folder = files[0].parent
        self._command = command
        self._log = folder.parent / "collector.txt"
        state = folder.parent / "state"
        state.mkdir()
        self._env = {**os.environ, "LOGS": str(folder), "STATE": str(state), "PLUMBLINE": url}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._env, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def catch_up(self, rotated: Path) -> None:
        pass


def otelcol(files: list[Path], url: str) -> Daemon:
    command = [str(OTELCOL), f"--config={CONFIGURATIONS / 'otelcol.yaml'}"]
    return Daemon([*command, "--feature-gates=stanza.synchronousLogEmitter"], files, url)


def syslog_ng(files: list[Path], url: str) -> Daemon:
    state = files[0].parent.parent / "state"
    command = [str(SYSLOG_NG), "--foreground", "--no-caps", f"--cfgfile={CONFIGURATIONS / 'syslog-ng.conf'}"]
    places = [f"--persist-file={state}/persist", f"--control={state}/control", f"--pidfile={state}/pid"]
    return Daemon([*command, *places], files, url)


def installed(program: str | None, name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(program is None, reason=f"{name} is not installed")


@pytest.mark.parametrize(
    "collector",
    [
        Pipes,
        pytest.param(otelcol, marks=installed(OTELCOL, "the OpenTelemetry Collector (otelcol-contrib or otelcol)")),
        pytest.param(syslog_ng, marks=installed(SYSLOG_NG, "syslog-ng with its HTTP module")),
    ],
)
def test_a_request_that_crossed_two_services_is_whole_in_its_trace(
    tmp_path: Path, collector: Callable[[list[Path], str], Pipes | Daemon]
) -> None:
    port = free_port()
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", port)
    build_baselines(catalogue, tmp_path, rows(500, 1))
    logs = tmp_path / "logs"
    logs.mkdir()
    gateway, scorer = logs / "gateway.log", logs / "scorer.log"
    exporter = Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", tmp_path / "data", port)
    sender = collector([gateway, scorer], exporter.url)

    def write(number: int) -> None:
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

    with exporter:
        try:
            for number in range(80):
                write(number)
            sender.start()
            wait_for(lambda: counters(exporter.url).get('plumbline_events_total{kind="prediction"}', 0) > 0)
            sender.kill()
            for number in range(80, 100):
                write(number)
            scorer.rename(logs / "scorer.log.1")
            for number in range(100, 150):
                write(number)
            sender.catch_up(logs / "scorer.log.1")
            sender.start()
            wait_for(lambda: counters(exporter.url).get('plumbline_events_total{kind="log"}') == 300, name="both files")
            exporter.stop()
            for number in range(150, 200):
                write(number)
            exporter.start()
            wait_for(lambda: counters(exporter.url).get('plumbline_events_total{kind="log"}') == 400, name="all lines")
            wait_for(lambda: counters(exporter.url).get('plumbline_events_total{kind="prediction"}') == 200)
        finally:
            sender.kill()
        found = counters(exporter.url)
        assert sum(v for k, v in found.items() if k.startswith("ml_predictions_total")) == 200
        assert sum(v for k, v in found.items() if k.startswith("plumbline_events_rejected_total")) == 0
        shown = subprocess.run(
            [*PLUMBLINE, "trace", "r81", "--json", "--url", exporter.url], capture_output=True, text=True, check=True
        )
    trace = json.loads(shown.stdout)
    assert trace["predictions"][0]["model"] == "late"
    assert {(line["service"], line["level"], line["message"]) for line in trace["logs"]} == {
        ("gateway", "WARNING", "asked for r81"),
        ("scorer", "WARNING", "features were late"),
    }
