from __future__ import annotations

from collections.abc import Iterator

import pytest

from postgres import Postgres, why_not


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start one PostgreSQL for the whole run; each test takes databases of its own from it."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Postgres() as server:
        yield server
