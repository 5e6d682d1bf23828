"""Real servers for the end-to-end tests: each on a free loopback port, stopped by its own process id.

Use them as context managers; on a failed start the error carries the end of the server's log.
"""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

T = TypeVar("T")

PROMETHEUS = ("prometheus",)
ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")


def find_program(names: Sequence[str]) -> str:
    """Return the first of the programs that is installed.

    Raises:
        FileNotFoundError: if none is; the tests need them, so this is a failure and no skip.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise FileNotFoundError(f"none of {', '.join(names)} is installed (apt-get install {names[0]})")


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(what: Callable[[], T], *, seconds: float = 30.0, every: float = 0.1, name: str = "") -> T:
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


class Server:
    """A child process with a readiness URL."""

    def __init__(
        self, command: Sequence[str], *, url: str, ready: str, log: Path, seconds: float = 30.0
    ) -> None:
        self.command = list(command)
        self.url = url
        self.ready = ready
        self.log = log
        self.seconds = seconds
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the process and wait until it says that it is ready."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(self._is_ready, seconds=self.seconds, name=f"{self.command[0]} at {self.url}")
        except BaseException:
            self.stop()
            raise
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.command[0]} ended with {self.process.returncode}:\n{self.log_tail()}")
        with suppress(requests.RequestException):
            return requests.get(self.url + self.ready, timeout=2).status_code == 200
        return False

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Stop this process, and only this one."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self.log.exists():
            error.add_note(f"log of {self.command[0]}:\n{self.log_tail()}")
        self.stop()


class Prometheus(Server):
    """A Prometheus that reads a given configuration and keeps its data in a given folder."""

    def __init__(
        self, config: Path, data: Path, *, port: int | None = None, args: Sequence[str] = ()
    ) -> None:
        port = port or free_port()
        super().__init__(
            [
                find_program(PROMETHEUS),
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
        """Return the result of an instant query: ``[{"metric": {...}, "value": [t, "1"]}, ...]``."""
        params = {"query": expr} if at is None else {"query": expr, "time": repr(at)}
        answer = requests.get(f"{self.url}/api/v1/query", params=params, timeout=30)
        body = answer.json()
        if body["status"] != "success":
            raise ValueError(f"{expr}: {body['error']}")
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    def value(self, expr: str, at: float | None = None) -> float | None:
        """Return the only value of an instant query, None without a result."""
        result = self.query(expr, at)
        if not result:
            return None
        if len(result) > 1:
            raise ValueError(f"{expr}: {len(result)} results")
        return float(result[0]["value"][1])


class Alertmanager(Server):
    """An Alertmanager without a cluster."""

    def __init__(self, config: Path, data: Path, *, port: int | None = None) -> None:
        port = port or free_port()
        super().__init__(
            [
                find_program(ALERTMANAGER),
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
