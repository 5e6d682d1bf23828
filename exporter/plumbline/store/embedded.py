"""The default store: one folder, no server. SQLite holds the truth, a hash index finds it.

Durability: WAL with ``synchronous=FULL``, so a commit returns only after its frames are fsynced; kill -9
and power loss lose nothing that was acknowledged. One process owns a folder at a time (a lock file says
so); reading from other processes is safe.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from plumbline.errors import StoreError, StoreFull
from plumbline.store.base import StoredEvent, Transaction, Waiting
from plumbline.store.hashindex import HashIndex
from plumbline.store.reader import (
    DATABASE,
    EVENT_COLUMNS,
    INDEX,
    SCHEMA_VERSION,
    EmbeddedReader,
    connect_readonly,
    decode_event,
    encode_event,
    fill_index,
    select_in,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, ts REAL NOT NULL, key INTEGER NOT NULL,
    identity INTEGER NOT NULL, links BLOB NOT NULL, raw BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    prediction INTEGER PRIMARY KEY, due REAL NOT NULL, key INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS pending_due ON pending (due);
CREATE TABLE IF NOT EXISTS orphans (
    outcome INTEGER PRIMARY KEY, due REAL NOT NULL, key INTEGER NOT NULL, body BLOB NOT NULL);
"""


class EmbeddedStore:
    """A store in a folder. Opening creates it, or recovers it after a crash.

    Raises:
        StoreError: the folder cannot be used, is owned by another process, or is damaged.
    """

    generation = 0  # a commit of SQLite's never leaves a doubt: it happens in this process

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        try:
            _make_folder(folder)
            self._lock_file = (folder / "lock").open("a+")
        except OSError as error:
            raise StoreError(f"{folder}: cannot be used as data folder: {error.strerror}") from error
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise StoreError(
                f"{folder}: another plumbline process owns this data folder; stop it or choose another --data"
            ) from error
        path = folder / DATABASE
        db = None
        try:
            if (not path.exists() or path.stat().st_size == 0) and (folder / INDEX).exists():
                raise StoreError("it is missing or empty, though its index is there")
            # Autocommit: transactions are begun and ended by write() alone.
            db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._last_seq = _prepare(db)
            _sync_folder(folder)  # SQLite itself syncs the names of its logs, not that of a new database
            self._index = HashIndex(folder / INDEX)
            fill_index(self._index, db, self._last_seq)
        except (sqlite3.Error, StoreError, OSError) as error:
            if db is not None:
                db.close()
            self._lock_file.close()
            if _is_full(error):
                raise StoreFull(f"{path}: cannot be opened: no space left; free some and start again") from error
            advice = "restore it from a backup, or move its folder away to begin anew"
            raise StoreError(f"{path}: cannot be opened: {error}; {advice}") from error
        self._db = db

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest event; 0 if there is none."""
        return self._last_seq

    @property
    def size_bytes(self) -> int:
        """Bytes of the folder's files."""
        total = 0
        for root, _, names in os.walk(self._folder):
            for name in names:
                try:
                    total += (Path(root) / name).stat().st_size
                except FileNotFoundError:  # SQLite and the index replace files while we look
                    continue
        return total

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            kind = StoreFull if _is_full(error) else StoreError
            raise kind(f"{self._folder}: {getattr(error, 'strerror', error)}") from error

    def write(self, transaction: Transaction) -> None:
        """Make the transaction durable. See ``Store.write``."""
        t = transaction
        with self._lock, self._errors():
            db = self._db
            db.execute("BEGIN IMMEDIATE")
            try:
                self._put(db, t)
                db.execute("COMMIT")
            except BaseException:
                # Whatever it was, a number too large included: left open, it would refuse all later ones.
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        if t.events:
            self._last_seq = t.events[-1].seq
            pairs = [(key, e.seq) for e in t.events for key in {e.key, *e.links}]
            self._index.add(pairs, self._last_seq)

    @staticmethod
    def _put(db: sqlite3.Connection, t: Transaction) -> None:
        db.executemany(
            f"INSERT INTO events ({EVENT_COLUMNS}) VALUES (?,?,?,?,?,?,?)",  # noqa: S608 - a constant
            [encode_event(e) for e in t.events],
        )
        db.executemany("INSERT OR REPLACE INTO state (name, value) VALUES (?,?)", t.state.items())
        for table, column, added, done in (
            ("pending", "prediction", t.pending, t.pending_done),
            ("orphans", "outcome", t.orphans, t.orphans_done),
        ):
            db.executemany(
                f"INSERT OR REPLACE INTO {table} ({column}, due, key, body) VALUES (?,?,?,?)",  # noqa: S608
                [(w.prediction, w.due, w.key, w.body) for w in added],
            )
            db.executemany(
                f"DELETE FROM {table} WHERE {column} = ?",  # noqa: S608
                [(seq,) for seq in done],
            )

    def find(self, keys: Sequence[int]) -> dict[int, list[int]]:
        """Return the sequence numbers of events with these keys. See ``Store.find``."""
        return self._index.find(keys)

    def read(self, seqs: Iterable[int]) -> dict[int, StoredEvent]:
        """Return stored events by sequence number. See ``Store.read``."""
        rows = self._select(f"SELECT {EVENT_COLUMNS} FROM events WHERE seq IN", list(seqs))  # noqa: S608
        return {row[0]: decode_event(row) for row in rows}

    def _select(self, statement: str, values: list[int]) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock, self._errors():
            return select_in(self._db, statement, values)

    def state(self) -> dict[str, bytes]:
        """Return all named values."""
        with self._lock, self._errors():
            return dict(self._db.execute("SELECT name, value FROM state").fetchall())

    def pending_for(self, predictions: Sequence[int]) -> dict[int, Waiting]:
        """Return the waiting outcomes of these predictions."""
        rows = self._select("SELECT prediction, due, key, body FROM pending WHERE prediction IN", list(predictions))
        return {row[0]: Waiting(*row) for row in rows}

    def pending_due(self, now: float, limit: int) -> list[Waiting]:
        """Return pending outcomes whose time has come, earliest first."""
        with self._lock, self._errors():
            rows = self._db.execute(
                "SELECT prediction, due, key, body FROM pending WHERE due <= ? ORDER BY due, prediction LIMIT ?",
                (now, limit),
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def pending_count(self) -> int:
        """Return how many outcomes wait for maturity."""
        with self._lock, self._errors():
            return int(self._db.execute("SELECT count(*) FROM pending").fetchone()[0])

    def orphans(self) -> list[Waiting]:
        """Return the outcomes that wait for their prediction."""
        with self._lock, self._errors():
            rows = self._db.execute("SELECT outcome, due, key, body FROM orphans ORDER BY outcome").fetchall()
        return [Waiting(*row) for row in rows]

    def reader(self) -> EmbeddedReader:
        """Return a reader with a connection of its own. See ``Store.reader``."""
        return EmbeddedReader(connect_readonly(self._folder / DATABASE, live=True), self._index)

    def close(self) -> None:
        """Close the database and give up the folder."""
        with self._lock:
            self._db.close()
            self._lock_file.close()


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) == errno.ENOSPC


def _make_folder(folder: Path) -> None:
    """Make the folder, for its owner alone, and sync its name: power loss must not take it with all its files."""
    missing = []
    at = folder.absolute()
    while not at.exists():
        missing.append(at)
        at = at.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prepare(db: sqlite3.Connection) -> int:
    """Set the durability, make or check the schema, and return the newest sequence number."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, SCHEMA_VERSION):
        raise StoreError(f"it has schema {version} and this plumbline reads {SCHEMA_VERSION}")
    mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":  # some network file systems; what is promised of durability holds for this mode only
        raise StoreError(f"the file system allows no write-ahead log (SQLite fell back to {mode})")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA cache_size=-65536")
    db.executescript(_SCHEMA)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    row = db.execute("SELECT max(seq) FROM events").fetchone()
    return int(row[0] or 0)
