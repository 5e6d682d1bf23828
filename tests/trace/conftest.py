"""A lookup on an engine's store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.engine import Engine
from plumbline.events.parse import parse
from plumbline.trace.lookup import Lookup
from samples import body, open_sample


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_sample(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def send(engine: Engine) -> Callable[..., None]:
    """Store events; none may be rejected."""

    def send_(*events: dict[str, Any], now: float | None = None) -> None:
        parsed = parse(body(*events), time.time())
        assert parsed.rejected == []
        engine.commit([parsed], time.time() if now is None else now)

    return send_


@pytest.fixture
def lookup(engine: Engine) -> Iterator[Lookup]:
    made = Lookup(engine.store.reader(), engine.baselines)
    yield made
    made.close()
