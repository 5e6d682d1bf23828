"""Stands in for pagers and ticket queues: takes Alertmanager's webhooks and keeps who got what.

Each owner has two addresses, ``/<owner>/page`` and ``/<owner>/ticket``. Every notification is appended to
a file and handed to whoever watches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from plumbline.errors import ToolError
from plumbline.servers import LOOPBACK

_LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert of one notification.

    Attributes:
        at: when it arrived, epoch seconds.
        owner: whose address it came to.
        kind: page or ticket.
        status: firing or resolved.
        alert: the alert's name.
        severity: its severity.
        labels: all of its labels.
        summary: its one-sentence summary.
        description: its description with the numbers.
    """

    at: float
    owner: str
    kind: str
    status: str
    alert: str
    severity: str
    labels: dict[str, str]
    summary: str
    description: str


class _Alert(msgspec.Struct):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class _Notification(msgspec.Struct):
    alerts: list[_Alert]


def read_notification(path: str, body: bytes, now: float) -> list[Notice]:
    """Return the alerts of a webhook body posted to ``/<owner>/<kind>``.

    Raises:
        ValueError: if the address or the body is none of Alertmanager's.
    """
    parts = path.strip("/").split("/")
    if len(parts) != 2 or parts[1] not in ("page", "ticket"):
        raise ValueError(f"no such address: {path}")
    try:
        notification = msgspec.json.decode(body, type=_Notification)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a notification of Alertmanager: {error}") from error
    return [
        Notice(
            now,
            parts[0],
            parts[1],
            alert.status,
            alert.labels.get("alertname", ""),
            alert.labels.get("severity", ""),
            alert.labels,
            alert.annotations.get("summary", ""),
            alert.annotations.get("description", ""),
        )
        for alert in notification.alerts
    ]


class Receiver:
    """The server, in a thread; a context manager.

    Args:
        port: on loopback.
        record: file that every notice is appended to, one JSON object per line.
        watch: called with each notice, in a thread of the server.

    Raises:
        ToolError: if the port is taken.
    """

    def __init__(self, port: int, record: Path, watch: Callable[[Notice], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._notices: list[Notice] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                if size > _LARGEST:
                    self.send_error(413)
                    return
                try:
                    notices = read_notification(self.path, self.rfile.read(size), time.time())
                except ValueError as error:
                    self.send_error(400, str(error)[:200])
                    return
                receiver._take(notices, record, watch)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the terminal belongs to the notices."""

        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        except OSError as error:
            raise ToolError(f"the receiver cannot listen on {LOOPBACK}:{port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def notices(self) -> list[Notice]:
        """Everything received so far, in order."""
        with self._lock:
            return list(self._notices)

    def _take(self, notices: list[Notice], record: Path, watch: Callable[[Notice], None] | None) -> None:
        with self._lock:
            self._notices += notices
            with record.open("ab") as out:
                for notice in notices:
                    out.write(msgspec.json.encode(asdict(notice)) + b"\n")
        if watch is not None:
            for notice in notices:
                watch(notice)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
