"""The writing thread: what is said and refused once it is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from plumbline.errors import Overloaded
from plumbline.events.parsed import Parsed
from plumbline.expose.registry import Registry
from plumbline.expose.self_metrics import SelfMetrics
from plumbline.server.app import App
from plumbline.server.writer import Writer
from support.samples import catalogue
from support.servers import wait_for


class Broken:
    """An engine with a fault that nobody foresaw."""

    def commit(self, batches: Sequence[Parsed], now: float) -> list[int]:
        raise AssertionError("nothing is committed any more")

    def tick(self, now: float) -> None:
        raise KeyError("unforeseen")

    def blocks(self) -> list[Any]:
        return []

    def close(self) -> None:
        return None


def test_a_dead_thread_is_refused_at_once_and_told_by_health_and_readiness() -> None:
    metrics = SelfMetrics(10, 0.0)
    writer = Writer(Broken(), metrics)
    app = App(catalogue(), writer, Registry({}), metrics)
    request: Any = None
    assert asyncio.run(app.healthy(request)).status_code == 200
    writer.start()
    wait_for(lambda: writer.dead, name="the end of the thread")
    assert asyncio.run(app.healthy(request)).status_code == 503
    assert asyncio.run(app.ready(request)).status_code == 503
    with pytest.raises(Overloaded, match="the writing thread is dead; the exporter must be restarted"):
        writer.submit(Parsed([], [], 1))
    assert writer.stop(60)
