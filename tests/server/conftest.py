from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from plumbline import names
from plumbline.events.parsed import Parsed
from plumbline.expose.block import Block
from support.running import Running


class FakeEngine:
    """Remembers what was committed; can be slow, fail, or die."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.commits: list[int] = []
        self.error: BaseException | None = None
        self.tick_error: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.ticks = 0
        self.closed = False

    def commit(self, batches: Sequence[Parsed], now: float) -> list[int]:
        self.entered.set()
        self.gate.wait(20)
        if self.error is not None:
            raise self.error
        self.commits.append(sum(b.lines for b in batches))
        duplicates = []
        for batch in batches:
            fresh = [item.raw for item in batch.events if item.raw not in self.stored]
            self.stored += fresh
            duplicates.append(len(batch.events) - len(fresh))
        return duplicates

    def tick(self, now: float) -> None:
        if self.tick_error is not None:
            raise self.tick_error
        self.ticks += 1

    def blocks(self) -> list[Block]:
        return [Block(names.LINES, "lines", sum(self.commits), ((),), np.array([float(sum(self.commits))]))]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def start(engine: FakeEngine) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def start_(**options: Any) -> Running:
        running.append(Running(options.pop("engine", engine), **options))
        return running[-1]

    yield start_
    engine.gate.set()
    for server in running:
        server.stop()


@pytest.fixture
def server(start: Callable[..., Running]) -> Running:
    found = start()
    found.wait_ready()
    return found
