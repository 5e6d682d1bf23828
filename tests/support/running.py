"""A real exporter in a thread, on a free port."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import requests

from plumbline.catalogue.model import Catalogue
from plumbline.server.run import Exporter
from support.samples import body
from support.samples import catalogue as sample_catalogue


class Running:
    """Engine, store and server; ``code`` is what the server ended with.

    Args:
        engine: a real one, or what stands in for it.
        catalogue: the sample catalogue without host metrics where none is given.
        options: for the exporter.
    """

    def __init__(self, engine: Any, catalogue: Catalogue | None = None, **options: Any) -> None:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        self.engine = engine
        declared = catalogue or sample_catalogue(host_metrics=False)
        self.exporter = Exporter(declared, engine, sock, tick_seconds=0.05, **options)
        self.url = ""
        self.code: int | None = None
        started = threading.Event()

        def listening(url: str) -> None:
            self.url = url
            started.set()

        def run() -> None:
            self.code = self.exporter.run(listening)
            sock.close()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert started.wait(20)

    def wait_ready(self) -> None:
        end = time.monotonic() + 60
        while self.exporter.writer.not_ready() is not None:
            assert time.monotonic() < end
            time.sleep(0.01)

    def send(self, *events: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        answer = requests.post(f"{self.url}/v1/events", data=body(*events), headers=headers, timeout=30)
        assert answer.json()["rejected"] == []

    def get(self, path: str, headers: dict[str, str] | None = None) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=headers or {}, timeout=30)

    def stop(self) -> int | None:
        self.exporter.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.code
