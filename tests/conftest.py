from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbline.engine import Engine
from plumbline.trace.lookup import Lookup
from postgres import Postgres, why_not
from samples import open_sample


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what waits for real servers first: with several workers the short tests then fill the end evenly."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start one PostgreSQL for the whole run; each test takes databases of its own from it."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Postgres() as server:
        yield server


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Open the sample models on an embedded store."""
    made = open_sample(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def lookup(engine: Engine) -> Iterator[Lookup]:
    """Look into that engine's store."""
    made = Lookup(engine.store.reader(), engine.baselines)
    yield made
    made.close()
