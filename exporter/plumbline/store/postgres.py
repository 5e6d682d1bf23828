"""A store in PostgreSQL, or in an engine that speaks its protocol; several exporters may share one.

Each exporter is a *shard* with a name: it has its own state, its own waiting outcomes and its own range
of sequence numbers; events of all shards lie together, so that a trace finds them wherever they came in.

Durability: ``write`` returns after ``COMMIT`` with ``synchronous_commit`` at least ``on``. ``postgres_shard``
keeps other processes out of a shard, and finds out what became of a commit without answer.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from plumbline.errors import StoreError
from plumbline.store.base import StoredEvent, Transaction, Waiting
from plumbline.store.postgres_reader import FIND, READ, PostgresReader, check_url, connect, decode_event, store_errors
from plumbline.store.postgres_schema import Connection, can_partition, make_partitions, prepare
from plumbline.store.postgres_shard import Shard
from plumbline.store.postgres_views import make_views
from plumbline.store.postgres_write import put

DEFAULT_SHARD = "main"
_SIZE_SECONDS = 60.0


class PostgresStore:
    """A shard of a PostgreSQL store. Opening makes what is missing and takes the shard.

    Args:
        url: ``postgresql://...`` or any libpq connection string, without password.
        shard: name of this exporter among those that share the database.

    Raises:
        UsageError: the URL cannot be used.
        StoreError: no server answers, it is another version's, or another process owns the shard.
    """

    def __init__(self, url: str, shard: str = DEFAULT_SHARD) -> None:
        self._url = url
        self._shard = shard
        self._where = f"{check_url(url)} (shard {shard})"
        self._lock = threading.RLock()
        self._partitioned_to: datetime.date | None = None
        self._size, self._size_read = 0, float("-inf")
        self._own = Shard(url, shard, self._where)
        with store_errors(self._where):
            db = connect(url)
            try:
                prepare(db)
                make_views(db)
                self._own.take(db)
                self._partition = can_partition(db)
                self._read_size(db)
            except (psycopg.Error, StoreError) as error:
                db.close()
                if isinstance(error, StoreError):
                    raise StoreError(f"{self._where}: {error}") from error
                raise

    @property
    def generation(self) -> int:
        """Grows when the stored state turned out newer than ``write`` said. See ``Store.generation``."""
        return self._own.generation

    @property
    def last_seq(self) -> int:
        """Sequence number of this shard's newest event; the first shard begins at 0."""
        return self._own.last_seq

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole database, at most a minute old when something was written since."""
        return self._size

    def _read_size(self, db: Connection) -> None:
        if time.monotonic() - self._size_read < _SIZE_SECONDS:
            return
        self._size_read = time.monotonic()
        try:
            row = db.execute("SELECT pg_database_size(current_database())").fetchone()
        except psycopg.errors.UndefinedFunction:
            return  # CockroachDB has its own ways; its operator watches it there
        self._size = int(row[0]) if row and row[0] else 0

    # --- writing ---

    def write(self, transaction: Transaction) -> None:
        """Make the transaction durable. See ``Store.write``."""
        with self._lock, store_errors(self._where):
            db = self._own.connected()
            day = datetime.datetime.now(datetime.UTC).date()
            if self._partition and (self._partitioned_to is None or day > self._partitioned_to):
                make_partitions(db, day)
                self._partitioned_to = day
            revision = self._own.revision + 1
            last_seq = transaction.events[-1].seq if transaction.events else self._own.last_seq
            committing = False
            try:
                db.execute("BEGIN")
                self._own.fence(db, revision, last_seq)
                put(db, self._shard, transaction, day)
                committing = True
                db.execute("COMMIT")
            except BaseException:
                if committing and db.closed:
                    self._own.doubt = revision
                    if not self._own.reconnect():
                        raise  # settled: it did not happen
                elif committing:
                    # Refused by the server, or interrupted while waiting: only the row knows.
                    db.close()
                    self._own.doubt = revision
                    raise
                else:
                    self._roll_back(db)
                    raise
            self._own.revision, self._own.last_seq = revision, last_seq
            self._refresh_size()

    @staticmethod
    def _roll_back(db: Connection) -> None:
        try:
            db.execute("ROLLBACK")
        except psycopg.Error:
            db.close()  # which makes the server roll back

    def _refresh_size(self) -> None:
        assert self._own.db is not None
        try:
            self._read_size(self._own.db)
        except psycopg.Error:
            return  # the transaction is durable; the next write meets whatever is wrong here

    # --- reading ---

    def _select(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run a query; once more if the connection proves lost, as after a restart of the server."""
        with self._lock, store_errors(self._where):
            db = self._own.connected()
            try:
                return db.execute(statement.encode(), values).fetchall()
            except psycopg.OperationalError:
                if not db.closed:
                    raise
            return self._own.connected().execute(statement.encode(), values).fetchall()

    def find(self, keys: Sequence[int]) -> dict[int, list[int]]:
        """Return the sequence numbers of events with these keys, of any shard. See ``Store.find``."""
        found: dict[int, list[int]] = {}
        if keys:
            for key, seq in self._select(FIND, (list(set(keys)),)):
                found.setdefault(key, []).append(seq)
        return found

    def read(self, seqs: Iterable[int]) -> dict[int, StoredEvent]:
        """Return stored events by sequence number. See ``Store.read``."""
        wanted = list(seqs)
        return {row[0]: decode_event(row) for row in self._select(READ, (wanted,))} if wanted else {}

    def state(self) -> dict[str, bytes]:
        """Return all named values of this shard."""
        rows = self._select("SELECT name, value FROM plumbline.state WHERE shard = %s", (self._shard,))
        return {name: bytes(value) for name, value in rows}

    def pending_for(self, predictions: Sequence[int]) -> dict[int, Waiting]:
        """Return the waiting outcomes of these predictions."""
        if not predictions:
            return {}
        rows = self._select(
            "SELECT prediction, due, key, body FROM plumbline.pending WHERE shard = %s AND prediction = ANY(%s)",
            (self._shard, list(predictions)),
        )
        return {row[0]: Waiting(*row) for row in rows}

    def pending_due(self, now: float, limit: int) -> list[Waiting]:
        """Return pending outcomes whose time has come, earliest first."""
        rows = self._select(
            "SELECT prediction, due, key, body FROM plumbline.pending WHERE shard = %s AND due <= %s "
            "ORDER BY due, prediction LIMIT %s",
            (self._shard, now, limit),
        )
        return [Waiting(*row) for row in rows]

    def pending_count(self) -> int:
        """Return how many outcomes wait for maturity."""
        rows = self._select("SELECT count(*) FROM plumbline.pending WHERE shard = %s", (self._shard,))
        return int(rows[0][0])

    def orphans(self) -> list[Waiting]:
        """Return the outcomes that wait for their prediction."""
        rows = self._select(
            "SELECT outcome, due, key, body FROM plumbline.orphans WHERE shard = %s ORDER BY outcome", (self._shard,)
        )
        return [Waiting(*row) for row in rows]

    def reader(self) -> PostgresReader:
        """Return a reader with a connection of its own. See ``Store.reader``."""
        return PostgresReader(self._url)

    def close(self) -> None:
        """Close the connection, which gives the shard up."""
        with self._lock:
            self._own.closed = True
            if self._own.db is not None:
                self._own.db.close()
