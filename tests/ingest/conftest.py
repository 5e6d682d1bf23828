from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.ingest.engine import Engine
from plumbline.store.base import Store
from plumbline.store.postgres import PostgresStore
from support.samples import open_sample


@pytest.fixture(params=["embedded", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Open sample engines that are closed at the end; a folder may be opened again once closed.

    On PostgreSQL a folder stands for a database.
    """
    engines: list[Engine] = []
    databases: dict[Path, str] = {}

    def store(folder: Path) -> Store | None:
        if request.param == "embedded":
            return None
        if folder not in databases:
            databases[folder] = request.getfixturevalue("postgres").new_database()
        return PostgresStore(databases[folder])

    def open_(folder: Path | None = None, **changes: Any) -> Engine:
        at = folder or tmp_path
        engines.append(open_sample(at, store(at), **changes))
        return engines[-1]

    yield open_
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(opened: Callable[..., Engine]) -> Engine:
    return opened()
