"""Real servers for the end-to-end tests: each on a free loopback port, stopped by its own process id.

Use them as context managers; on a failed start the error carries the end of the server's log.
"""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from plumbline import servers

T = TypeVar("T")

# A server ends with the thread that started it; this one lives as long as the tests.
_STARTER = ThreadPoolExecutor(1)


def wait_for(what: Callable[[], T], *, seconds: float = 120.0, every: float = 0.1, name: str = "") -> T:
    """Call until the result is truthy and return it.

    Raises:
        TimeoutError: naming what was waited for and the last result.
    """
    end = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"{name or what} did not happen within {seconds:g} s; last: {result!r}")
        time.sleep(every)


def listen(port: int) -> socket.socket:
    """Listen on a loopback port as a server does."""
    server = socket.socket()
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((servers.LOOPBACK, port))
        server.listen()
    except OSError:
        server.close()
        raise
    return server


def plumbline(*arguments: object) -> list[str]:
    """The command line as a user starts it."""
    return [sys.executable, "-m", "plumbline.cli.main", *map(str, arguments)]


class Server:
    """A server that can be started again: ``plumbline.servers.Server`` behind a readiness URL."""

    def __init__(
        self, command: Sequence[str | Path], *, url: str, ready: str, log: Path, seconds: float = 120.0
    ) -> None:
        self.command = list(command)
        self.url = url
        self.ready = ready
        self.log = log
        self.seconds = seconds
        self._running: servers.Server | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, from start to stop."""
        return None if self._running is None else self._running.process

    def start(self) -> Self:
        """Start the process and wait until it says that it is ready."""
        started = _STARTER.submit(servers.Server, str(self.command[0]), self.command, self.url, self.log)
        self._running = started.result()
        try:
            self._running.wait_ready(self.ready, self.seconds)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop this process, and only this one."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._running is not None:
            error.add_note(f"log of {self.command[0]}:\n{self._running.said(40)}")
        self.stop()


def query(url: str, expr: str, at: float | None = None) -> list[dict[str, Any]]:
    """Return the result of an instant query: ``[{"metric": {...}, "value": [t, "1"]}, ...]``."""
    params = {"query": expr} if at is None else {"query": expr, "time": repr(at)}
    body = requests.get(f"{url}/api/v1/query", params=params, timeout=30).json()
    if body["status"] != "success":
        raise ValueError(f"{expr}: {body['error']}")
    result: list[dict[str, Any]] = body["data"]["result"]
    return result


class Prometheus(Server):
    """A Prometheus that reads a given configuration and keeps its data in a given folder."""

    def __init__(self, config: Path, data: Path, *, port: int | None = None, args: Sequence[str] = ()) -> None:
        port = port or servers.free_port()
        super().__init__(
            [
                servers.find_program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
                *args,
            ],
            url=f"http://127.0.0.1:{port}",
            ready="/-/ready",
            log=data.parent / f"{data.name}.log",
        )

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query; see ``query``."""
        return query(self.url, expr, at)

    def value(self, expr: str, at: float | None = None) -> float | None:
        """Return the only value of an instant query, None without a result."""
        result = self.query(expr, at)
        if not result:
            return None
        if len(result) > 1:
            raise ValueError(f"{expr}: {len(result)} results")
        return float(result[0]["value"][1])

    def wait_for_scrapes(self, series: str, count: int) -> None:
        """Wait until every one of the series, of every target, was scraped so many times."""
        wait_for(
            lambda: (self.value(f"min(count_over_time({series}[10m]))") or 0) >= count,
            name=f"{count} scrapes of {series}",
        )

    def wait_for_rules(self, rounds: int = 2) -> None:
        """Wait until every rule group has begun and ended so many evaluations from now on, one after the other.

        Two are enough for a rule to see what a rule of another group makes of what is scraped now.
        """
        for _ in range(rounds):
            now = time.time()
            wait_for(partial(self._rules_began_since, now), name="a round of every rule group")

    def _rules_began_since(self, moment: float) -> bool:
        """Whether the last evaluation that has ended began after the moment, in every group."""
        text = requests.get(f"{self.url}/metrics", timeout=30).text
        name = "prometheus_rule_group_last_evaluation_timestamp_seconds{"
        began = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)]
        return min(began) > moment


class Alertmanager(Server):
    """An Alertmanager without a cluster."""

    def __init__(self, config: Path, data: Path, *, port: int | None = None) -> None:
        port = port or servers.free_port()
        super().__init__(
            [
                servers.find_program("alertmanager"),
                f"--config.file={config}",
                f"--storage.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            url=f"http://127.0.0.1:{port}",
            ready="/-/ready",
            log=data.parent / f"{data.name}.log",
        )


@dataclass
class _Loopback:
    """A small HTTP server in a thread."""

    port: int = 0
    _server: http.server.ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self.handler())
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@dataclass
class WebhookReceiver(_Loopback):
    """Keeps every notification that Alertmanager posts, by path."""

    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                received.append((self.path, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def alerts(self, path: str) -> list[dict[str, Any]]:
        """Return the alerts that came to a path, in order."""
        return [alert for p, body in list(self.received) if p == path for alert in body["alerts"]]


@dataclass
class FakeTarget(_Loopback):
    """A scrape target that serves ``text()`` at ``/metrics``."""

    text: Callable[[], str] = lambda: ""

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = owner.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
