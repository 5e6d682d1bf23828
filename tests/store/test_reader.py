from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plumbline.errors import StoreError
from plumbline.store.base import Reader, StoredEvent, Transaction, Waiting
from plumbline.store.embedded import EmbeddedStore
from plumbline.store.hashindex import HashIndex
from plumbline.store.reader import open_reader

BATCH, RUN = 500, 501


def event(seq: int, *links: int, kind: str = "prediction", ts: float | None = None) -> StoredEvent:
    raw = b'{"n":%d}' % seq
    return StoredEvent(seq, kind, float(seq) if ts is None else ts, 10**6 + seq, 10**7 + seq, links, raw)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def reader(store: EmbeddedStore) -> Iterator[Reader]:
    made = store.reader()
    yield made
    made.close()


def test_events_are_found_under_their_key_and_every_link(store: EmbeddedStore, reader: Reader) -> None:
    store.write(Transaction(events=[event(1, BATCH), event(2), event(3, BATCH, RUN)]))
    assert reader.find_after(BATCH) == [1, 3]
    assert reader.find_after(RUN) == [3]
    assert reader.find_after(10**6 + 2) == [2]
    assert reader.find_after(999) == []
    assert reader.read([3, 9]) == {3: event(3, BATCH, RUN)}


def test_a_key_of_any_number_of_events_is_read_by_parts(store: EmbeddedStore, reader: Reader) -> None:
    store.write(Transaction(events=[event(s, BATCH) for s in range(1, 26)]))
    found: list[int] = []
    after = 0
    while part := reader.find_after(BATCH, after, 10):
        assert len(part) <= 10
        found += part
        after = part[-1]
    assert found == list(range(1, 26))


def test_a_scan_keeps_to_kind_time_and_place(store: EmbeddedStore, reader: Reader) -> None:
    events = [event(1, ts=5.0), event(2, ts=9.0), event(3, kind="log", ts=6.0), event(4, ts=6.0), event(5, ts=6.5)]
    store.write(Transaction(events=events))
    assert [e.seq for e in reader.scan("prediction", 5.0, 9.0)] == [1, 4, 5]
    assert [e.seq for e in reader.scan("prediction", 5.0, 9.0, after=1, limit=1)] == [4]
    assert [e.seq for e in reader.scan("log", 0.0, 100.0)] == [3]


def test_waiting_outcomes_are_told_with_their_time(store: EmbeddedStore, reader: Reader) -> None:
    store.write(Transaction(events=[event(1), event(2)], pending=[Waiting(1, 50.0, 1, b"")]))
    assert reader.waiting([1, 2]) == {1: 50.0}


def test_another_process_reads_while_the_owner_writes_and_leaves_no_trace(store: EmbeddedStore, tmp_path: Path) -> None:
    store.write(Transaction(events=[event(1, BATCH)]))
    before = {p.relative_to(tmp_path) for p in tmp_path.rglob("*")}
    reader = open_reader(tmp_path / "data")
    assert reader.find_after(BATCH) == [1]
    store.write(Transaction(events=[event(2, BATCH)]))
    assert set(reader.read([1, 2])) == {1, 2}
    reader.close()
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*")} == before


def test_a_reader_uses_and_keeps_the_owners_index_files(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = HashIndex(folder, tail_events=16)
    index.load(0)
    for seq in range(1, 101):
        index.add([(seq, seq), (BATCH, seq)], seq)
    files = sorted(folder.iterdir())
    assert files
    (folder / "torn.tmp").write_bytes(b"x")
    beside = HashIndex(folder, readonly=True)
    first = beside.load(100)
    assert 1 < first <= 101
    for seq in range(first, 101):
        beside.add([(seq, seq), (BATCH, seq)], seq)
    assert beside.find_after(BATCH, 0, 1000) == list(range(1, 101))
    assert beside.find([7, 100]) == {7: [7], 100: [100]}
    assert sorted(folder.iterdir()) == sorted([*files, folder / "torn.tmp"])


def test_a_read_only_folder_can_be_read(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    store.write(Transaction(events=[event(1, BATCH)]))
    store.close()
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    reader = open_reader(tmp_path)
    assert reader.find_after(BATCH) == [1]
    reader.close()
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_what_is_no_store_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no plumbline store: name the folder"):
        open_reader(tmp_path)
    with sqlite3.connect(tmp_path / "plumbline.sqlite") as db:
        db.execute("PRAGMA user_version=1")
    db.close()
    with pytest.raises(StoreError, match="it has schema 1 and this plumbline reads 3"):
        open_reader(tmp_path)


class Interrupted(HashIndex):
    """When armed, the writer makes the dict a file right after a reader has looked at its first part."""

    armed = False

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if name in ("_tail", "_segments") and super().__getattribute__("armed"):
            self.armed = False
            self._freeze()
        return value


@pytest.mark.parametrize("look", [lambda i: i.find_after(BATCH, 0, 100), lambda i: i.find([BATCH])[BATCH]])
def test_no_event_is_missed_or_told_twice_while_the_index_grows(
    tmp_path: Path, look: Callable[[HashIndex], list[int]]
) -> None:
    index = Interrupted(tmp_path, tail_events=10**6)
    index.load(0)
    for seq in range(1, 11):
        index.add([(10**6 + seq, seq), (BATCH, seq)], seq)
    index.armed = True
    assert look(index) == list(range(1, 11))
    assert not index.armed
    assert len(list(tmp_path.iterdir())) == 1
