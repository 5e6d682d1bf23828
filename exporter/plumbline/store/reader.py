"""Reading an embedded store beside its writer: from other threads, or from another process.

Reads the folder that ``plumbline.store.embedded`` writes; writes nothing. SQLite's write-ahead log lets
any number of readers look while one process writes, and neither waits for the other.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plumbline.errors import StoreError
from plumbline.names import EVENT_KINDS
from plumbline.store.base import StoredEvent
from plumbline.store.hashindex import HashIndex

DATABASE = "plumbline.sqlite"
INDEX = "index"
SCHEMA_VERSION = 3
EVENT_COLUMNS = "seq, kind, ts, key, identity, links, raw"
_KIND_CODE = {kind: code for code, kind in enumerate(EVENT_KINDS)}
_CHUNK = 500  # SQLite's default limit of parameters per statement is at least 999
_INDEX_STEP = 50_000

Row = tuple[Any, ...]


def encode_event(event: StoredEvent) -> Row:
    """Return the values of ``EVENT_COLUMNS``."""
    links = struct.pack(f"<{len(event.links)}q", *event.links)
    return event.seq, _KIND_CODE[event.kind], event.ts, event.key, event.identity, links, event.raw


def decode_event(row: Row) -> StoredEvent:
    """Return the event of a row of ``EVENT_COLUMNS``."""
    seq, kind, ts, key, identity, links, raw = row
    return StoredEvent(seq, EVENT_KINDS[kind], ts, key, identity, decode_links(links), raw)


def decode_links(links: bytes) -> tuple[int, ...]:
    """Return the numbers of the column ``links``."""
    return struct.unpack(f"<{len(links) // 8}q", links) if links else ()


def select_in(db: sqlite3.Connection, statement: str, values: Sequence[int]) -> list[Row]:
    """Run ``statement``, which ends in ``IN``, for any number of values."""
    rows: list[Row] = []
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        marks = ",".join("?" * len(part))
        rows += db.execute(f"{statement} ({marks})", part).fetchall()
    return rows


def fill_index(index: HashIndex, db: sqlite3.Connection, last_seq: int) -> None:
    """Load the index's files and add the events that they do not cover."""
    for start in range(index.load(last_seq), last_seq + 1, _INDEX_STEP):
        rows = db.execute(
            "SELECT seq, key, links FROM events WHERE seq >= ? AND seq < ? ORDER BY seq", (start, start + _INDEX_STEP)
        ).fetchall()
        pairs = [(one, seq) for seq, key, links in rows for one in {key, *decode_links(links)}]
        index.add(pairs, min(start + _INDEX_STEP - 1, last_seq))


class EmbeddedReader:
    """Look-ups in an embedded store; see ``plumbline.store.base.Reader``.

    Args:
        db: a connection of its own, read-only.
        index: shared with the writer, or this reader's own.
    """

    def __init__(self, db: sqlite3.Connection, index: HashIndex) -> None:
        self._db = db
        self._index = index
        self._lock = threading.Lock()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._db
        except sqlite3.Error as error:
            raise StoreError(f"the store could not be read: {error}") from error

    def find_after(self, key: int, after: int = 0, limit: int = 1000) -> list[int]:
        """Return sequence numbers of events with this key. See ``Reader.find_after``."""
        return self._index.find_after(key, after, limit)

    def find(self, keys: Sequence[int]) -> dict[int, list[int]]:
        """Return sequence numbers of events with these keys. See ``Reader.find``."""
        return self._index.find(keys)

    def read(self, seqs: Iterable[int]) -> dict[int, StoredEvent]:
        """Return stored events by sequence number. See ``Reader.read``."""
        with self._reading() as db:
            rows = select_in(db, f"SELECT {EVENT_COLUMNS} FROM events WHERE seq IN", list(seqs))  # noqa: S608
        return {row[0]: decode_event(row) for row in rows}

    def scan(self, kind: str, start: float, end: float, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """Return events of a kind and time range. See ``Reader.scan``."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {EVENT_COLUMNS} FROM events WHERE seq > ? AND kind = ? AND ts >= ? AND ts < ? "  # noqa: S608
                "ORDER BY seq LIMIT ?",
                (after, _KIND_CODE[kind], start, end, limit),
            ).fetchall()
        return [decode_event(row) for row in rows]

    def waiting(self, predictions: Sequence[int]) -> dict[int, float]:
        """Return when outcomes that wait will count. See ``Reader.waiting``."""
        with self._reading() as db:
            return dict(select_in(db, "SELECT prediction, due FROM pending WHERE prediction IN", predictions))

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()


def connect_readonly(path: Path, *, live: bool) -> sqlite3.Connection:
    """Return a connection that cannot write.

    Args:
        path: of the database.
        live: whether its writer is known to have it open.

    Raises:
        StoreError: there is no store, or it is not one that this plumbline reads.
    """
    if not path.is_file():
        raise StoreError(
            f"{path.parent}: holds no plumbline store: name the folder that 'plumbline serve' has as --data"
        )
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    if not live and not path.with_name(f"{path.name}-wal").exists():
        # Nobody has it open. Otherwise SQLite would make these files, which the folder may not allow.
        address += "&immutable=1"
    db = None
    try:
        db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise StoreError(f"it has schema {version} and this plumbline reads {SCHEMA_VERSION}")
    except (sqlite3.Error, StoreError) as error:
        if db is not None:
            db.close()
        raise StoreError(f"{path}: cannot be read: {error}") from error
    return db


def open_reader(folder: Path) -> EmbeddedReader:
    """Return a reader of a store that another process may be writing; it sees what is stored by now.

    Raises:
        StoreError: the folder holds no store, or one that cannot be read.
    """
    db = connect_readonly(folder / DATABASE, live=False)
    index = HashIndex(folder / INDEX, readonly=True)
    try:
        fill_index(index, db, int(db.execute("SELECT max(seq) FROM events").fetchone()[0] or 0))
    except sqlite3.Error as error:
        db.close()
        raise StoreError(f"{folder}: cannot be read: {error}") from error
    return EmbeddedReader(db, index)
