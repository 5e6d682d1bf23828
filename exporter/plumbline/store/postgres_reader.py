"""Connecting to a PostgreSQL store, and looking events up in it beside those who write.

Reads the schema that ``plumbline.store.postgres_schema`` makes; a reader writes nothing. PostgreSQL's
readers never wait for a writer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from plumbline.errors import StoreError, StoreFull, UsageError
from plumbline.store.base import StoredEvent
from plumbline.store.postgres_schema import SCHEMA_VERSION, Connection

EVENT_COLUMNS = "seq, kind, ts, key, identity, links, raw"
_CONNECT_SECONDS = 5
_DISK_FULL = "53100"

FIND_AFTER = "SELECT seq FROM plumbline.event_keys WHERE key = %s AND seq > %s ORDER BY seq LIMIT %s"
FIND = "SELECT key, seq FROM plumbline.event_keys WHERE key = ANY(%s) ORDER BY seq"
READ = f"SELECT {EVENT_COLUMNS} FROM plumbline.events WHERE seq = ANY(%s)"  # noqa: S608 - a constant
_SCAN = (
    f"SELECT {EVENT_COLUMNS} FROM plumbline.events "  # noqa: S608 - a constant
    "WHERE seq > %s AND kind = %s AND ts >= %s AND ts < %s ORDER BY seq LIMIT %s"
)
_WAITING = "SELECT prediction, min(due) FROM plumbline.pending WHERE prediction = ANY(%s) GROUP BY prediction"


def check_url(url: str) -> str:
    """Return where a URL leads, for messages.

    Raises:
        UsageError: it is none, or carries a password: command lines and logs are no place for one.
    """
    try:
        known = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        # Not the text itself: it may hold a password.
        raise UsageError("the store's URL cannot be read: write postgresql://USER@HOST:PORT/DATABASE") from error
    if known.get("password"):
        raise UsageError(
            "the store's URL holds a password, which every user of this machine could read: "
            "put it into a file (~/.pgpass, or the one that PGPASSFILE or passfile=... names)"
        )
    return f"PostgreSQL {known.get('host') or known.get('service') or 'here'}/{known.get('dbname') or ''}"


def connect(url: str) -> Connection:
    """Return a connection in autocommit mode."""
    given = conninfo_to_dict(url)
    options: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "plumbline"}
    return psycopg.connect(url, autocommit=True, **{k: v for k, v in options.items() if k not in given})


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn the server's errors into the store's."""
    try:
        yield
    except psycopg.Error as error:
        kind = StoreFull if error.sqlstate == _DISK_FULL else StoreError
        text = " ".join(str(error).split()) or type(error).__name__
        raise kind(f"{where}: {text}") from error


def decode_event(row: tuple[Any, ...]) -> StoredEvent:
    """Return the event of a row of ``EVENT_COLUMNS``."""
    seq, kind, ts, key, identity, links, raw = row
    return StoredEvent(seq, kind, ts, key, identity, tuple(links), bytes(raw))


class PostgresReader:
    """Look-ups in a PostgreSQL store, over all its shards; see ``plumbline.store.base.Reader``.

    A lost connection is made again at the next look-up.

    Raises:
        UsageError: the URL cannot be used.
        StoreError: no server answers, or it holds no store that this plumbline reads.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._where = check_url(url)
        self._lock = threading.Lock()
        with store_errors(self._where):
            self._db = connect(url)
            try:
                row = self._db.execute("SELECT value FROM plumbline.meta WHERE name = 'schema_version'").fetchone()
            except psycopg.errors.UndefinedTable as error:
                self._db.close()
                raise StoreError(f"{self._where}: holds no plumbline store") from error
        version = int(row[0]) if row else 0
        if version != SCHEMA_VERSION:
            self._db.close()
            raise StoreError(f"{self._where}: it has schema {version} and this plumbline reads {SCHEMA_VERSION}")

    def _select(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock, store_errors(self._where):
            if not self._db.closed:
                try:
                    return self._db.execute(statement.encode(), values).fetchall()
                except psycopg.OperationalError:
                    if not self._db.closed:
                        raise
            self._db = connect(self._url)
            return self._db.execute(statement.encode(), values).fetchall()

    def find_after(self, key: int, after: int = 0, limit: int = 1000) -> list[int]:
        """Return sequence numbers of events with this key. See ``Reader.find_after``."""
        return [row[0] for row in self._select(FIND_AFTER, (key, after, limit))]

    def find(self, keys: Sequence[int]) -> dict[int, list[int]]:
        """Return sequence numbers of events with these keys. See ``Reader.find``."""
        found: dict[int, list[int]] = {}
        for key, seq in self._select(FIND, (list(set(keys)),)):
            found.setdefault(key, []).append(seq)
        return found

    def read(self, seqs: Iterable[int]) -> dict[int, StoredEvent]:
        """Return stored events by sequence number. See ``Reader.read``."""
        return {row[0]: decode_event(row) for row in self._select(READ, (list(seqs),))}

    def scan(self, kind: str, start: float, end: float, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """Return events of a kind and time range. See ``Reader.scan``."""
        return [decode_event(row) for row in self._select(_SCAN, (after, kind, start, end, limit))]

    def waiting(self, predictions: Sequence[int]) -> dict[int, float]:
        """Return when outcomes that wait will count. See ``Reader.waiting``."""
        return {row[0]: row[1] for row in self._select(_WAITING, (list(predictions),))}

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()
