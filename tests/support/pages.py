"""A real exporter in a thread, and its pages taken apart."""

from __future__ import annotations

import html.parser
import socket
import threading
from typing import Any

import requests

from plumbline.ingest.engine import Engine
from plumbline.server.run import Exporter
from plumbline.trace.lookup import Lookup
from support.samples import body, catalogue

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
JSON = {"Accept": "application/json"}
EVIL = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">'\"&amp;"


class Running:
    """A real exporter in a thread: engine, store, server."""

    def __init__(self, engine: Engine, lookup: Lookup, external_url: str | None = None) -> None:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        declared = catalogue(host_metrics=False)
        exporter = Exporter(declared, engine, sock, lookup=lookup, tick_seconds=0.05, external_url=external_url)
        self.exporter = exporter
        self.url = ""
        started = threading.Event()

        def listening(url: str) -> None:
            self.url = url
            started.set()

        def run() -> None:
            exporter.run(listening)
            sock.close()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert started.wait(20)

    def send(self, *events: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        answer = requests.post(f"{self.url}/v1/events", data=body(*events), headers=headers, timeout=30)
        assert answer.json()["rejected"] == []

    def get(self, path: str, headers: dict[str, str] | None = None) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=headers or {}, timeout=30)

    def stop(self) -> None:
        self.exporter.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


class Elements(html.parser.HTMLParser):
    """The tags of a page, the attributes, and the text outside the stylesheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._style = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.text += data
