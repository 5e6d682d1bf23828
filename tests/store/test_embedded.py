from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbline.errors import StoreError, StoreFull
from plumbline.store.base import StoredEvent, Transaction, Waiting
from plumbline.store.embedded import EmbeddedStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path / "data")
    yield made
    made.close()


def row(seq: int, key: int = 0, identity: int = 0, links: tuple[int, ...] = ()) -> StoredEvent:
    return StoredEvent(seq, "prediction", float(seq), key or seq, identity or seq + 10**6, links, b"{%d}" % seq)


def test_written_events_are_found_by_key_and_read_back(store: EmbeddedStore) -> None:
    store.write(Transaction(events=[row(1, key=5), row(2, key=5), row(3, key=6, links=(77,))]))
    assert store.last_seq == 3
    assert store.find([5, 77, 99]) == {5: [1, 2], 77: [3]}
    assert store.read([2, 9]) == {2: row(2, key=5)}


def test_a_reopened_store_has_everything(tmp_path: Path) -> None:
    first = EmbeddedStore(tmp_path)
    waiting = Waiting(1, 50.0, 5, b"w")
    first.write(
        Transaction(events=[row(1, key=5)], state={"a": b"1"}, pending=[waiting], orphans=[Waiting(1, 9.0, 5, b"")])
    )
    first.close()
    second = EmbeddedStore(tmp_path)
    assert second.last_seq == 1
    assert second.find([5]) == {5: [1]}
    assert second.state() == {"a": b"1"}
    assert second.pending_due(50.0, 10) == [waiting]
    assert second.pending_due(49.9, 10) == []
    assert second.pending_for([1, 2]) == {1: waiting}
    assert [w.prediction for w in second.orphans()] == [1]
    second.write(Transaction(pending_done=[1], orphans_done=[1]))
    assert second.pending_count() == 0
    assert second.orphans() == []
    second.close()


def test_a_folder_has_one_owner(store: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="another plumbline process owns this data folder"):
        EmbeddedStore(tmp_path / "data")


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "plumbline.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 50)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database; restore it"):
        EmbeddedStore(tmp_path)


def test_a_full_disk_stores_nothing_and_recovers(store: EmbeddedStore) -> None:
    store.write(Transaction(events=[row(1)]))
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages + 1}")  # SQLite reports it as it does ENOSPC
    big = [StoredEvent(s, "log", 0.0, s, s, (), b"x" * 5000) for s in range(2, 40)]
    with pytest.raises(StoreFull):
        store.write(Transaction(events=big, state={"n": b"38"}))
    assert store.last_seq == 1
    assert store.state() == {}
    assert store.find([2]) == {}
    store._db.execute("PRAGMA max_page_count=1000000")
    store.write(Transaction(events=big))
    assert store.last_seq == 39


WRITER = """
import sys
from pathlib import Path
from plumbline.store.base import StoredEvent, Transaction
from plumbline.store.embedded import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]))
while True:
    n = store.last_seq
    events = [StoredEvent(n + i, "log", 0.0, n + i, n + i, (), b"x" * 300) for i in range(1, 51)]
    store.write(Transaction(events=events, state={"count": str(n + 50).encode()}))
    print(n + 50, flush=True)
"""


def test_kill_9_at_random_points_loses_nothing_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(11)
    acknowledged = 0
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=env
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        acknowledged = max([acknowledged, *(int(line) for line in lines if line.strip().isdigit())])
        with sqlite3.connect(tmp_path / "plumbline.sqlite") as db:
            count, newest = db.execute("SELECT count(*), max(seq) FROM events").fetchone()
            state = int(db.execute("SELECT value FROM state WHERE name = 'count'").fetchone()[0])
        db.close()
        assert count == newest == state  # events and counters are one transaction
        assert newest >= acknowledged
    store = EmbeddedStore(tmp_path)
    assert store.find([store.last_seq]) == {store.last_seq: [store.last_seq]}
    store.close()


def test_a_folder_whose_index_cannot_be_made_is_one_message_and_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    with pytest.raises(StoreError, match="cannot be opened"):
        EmbeddedStore(tmp_path)
    (tmp_path / "index").unlink()
    EmbeddedStore(tmp_path).close()
