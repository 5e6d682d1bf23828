"""An exporter whose faults a test controls."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from plumbline import Client
from plumbline.events.parse import parse_line
from plumbline.events.parsed import Item

Fault = str | tuple[int, dict[str, str]]


class StandIn:
    """An exporter whose faults a test controls.

    ``faults`` are used up one per request: ``hang``, ``cut`` (stored, but the answer never comes),
    ``partial`` (stored, half an answer), ``reset`` (not even read), ``html`` (200 of something else),
    a status with headers, or ``ok``.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.down: Fault | None = None
        self.lines: list[bytes] = []
        self.batches: list[list[bytes]] = []
        self.requests: list[tuple[float, dict[str, str]]] = []
        self.reject: Callable[[dict[str, Any]], bool] = lambda event: False
        self.max_lines = 10**9
        self.release = threading.Event()
        self.lock = threading.Lock()
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                stand_in.handle(self)

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *args: object) -> None:
                pass  # connections are cut on purpose

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def handle(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        with self.lock:
            fault = self.faults.pop(0) if self.faults else self.down or "ok"
            self.requests.append((time.monotonic(), dict(handler.headers)))
        if fault == "reset":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        lines = body.split(b"\n")
        if fault == "hang":
            self.release.wait(30)
            handler.close_connection = True
            return
        if isinstance(fault, tuple):
            self.answer(handler, fault[0], b'{"error":"no"}', fault[1])
            return
        if len(lines) > self.max_lines:
            self.answer(handler, 413, b'{"error":"too_large"}', {})
            return
        if fault == "html":
            self.answer(handler, 200, b"<html>login</html>", {})
            return
        rejected = []
        with self.lock:
            self.batches.append(lines)
            for number, line in enumerate(lines, 1):
                assert isinstance(parse_line(line, time.time()), Item)
                if self.reject(json.loads(line)):
                    rejected.append({"line": number, "reason": "bad_field", "detail": "planted"})
                else:
                    self.lines.append(line)
        answer = json.dumps({"accepted": len(lines) - len(rejected), "rejected": rejected, "duplicates": 0}).encode()
        if fault == "cut":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif fault == "partial":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer[: len(answer) // 2])
            handler.close_connection = True
        else:
            self.answer(handler, 200, answer, {})

    def answer(self, handler: Any, status: int, body: bytes, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def ids(self) -> list[str]:
        """Request ids stored, in order of arrival; resends included."""
        with self.lock:
            return [e["request_id"] for e in map(json.loads, self.lines) if "request_id" in e]

    def first_ids(self) -> list[str]:
        """Request ids stored, each once, as the exporter would."""
        return list(dict.fromkeys(self.ids()))

    def assert_resends_are_identical(self) -> None:
        by_id: dict[str, set[bytes]] = {}
        for line in self.lines:
            by_id.setdefault(json.loads(line)["request_id"], set()).add(line)
        assert all(len(forms) == 1 for forms in by_id.values()), Counter(map(len, by_id.values()))

    def stop(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def predict(client: Client, *names: str) -> None:
    for name in names:
        client.prediction(request_id=name, model="m", version="1", features={"x": 1.5}, prediction=1)


def names_of(count: int, prefix: str = "r") -> list[str]:
    """Request ids."""
    return [f"{prefix}{i}" for i in range(count)]
