from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plumbline import Client
from support.exporter_stand_in import StandIn


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    found = StandIn()
    yield found
    found.stop()


@pytest.fixture
def client_for(stand_in: StandIn) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(url: str | None = None, **options: Any) -> Client:
        settings = {"linger": 0.01, "backoff": 0.01, "timeout": (1.0, 1.0), "close_timeout": 2.0, "fsync": False}
        made.append(Client(url or stand_in.url, **{**settings, **options}))
        return made[-1]

    yield make
    stand_in.release.set()
    for client in made:
        client.close(0)
