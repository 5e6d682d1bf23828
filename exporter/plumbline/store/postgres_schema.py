"""What lies in a PostgreSQL store, and how it is made. Reads and writes the schema ``plumbline``.

Every statement is one that CockroachDB, YugabyteDB and Citus take as well: plain types, ``IF NOT EXISTS``,
primary keys, upserts by primary key, ``= ANY(array)``. The one exception is declarative partitioning,
which CockroachDB spells differently: there the tables are made whole.

- ``events``: one row per event, partitioned by the UTC day of arrival, so that a day can be dropped.
- ``event_keys``: under which 64-bit keys an event is found, partitioned alike; each partition has its own
  index, so that today's stays small enough for memory.
- ``shards``: one row per exporter; who owns it (``epoch``) and how far it is (``revision``, ``last_seq``).
- ``state``, ``pending``, ``orphans``: as in ``plumbline.store.base``, per shard. Their keys begin with the
  shard, which is also what Citus would distribute them by.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from plumbline.errors import StoreError

SCHEMA_VERSION = 2
SHARD_BITS = 40  # a sequence number is the shard's number, then 40 bits that count: over 10^12 events each
LARGEST_SHARD = 2 ** (53 - SHARD_BITS) - 1  # beyond 2^53 JSON readers round

_MIGRATION_LOCK = 0x706C756D62  # any number that nobody else has
_PARTITIONED = {
    "events": """
        day date NOT NULL, seq bigint NOT NULL, kind text NOT NULL, ts double precision NOT NULL,
        key bigint NOT NULL, identity bigint NOT NULL, links bigint[] NOT NULL, raw bytea NOT NULL,
        PRIMARY KEY (seq, day)""",
    "event_keys": """
        day date NOT NULL, key bigint NOT NULL, seq bigint NOT NULL, PRIMARY KEY (key, seq, day)""",
}
_WHOLE = (
    """CREATE TABLE IF NOT EXISTS plumbline.shards (
        name text PRIMARY KEY, number bigint NOT NULL UNIQUE, epoch bigint NOT NULL,
        revision bigint NOT NULL, last_seq bigint NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS plumbline.state (
        shard text NOT NULL, name text NOT NULL, value bytea NOT NULL, PRIMARY KEY (shard, name))""",
    """CREATE TABLE IF NOT EXISTS plumbline.pending (
        shard text NOT NULL, prediction bigint NOT NULL, due double precision NOT NULL,
        key bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (shard, prediction))""",
    # For people, who ask by time: dashboards over the store, exports.
    "CREATE INDEX IF NOT EXISTS events_kind_ts ON plumbline.events (kind, ts)",
    "CREATE INDEX IF NOT EXISTS pending_due ON plumbline.pending (shard, due, prediction)",
    """CREATE TABLE IF NOT EXISTS plumbline.orphans (
        shard text NOT NULL, outcome bigint NOT NULL, due double precision NOT NULL,
        key bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (shard, outcome))""",
)

Connection = psycopg.Connection[tuple[Any, ...]]


def can_partition(db: Connection) -> bool:
    """Whether the server knows ``PARTITION OF``; every relative of PostgreSQL but CockroachDB does."""
    row = db.execute("SELECT version()").fetchone()
    return row is not None and "CockroachDB" not in row[0]


def prepare(db: Connection) -> None:
    """Make the schema, or check that this plumbline reads the one that is there.

    Raises:
        StoreError: it is another version's.
        psycopg.Error: the server refused, for instance because the role may not create a schema.
    """
    exists = db.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = 'plumbline' AND table_name = 'meta'"
    ).fetchone()
    if not exists:
        _create(db)
    row = db.execute("SELECT value FROM plumbline.meta WHERE name = 'schema_version'").fetchone()
    version = int(row[0]) if row else 0
    if version != SCHEMA_VERSION:
        raise StoreError(f"it has schema {version} and this plumbline reads {SCHEMA_VERSION}")


@contextmanager
def migrating(db: Connection) -> Iterator[None]:
    """A transaction that changes the schema: one at a time, where exporters start together."""
    with db.transaction():
        if can_partition(db):
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        yield


def _create(db: Connection) -> None:
    partitioned = can_partition(db)
    with migrating(db):
        db.execute("CREATE SCHEMA IF NOT EXISTS plumbline")
        for name, columns in _PARTITIONED.items():
            suffix = " PARTITION BY RANGE (day)" if partitioned else ""
            text = f"CREATE TABLE IF NOT EXISTS plumbline.{name} ({columns}){suffix}"
            db.execute(text.encode())  # bytes: psycopg wants literal text only, and these are constants
        for statement in _WHOLE:
            db.execute(statement.encode())
        # Last: whoever finds this table finds all of them.
        db.execute("CREATE TABLE IF NOT EXISTS plumbline.meta (name text PRIMARY KEY, value text NOT NULL)")
        db.execute(
            "INSERT INTO plumbline.meta (name, value) VALUES ('schema_version', %s) ON CONFLICT (name) DO NOTHING",
            (str(SCHEMA_VERSION),),
        )


def make_partitions(db: Connection, day: datetime.date) -> None:
    """Make the partitions of a day and of the next one, so that midnight needs no change of schema."""
    for at in (day, day + datetime.timedelta(days=1)):
        for table in _PARTITIONED:
            name = f"{table}_{at:%Y%m%d}"
            known = db.execute(
                "SELECT 1 FROM information_schema.tables WHERE table_schema = 'plumbline' AND table_name = %s", (name,)
            ).fetchone()
            if known:
                continue
            statement = sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier("plumbline", name),
                sql.Identifier("plumbline", table),
                sql.Literal(at.isoformat()),
                sql.Literal((at + datetime.timedelta(days=1)).isoformat()),
            )
            try:
                db.execute(statement)
            except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
                continue  # another exporter was quicker
