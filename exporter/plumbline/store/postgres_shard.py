"""A shard of a PostgreSQL store, and the one process that owns it.

One owner per shard, by two means. A session's advisory lock refuses a second process at once, where the
server has such locks. And every transaction first updates the shard's row on condition that its
``epoch`` is still ours: opening raises the epoch, so a process that was taken over, whatever it missed,
can never commit again. The second alone is safe; it needs nothing but a row.

When the connection breaks during ``COMMIT``, nobody can tell whether it happened until the server is back;
the row's ``revision`` then tells.
"""

from __future__ import annotations

import hashlib
import time

import psycopg

from plumbline.errors import StoreError
from plumbline.store.postgres_reader import connect
from plumbline.store.postgres_schema import LARGEST_SHARD, SHARD_BITS, Connection

_TAKE_SECONDS = 3.0  # the server may take a moment to notice that the owner before us was killed


class Shard:
    """Owns a shard over one connection after the other.

    Args:
        url: of the store.
        name: of the shard.
        where: names both in messages.

    Attributes:
        db: the connection; None before ``take``.
        revision: number of the shard's newest transaction.
        last_seq: sequence number of its newest event.
        doubt: revision of a commit without answer.
        generation: see ``Store.generation``.
        closed: whether no connection is to be made any more.
    """

    def __init__(self, url: str, name: str, where: str) -> None:
        self._url = url
        self._name = name
        self._where = where
        self._epoch = 0
        self.db: Connection | None = None
        self.revision = 0
        self.last_seq = 0
        self.doubt: int | None = None
        self.generation = 0
        self.closed = False

    def take(self, db: Connection) -> None:
        """Become the owner, over this connection.

        Raises:
            StoreError: another process owns the shard, or there are too many shards.
        """
        end = time.monotonic() + _TAKE_SECONDS
        while not self._try_lock(db):
            if time.monotonic() < end:
                time.sleep(0.05)
                continue
            raise StoreError("another plumbline process owns this shard; stop it or give this one another --shard")
        row = db.execute("SELECT number FROM plumbline.shards WHERE name = %s", (self._name,)).fetchone()
        if row is None:
            # Two new shards at once may choose one number; UNIQUE lets one of them fail and try again.
            row = db.execute("SELECT coalesce(max(number) + 1, 0) FROM plumbline.shards").fetchone()
            assert row is not None
            number = int(row[0])
            if number > LARGEST_SHARD:
                raise StoreError(f"it has {number} shards already, and no more can be numbered")
            db.execute(
                "INSERT INTO plumbline.shards (name, number, epoch, revision, last_seq) VALUES (%s, %s, 0, 0, %s)",
                (self._name, number, number << SHARD_BITS),
            )
        self._set_up(db)
        row = db.execute(
            "UPDATE plumbline.shards SET epoch = epoch + 1 WHERE name = %s RETURNING epoch, revision, last_seq",
            (self._name,),
        ).fetchone()
        assert row is not None
        self._epoch, self.revision, self.last_seq = (int(value) for value in row)
        self.db = db

    def _try_lock(self, db: Connection) -> bool:
        digest = hashlib.blake2b(f"plumbline/{self._name}".encode(), digest_size=8).digest()
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

    def connected(self) -> Connection:
        """Return a connection that owns the shard; settle what a lost one left open.

        Raises:
            psycopg.Error: the server is not there.
            StoreError: the shard is another's by now, or the last transaction did commit after all.
        """
        if self.db is not None and not self.db.closed:
            return self.db
        if self.closed:
            raise StoreError(f"{self._where}: the store is closed")
        if self.reconnect():
            self.generation += 1
            raise StoreError(
                f"{self._where}: the connection was lost during a commit, which did happen: counters are read again"
            )
        assert self.db is not None
        return self.db

    def reconnect(self) -> bool:
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
                (self._name, self._epoch),
            ).fetchone()
            if row is None:
                raise StoreError(f"{self._where}: another plumbline process has taken this shard over")
        except (psycopg.Error, StoreError):
            db.close()
            raise
        self.db = db
        self._epoch, revision, self.last_seq = (int(value) for value in row)
        committed = self.doubt is not None and revision == self.doubt
        self.revision, self.doubt = revision, None
        return committed

    def fence(self, db: Connection, revision: int, last_seq: int) -> None:
        """Make the transaction in hand one that only the owner can commit.

        Raises:
            StoreError: another process has taken the shard over.
        """
        updated = db.execute(
            "UPDATE plumbline.shards SET revision = %s, last_seq = %s WHERE name = %s AND epoch = %s",
            (revision, last_seq, self._name, self._epoch),
        )
        if updated.rowcount != 1:
            raise StoreError(f"{self._where}: another plumbline process has taken this shard over")
