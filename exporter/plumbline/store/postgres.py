"""A store in PostgreSQL, or in an engine that speaks its protocol; several exporters may share one.

Each exporter is a *shard* with a name: it has its own state, its own waiting outcomes and its own range
of sequence numbers; events of all shards lie together, so that a trace finds them wherever they came in.

One owner per shard, by two means. A session's advisory lock refuses a second process at once, where the
server has such locks. And every transaction first updates the shard's row on condition that its
``epoch`` is still ours: opening raises the epoch, so a process that was taken over, whatever it missed,
can never commit again. The second alone is safe; it needs nothing but a row.

Durability: ``write`` returns after ``COMMIT`` with ``synchronous_commit`` at least ``on``. When the
connection breaks during ``COMMIT``, nobody can tell whether it happened until the server is back; the
row's ``revision`` then tells (see ``PostgresStore.generation``).
"""

from __future__ import annotations

import datetime
import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from plumbline.errors import StoreError
from plumbline.store.base import StoredEvent, Transaction, Waiting
from plumbline.store.postgres_reader import (
    EVENT_COLUMNS,
    FIND,
    READ,
    PostgresReader,
    check_url,
    connect,
    decode_event,
    store_errors,
)
from plumbline.store.postgres_schema import (
    LARGEST_SHARD,
    SHARD_BITS,
    Connection,
    can_partition,
    make_partitions,
    prepare,
)
from plumbline.store.postgres_views import make_views

DEFAULT_SHARD = "main"
_SIZE_SECONDS = 60.0
_TAKE_SECONDS = 3.0  # the server may take a moment to notice that the owner before us was killed
_TABLES = (("pending", "prediction"), ("orphans", "outcome"))


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
        self._doubt: tuple[int, int] | None = None  # revision and last_seq of a commit without answer
        self._generation = 0
        self._size, self._size_read = 0, float("-inf")
        self._db: Connection | None = None
        self._closed = False
        with store_errors(self._where):
            db = connect(url)
            try:
                prepare(db)
                make_views(db)
                self._epoch, self._revision, self._last_seq = self._take(db)
                self._partition = can_partition(db)
                self._read_size(db)
            except (psycopg.Error, StoreError) as error:
                db.close()
                if isinstance(error, StoreError):
                    raise StoreError(f"{self._where}: {error}") from error
                raise
        self._db = db

    # --- owning the shard ---

    def _take(self, db: Connection) -> tuple[int, int, int]:
        """Become the owner; return epoch, revision and newest sequence number."""
        end = time.monotonic() + _TAKE_SECONDS
        while not self._try_lock(db):
            if time.monotonic() < end:
                time.sleep(0.05)
                continue
            raise StoreError(
                "another plumbline process owns this shard; stop it or give this one another --shard"
            )
        row = db.execute("SELECT number FROM plumbline.shards WHERE name = %s", (self._shard,)).fetchone()
        if row is None:
            # Two new shards at once may choose one number; UNIQUE lets one of them fail and try again.
            row = db.execute("SELECT coalesce(max(number) + 1, 0) FROM plumbline.shards").fetchone()
            assert row is not None
            number = int(row[0])
            if number > LARGEST_SHARD:
                raise StoreError(f"it has {number} shards already, and no more can be numbered")
            db.execute(
                "INSERT INTO plumbline.shards (name, number, epoch, revision, last_seq) "
                "VALUES (%s, %s, 0, 0, %s)",
                (self._shard, number, number << SHARD_BITS),
            )
        self._set_up(db)
        row = db.execute(
            "UPDATE plumbline.shards SET epoch = epoch + 1 WHERE name = %s "
            "RETURNING epoch, revision, last_seq",
            (self._shard,),
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1]), int(row[2])

    def _try_lock(self, db: Connection) -> bool:
        digest = hashlib.blake2b(f"plumbline/{self._shard}".encode(), digest_size=8).digest()
        try:
            row = db.execute(
                "SELECT pg_try_advisory_lock(%s)", (int.from_bytes(digest, "big", signed=True),)
            ).fetchone()
        except (psycopg.errors.UndefinedFunction, psycopg.errors.FeatureNotSupported):
            return True  # an engine without such locks: the epoch decides alone
        return row is None or bool(row[0])

    @staticmethod
    def _set_up(db: Connection) -> None:
        row = db.execute("SHOW synchronous_commit").fetchone()
        if row is not None and row[0] == "off":  # anything stronger is the operator's choice
            db.execute("SET synchronous_commit = on")
        # A row lock is held only by a transaction of ours, or by that of a session just lost.
        db.execute("SET lock_timeout = '10s'")

    def _connected(self) -> Connection:
        """Return a connection that owns the shard; settle what a lost one left open.

        Raises:
            psycopg.Error: the server is not there.
            StoreError: the shard is another's by now, or the last transaction did commit after all.
        """
        if self._db is not None and not self._db.closed:
            return self._db
        if self._closed:
            raise StoreError(f"{self._where}: the store is closed")
        if self._reconnect():
            self._generation += 1
            raise StoreError(
                f"{self._where}: the connection was lost during a commit, which did happen: "
                "counters are read again"
            )
        assert self._db is not None
        return self._db

    def _reconnect(self) -> bool:
        """Connect again; return whether the transaction in doubt, if any, did commit."""
        db = connect(self._url)
        try:
            self._set_up(db)
            # The old session may still hold the advisory lock, its end unnoticed; the epoch decides.
            self._try_lock(db)
            # Waits for a transaction of the old session, and makes sure that no later one can commit.
            row = db.execute(
                "UPDATE plumbline.shards SET epoch = epoch + 1 WHERE name = %s AND epoch = %s "
                "RETURNING epoch, revision, last_seq",
                (self._shard, self._epoch),
            ).fetchone()
            if row is None:
                raise StoreError(f"{self._where}: another plumbline process has taken this shard over")
        except (psycopg.Error, StoreError):
            db.close()
            raise
        self._db = db
        self._epoch, revision, self._last_seq = (int(value) for value in row)
        committed = self._doubt is not None and revision == self._doubt[0]
        self._revision, self._doubt = revision, None
        return committed

    @property
    def generation(self) -> int:
        """Grows when the stored state turned out newer than ``write`` said. See ``Store.generation``."""
        return self._generation

    @property
    def last_seq(self) -> int:
        """Sequence number of this shard's newest event; the first shard begins at 0."""
        return self._last_seq

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
            db = self._connected()
            day = datetime.datetime.now(datetime.UTC).date()
            if self._partition and (self._partitioned_to is None or day > self._partitioned_to):
                make_partitions(db, day)
                self._partitioned_to = day
            revision = self._revision + 1
            last_seq = transaction.events[-1].seq if transaction.events else self._last_seq
            committing = False
            try:
                db.execute("BEGIN")
                self._fence(db, revision, last_seq)
                self._put(db, transaction, day)
                committing = True
                db.execute("COMMIT")
            except BaseException:
                if committing and db.closed:
                    self._doubt = (revision, last_seq)
                    if not self._reconnect():
                        raise  # settled: it did not happen
                elif committing:
                    # Refused by the server, or interrupted while waiting: only the row knows.
                    db.close()
                    self._doubt = (revision, last_seq)
                    raise
                else:
                    self._roll_back(db)
                    raise
            self._revision, self._last_seq = revision, last_seq
            self._refresh_size()

    @staticmethod
    def _roll_back(db: Connection) -> None:
        try:
            db.execute("ROLLBACK")
        except psycopg.Error:
            db.close()  # which makes the server roll back

    def _refresh_size(self) -> None:
        assert self._db is not None
        try:
            self._read_size(self._db)
        except psycopg.Error:
            return  # the transaction is durable; the next write meets whatever is wrong here

    def _fence(self, db: Connection, revision: int, last_seq: int) -> None:
        updated = db.execute(
            "UPDATE plumbline.shards SET revision = %s, last_seq = %s WHERE name = %s AND epoch = %s",
            (revision, last_seq, self._shard, self._epoch),
        )
        if updated.rowcount != 1:
            raise StoreError(f"{self._where}: another plumbline process has taken this shard over")

    def _put(self, db: Connection, t: Transaction, day: datetime.date) -> None:
        with db.cursor() as cursor:
            if t.events:
                # COPY in text form: the fastest way in that every engine has.
                with cursor.copy(f"COPY plumbline.events (day, {EVENT_COLUMNS}) FROM STDIN") as copy:
                    for e in t.events:
                        copy.write_row((day, e.seq, e.kind, e.ts, e.key, e.identity, list(e.links), e.raw))
                with cursor.copy("COPY plumbline.event_keys (day, key, seq) FROM STDIN") as copy:
                    for e in t.events:
                        for key in {e.key, *e.links}:
                            copy.write_row((day, key, e.seq))
            if t.state:
                cursor.executemany(
                    "INSERT INTO plumbline.state (shard, name, value) VALUES (%s, %s, %s) "
                    "ON CONFLICT (shard, name) DO UPDATE SET value = excluded.value",
                    [(self._shard, name, value) for name, value in t.state.items()],
                )
            changes = ((t.pending, t.pending_done), (t.orphans, t.orphans_done))
            for (table, column), (added, done) in zip(_TABLES, changes, strict=True):
                if added:
                    upsert = (
                        f"INSERT INTO plumbline.{table} (shard, {column}, due, key, body) "  # noqa: S608
                        f"VALUES (%s, %s, %s, %s, %s) ON CONFLICT (shard, {column}) DO UPDATE "
                        "SET due = excluded.due, key = excluded.key, body = excluded.body"
                    )
                    cursor.executemany(
                        upsert.encode(), [(self._shard, w.prediction, w.due, w.key, w.body) for w in added]
                    )
                if done:
                    delete = f"DELETE FROM plumbline.{table} WHERE shard = %s AND {column} = ANY(%s)"  # noqa: S608
                    cursor.execute(delete.encode(), (self._shard, list(done)))

    # --- reading ---

    def _select(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run a query; once more if the connection proves lost, as after a restart of the server."""
        with self._lock, store_errors(self._where):
            db = self._connected()
            try:
                return db.execute(statement.encode(), values).fetchall()
            except psycopg.OperationalError:
                if not db.closed:
                    raise
            return self._connected().execute(statement.encode(), values).fetchall()

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
            "SELECT prediction, due, key, body FROM plumbline.pending "
            "WHERE shard = %s AND prediction = ANY(%s)",
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
            "SELECT outcome, due, key, body FROM plumbline.orphans WHERE shard = %s ORDER BY outcome",
            (self._shard,),
        )
        return [Waiting(*row) for row in rows]

    def reader(self) -> PostgresReader:
        """Return a reader with a connection of its own. See ``Store.reader``."""
        return PostgresReader(self._url)

    def close(self) -> None:
        """Close the connection, which gives the shard up."""
        with self._lock:
            self._closed = True
            if self._db is not None:
                self._db.close()
