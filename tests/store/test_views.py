"""The views of a PostgreSQL store: made anew, granted, and no condition for storing events."""

from __future__ import annotations

import psycopg
import pytest
import structlog.testing

from plumbline.store.base import StoredEvent, Transaction
from plumbline.store.postgres import PostgresStore
from plumbline.store.postgres_views import READER, VIEWS, VIEWS_VERSION
from support.postgres import Postgres


def ask(url: str, statement: str, role: str = "") -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as db:
        if role:
            db.execute(f"SET ROLE {role}".encode())
        cursor = db.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def event(seq: int) -> StoredEvent:
    return StoredEvent(seq, "kpi", 1000.0, seq, seq, (), b'{"type": "kpi", "kpi": "margin", "value": 2.5}')


def make_role(url: str, name: str) -> None:
    if (name,) not in ask(url, "SELECT rolname FROM pg_roles"):
        ask(url, f"CREATE ROLE {name} LOGIN")


def test_views_of_another_version_are_made_anew_and_granted_again(postgres: Postgres) -> None:
    url = postgres.new_database()
    make_role(url, READER)
    PostgresStore(url).close()
    assert ask(url, "SELECT count(*) FROM plumbline_views.kpis", READER) == [(0,)]
    ask(url, "DROP VIEW plumbline_views.kpis")
    ask(url, "UPDATE plumbline.meta SET value = '0' WHERE name = 'views_version'")
    store = PostgresStore(url)
    store.write(Transaction(events=[event(1)]))
    store.close()
    assert ask(url, "SELECT kpi, value FROM plumbline_views.kpis", READER) == [("margin", 2.5)]
    assert ask(url, "SELECT value FROM plumbline.meta WHERE name = 'views_version'") == [(str(VIEWS_VERSION),)]


def test_opening_again_leaves_the_views_as_they_are(postgres: Postgres) -> None:
    url = postgres.new_database()
    PostgresStore(url).close()
    of_views = "SELECT oid FROM pg_class WHERE relnamespace = 'plumbline_views'::regnamespace ORDER BY 1"
    before = ask(url, of_views)
    assert len(before) == len(VIEWS) + 2  # documents and keys
    PostgresStore(url).close()
    assert ask(url, of_views) == before


def test_a_role_that_may_make_no_schema_stores_events_all_the_same(postgres: Postgres) -> None:
    url = postgres.new_database()
    PostgresStore(url).close()
    make_role(url, "writer")
    ask(url, "DROP SCHEMA plumbline_views CASCADE")
    ask(url, "DELETE FROM plumbline.meta WHERE name = 'views_version'")
    for table in ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'plumbline'"):
        ask(url, f"ALTER TABLE plumbline.{table[0]} OWNER TO writer")
    ask(url, "GRANT USAGE, CREATE ON SCHEMA plumbline TO writer")
    theirs = url.replace(f"{postgres.user}@", "writer@")
    with structlog.testing.capture_logs() as lines:
        store = PostgresStore(theirs)
    assert [line["event"] for line in lines] == ["the views for dashboards could not be made"]
    assert "permission denied" in lines[0]["problem"]
    store.write(Transaction(events=[event(1)]))
    assert store.find([1]) == {1: [1]}
    store.close()
    with pytest.raises(psycopg.errors.InvalidSchemaName):
        ask(url, "SELECT plumbline_views.request_key('x')")
