from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from plumbline.store.base import Store
from plumbline.store.embedded import EmbeddedStore
from plumbline.store.postgres import PostgresStore
from store.conformance import Conformance


class Embedded:
    taken = "another plumbline process owns this data folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> Store:
        return EmbeddedStore(self.folder / "data")

    @contextmanager
    def fail(self, store: Store) -> Iterator[None]:
        assert isinstance(store, EmbeddedStore)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages + 1}")  # SQLite reports it as it does ENOSPC
        yield
        store._db.execute("PRAGMA max_page_count=1000000")


class InPostgres:
    taken = "another plumbline process owns this shard"

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> Store:
        return PostgresStore(self.url)

    @contextmanager
    def fail(self, store: Store) -> Iterator[None]:
        """Answer as a full disk does, when the events are in already."""
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(
                "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
            )
            db.execute(
                "CREATE TRIGGER full_disk BEFORE INSERT ON plumbline.orphans FOR EACH ROW EXECUTE FUNCTION full_disk()"
            )
            yield
            db.execute("DROP TRIGGER full_disk ON plumbline.orphans")


@pytest.fixture(params=["embedded", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Embedded | InPostgres:
    if request.param == "embedded":
        return Embedded(tmp_path)
    return InPostgres(request.getfixturevalue("postgres").new_database())


class TestStores(Conformance):
    """Every store, one after the other."""
