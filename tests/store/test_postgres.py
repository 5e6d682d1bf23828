"""What only a server can do to a store: vanish, come back, be shared, be taken over."""

from __future__ import annotations

import datetime
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from plumbline.errors import StoreError, UsageError
from plumbline.events.parse import parse
from plumbline.store.base import StoredEvent, Transaction
from plumbline.store.open import open_reader, open_store
from plumbline.store.postgres import PostgresStore
from plumbline.store.postgres_reader import PostgresReader
from plumbline.store.postgres_schema import SHARD_BITS
from support.postgres import Postgres
from support.samples import body, open_sample, outcome, prediction, values
from support.vanishing import cut, vanishing


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


def row(seq: int, key: int = 0) -> StoredEvent:
    return StoredEvent(seq, "log", 0.0, key or seq, seq, (), b"x")


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as db:
        return db.execute(statement.encode()).fetchall()


def test_events_lie_in_the_partition_of_their_day_and_tomorrows_is_ready(url: str) -> None:
    store = PostgresStore(url)
    before = datetime.datetime.now(datetime.UTC).date()
    store.write(Transaction(events=[row(1)]))
    after = datetime.datetime.now(datetime.UTC).date()
    store.close()
    found = {name for (name,) in ask(url, "SELECT tableoid::regclass::text FROM plumbline.events")}
    assert found <= {f"plumbline.events_{day:%Y%m%d}" for day in (before, after)}
    assert len(found) == 1
    tomorrow = f"plumbline.events_{before + datetime.timedelta(days=1):%Y%m%d}"
    assert ask(url, f"SELECT to_regclass('{tomorrow}') IS NOT NULL") == [(True,)]


def test_shards_share_events_but_not_state_or_sequence_numbers(url: str) -> None:
    first, second = PostgresStore(url, "a"), PostgresStore(url, "b")
    assert second.last_seq == 1 << SHARD_BITS
    first.write(Transaction(events=[row(1, key=5)], state={"n": b"a"}))
    second.write(Transaction(events=[row(second.last_seq + 1, key=5)], state={"n": b"b"}))
    assert first.find([5]) == second.find([5]) == {5: [1, (1 << SHARD_BITS) + 1]}
    assert (first.state(), second.state()) == ({"n": b"a"}, {"n": b"b"})
    first.close()
    second.close()


def test_the_store_outlives_its_server(postgres: Postgres, url: str) -> None:
    store = PostgresStore(url)
    reader = store.reader()
    store.write(Transaction(events=[row(1)]))
    postgres.stop("immediate")
    with pytest.raises(StoreError):
        store.find([1])
    with pytest.raises(StoreError):
        store.write(Transaction(events=[row(2)]))
    with pytest.raises(StoreError):
        reader.read([1])
    postgres.start()
    store.write(Transaction(events=[row(2)]))
    assert store.find([1, 2]) == {1: [1], 2: [2]}
    assert set(reader.read([1, 2])) == {1, 2}
    postgres.stop("immediate")
    postgres.start()
    with pytest.raises(StoreError):  # the connection proves lost only now
        store.write(Transaction(events=[row(3)]))
    assert store.last_seq == 2
    store.write(Transaction(events=[row(3)]))
    assert store.last_seq == 3
    reader.close()
    store.close()


@pytest.mark.parametrize("happened", [True, False])
def test_a_commit_without_answer_is_settled_at_once_when_the_server_is_there(url: str, happened: bool) -> None:
    store = PostgresStore(url)
    cut(store, happened)
    if happened:
        store.write(Transaction(events=[row(1)]))
    else:
        with pytest.raises(StoreError):
            store.write(Transaction(events=[row(1)]))
    assert store.generation == 0
    assert store.last_seq == int(happened)
    store.write(Transaction(events=[row(store.last_seq + 1)]))
    assert len(ask(url, "SELECT seq FROM plumbline.events")) == store.last_seq
    store.close()


@pytest.mark.parametrize("happened", [True, False])
def test_the_engine_counts_once_what_a_vanished_server_did_commit(url: str, tmp_path: Path, happened: bool) -> None:
    store = PostgresStore(url)
    engine = open_sample(tmp_path, store)
    batch = parse(body(prediction("r1"), outcome("r1", "0")), 10_000.0)
    with vanishing(store, happened):
        with pytest.raises(StoreError):
            engine.commit([batch], 10_000.0)
        with pytest.raises(StoreError):
            engine.commit([batch], 10_000.0)
    shown = {block.key: block for block in engine.blocks()}
    assert values(engine.blocks())["ml_predictions_total", "clf", "1"] == 0
    if happened:
        with pytest.raises(StoreError, match="which did happen"):
            engine.commit([batch], 10_000.0)
    assert engine.commit([batch], 10_000.0) == [2 if happened else 0]
    counted = values(engine.blocks())
    assert counted["ml_predictions_total", "clf", "1"] == 1
    assert counted["plumbline_events_total", "outcome"] == 1
    for block in engine.blocks():  # a renderer reuses the bytes of a generation
        before = shown.get(block.key)
        if before is not None and before.values.tobytes() != block.values.tobytes():
            assert block.generation != before.generation, block.key
    engine.close()


def test_who_was_taken_over_can_never_commit_again(url: str) -> None:
    old = PostgresStore(url)
    old.write(Transaction(events=[row(1)]))
    assert old._own.db is not None
    old._own.db.execute("SELECT pg_advisory_unlock_all()")  # as on an engine without such locks
    new = PostgresStore(url)
    with pytest.raises(StoreError, match="has taken this shard over"):
        old.write(Transaction(events=[row(2)]))
    new.write(Transaction(events=[row(2)]))
    assert new.find([2]) == {2: [2]}
    old.close()
    new.close()


def test_a_foreign_schema_version_is_a_clear_error(url: str) -> None:
    with pytest.raises(StoreError, match="holds no plumbline store"):
        PostgresReader(url)
    PostgresStore(url).close()
    ask(url, "UPDATE plumbline.meta SET value = '99' WHERE name = 'schema_version' RETURNING 1")
    for opening in (PostgresStore, PostgresReader):
        with pytest.raises(StoreError, match="it has schema 99 and this plumbline reads 2"):
            opening(url)


def test_the_url_chooses_the_store_and_may_hold_no_password(url: str, tmp_path: Path) -> None:
    store = open_store(tmp_path, url, "s")
    reader = open_reader(None, url)
    assert isinstance(store, PostgresStore)
    assert isinstance(reader, PostgresReader)
    reader.close()
    store.close()
    with pytest.raises(UsageError, match="holds a password") as caught:
        open_store(None, "postgresql://u:secret1@localhost/db")
    assert "secret1" not in str(caught.value)
    for wrong in ("mysql://h/db", "postgresql://h/db?nonsense=secret1"):
        with pytest.raises(UsageError) as caught:
            open_store(None, wrong)
        assert "secret1" not in str(caught.value)
    with pytest.raises(UsageError, match="give --data FOLDER or --store URL"):
        open_store(None)


WRITER = """
import sys, time
from plumbline.errors import StoreError
from plumbline.store.base import StoredEvent, Transaction
from plumbline.store.postgres import PostgresStore
end = time.monotonic() + 30
while True:
    try:
        store = PostgresStore(sys.argv[1])
        break
    except StoreError:
        if time.monotonic() > end: raise
        time.sleep(0.05)
while True:
    n = store.last_seq
    events = [StoredEvent(n + i, "log", 0.0, n + i, n + i, (), b"x" * 300) for i in range(1, 51)]
    try:
        store.write(Transaction(events=events, state={"count": str(n + 50).encode()}))
    except StoreError:
        time.sleep(0.02)
        continue
    print(n + 50, flush=True)
"""


def test_crashes_of_writer_and_server_lose_nothing_acknowledged(postgres: Postgres, url: str) -> None:
    rng = random.Random(7)
    acknowledged = 0
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for number in range(5):
        process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, env=env)
        lines: list[str] = []
        assert process.stdout is not None
        lines.append(process.stdout.readline())
        rest = threading.Thread(target=lines.extend, args=(process.stdout,))
        rest.start()
        try:
            time.sleep(rng.uniform(0, 0.15))
            if number % 2:
                postgres.stop("immediate")
                postgres.start()
                goal = len(lines) + 3
                end = time.monotonic() + 60
                while len(lines) < goal and time.monotonic() < end:
                    time.sleep(0.02)
                assert len(lines) >= goal, "the writer did not go on after the server's restart"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            rest.join()
            process.stdout.close()
        acknowledged = max([acknowledged, *(int(line) for line in lines if line.endswith("\n"))])
        ((count, newest),) = ask(url, "SELECT count(*), max(seq) FROM plumbline.events")
        ((state,),) = ask(url, "SELECT convert_from(value, 'UTF8')::bigint FROM plumbline.state")
        assert count == newest == state  # events and counters are one transaction
        assert newest >= acknowledged
