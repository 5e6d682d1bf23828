from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from plumbline.ingest.engine import Engine
from plumbline.trace.lookup import Lookup
from support.postgres import Postgres, why_not
from support.samples import open_sample

# `make test` tries the same examples each time; `make search` looks for new ones. Neither measures time.
settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile(
    "search", max_examples=2000, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("test")


def pytest_configure() -> None:
    """Hand down signals that came in ignored (SIGINT to a background job, SIGHUP by nohup) as what they are.

    A program leaves such a signal ignored, rightly, and the tests that send it would wait for ever. One that is
    handled is set to its default in a child.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what waits for real servers first: with several workers the short tests then fill the end evenly."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape what no encoding has: one lone surrogate in what a test logged would end the whole run."""
    return encodable((yield))


def encodable(value: Any) -> Any:
    """The same report, its texts encodable."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {encodable(key): encodable(one) for key, one in value.items()}
    return type(value)(map(encodable, value)) if isinstance(value, (list, tuple)) else value


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
