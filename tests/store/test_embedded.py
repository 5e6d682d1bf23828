from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plumbline.errors import StoreError
from plumbline.store.embedded import EmbeddedStore


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "plumbline.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 50)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database; restore it"):
        EmbeddedStore(tmp_path)


def test_a_missing_database_beside_its_index_is_no_new_store(tmp_path: Path) -> None:
    EmbeddedStore(tmp_path).close()
    (tmp_path / "plumbline.sqlite").unlink()
    with pytest.raises(StoreError, match="it is missing or empty, though its index is there; restore it"):
        EmbeddedStore(tmp_path)


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    EmbeddedStore(tmp_path / "data").close()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


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
