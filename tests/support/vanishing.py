"""A PostgreSQL server that vanishes while a commit is under way, before or after it heard of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from plumbline.store.postgres import PostgresStore


class Cut:
    """A connection that breaks at COMMIT."""

    def __init__(self, db: psycopg.Connection, reaches_server: bool) -> None:
        self._db, self._reaches = db, reaches_server

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def execute(self, statement: object, *values: object) -> object:
        if statement == "COMMIT":
            if self._reaches:
                self._db.execute("COMMIT")
            self._db.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return self._db.execute(statement, *values)


def cut(store: PostgresStore, happened: bool) -> None:
    """Break the next commit; the server is there again at once."""
    store._own.db = Cut(store._own.db, happened)  # type: ignore[assignment,arg-type]


@contextmanager
def vanishing(store: PostgresStore, happened: bool) -> Iterator[None]:
    """Break the next commit, and let nobody connect meanwhile."""
    cut(store, happened)

    def down(url: str) -> None:
        raise psycopg.OperationalError("connection refused")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("plumbline.store.postgres_shard.connect", down)
        yield
