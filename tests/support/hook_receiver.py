"""The other side of a hook: a small HTTP server that remembers every call."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from support.servers import _Loopback


@dataclass
class HookReceiver(_Loopback):
    """Answers ``status`` once ``gate`` is open; a call is remembered before it is answered."""

    status: int = 200
    calls: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                owner.calls.append((self.path, dict(self.headers), json.loads(body)))
                owner.gate.wait(20)
                try:
                    self.send_response(owner.status)
                    self.send_header("Content-Length", "0")
                    if owner.status == 302:
                        self.send_header("Location", f"{owner.url}/elsewhere")
                    self.end_headers()
                except BrokenPipeError:  # the caller has given up, which is what its test is about
                    pass

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
