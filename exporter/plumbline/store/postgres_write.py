"""The statements that write a transaction into a PostgreSQL store."""

from __future__ import annotations

import datetime

from plumbline.store.base import Transaction
from plumbline.store.postgres_reader import EVENT_COLUMNS
from plumbline.store.postgres_schema import Connection

_TABLES = (("pending", "prediction"), ("orphans", "outcome"))


def put(db: Connection, shard: str, t: Transaction, day: datetime.date) -> None:
    """Write what a transaction holds, within one that was begun.

    Args:
        db: the shard's connection.
        shard: its name.
        t: what to write.
        day: whose partition takes the events.
    """
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
                [(shard, name, value) for name, value in t.state.items()],
            )
        changes = ((t.pending, t.pending_done), (t.orphans, t.orphans_done))
        for (table, column), (added, done) in zip(_TABLES, changes, strict=True):
            if added:
                upsert = (
                    f"INSERT INTO plumbline.{table} (shard, {column}, due, key, body) "  # noqa: S608
                    f"VALUES (%s, %s, %s, %s, %s) ON CONFLICT (shard, {column}) DO UPDATE "
                    "SET due = excluded.due, key = excluded.key, body = excluded.body"
                )
                cursor.executemany(upsert.encode(), [(shard, w.prediction, w.due, w.key, w.body) for w in added])
            if done:
                delete = f"DELETE FROM plumbline.{table} WHERE shard = %s AND {column} = ANY(%s)"  # noqa: S608
                cursor.execute(delete.encode(), (shard, list(done)))
