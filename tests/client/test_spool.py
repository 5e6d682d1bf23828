from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.client.account import Account
from plumbline.client.disk import Disk
from plumbline.client.frames import pack, unpack
from plumbline.client.post import Connection
from plumbline.client.settings import Settings
from plumbline.client.spool import SEGMENT_BYTES, Spool

LINES = [b'{"n":%d}' % n for n in range(50)]
MAX = 1 << 20


class Booked:
    """A spool with an account, to which everything appended is booked."""

    def __init__(self, root: Path, max_bytes: int = MAX, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.account = Account()
        self.spool = Spool(root, max_bytes, False, self.account, segment_bytes)

    def append(self, lines: Sequence[bytes]) -> int:
        return self.spool.append(lines, lambda: self.account.adopt(len(lines), 0))

    def drain(self) -> list[bytes]:
        found: list[bytes] = []
        while lines := self.spool.peek(7, 1 << 20):
            found += lines
            self.spool.acknowledge(len(lines))
            self.account.send(len(lines), "spooled")
            assert self.account.snapshot().balanced
            assert self.account.snapshot().spooled == self.spool.count
        return found

    def dropped(self, reason: str) -> int:
        return self.account.snapshot().dropped[reason]


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    booked = Booked(tmp_path, segment_bytes=100)
    for line in LINES[:30]:
        booked.append([line])
    booked.append(LINES[30:])
    assert booked.spool.count == 50
    assert booked.drain() == LINES
    assert (booked.spool.count, booked.spool.size) == (0, 0)
    booked.spool.close()
    assert list(tmp_path.iterdir()) == []


def test_lines_put_before_the_others_come_first(tmp_path: Path) -> None:
    booked = Booked(tmp_path)
    booked.append(LINES[10:])
    assert booked.spool.peek(5, MAX) == LINES[10:15]
    booked.spool.acknowledge(5)
    booked.account.send(5, "spooled")
    booked.spool.prepend(LINES[:3], lambda: booked.account.adopt(3, 0))
    booked.append(LINES[:1])
    assert booked.spool.count == 39
    assert booked.drain() == [*LINES[:3], *LINES[15:], LINES[0]]


def test_beyond_the_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    booked = Booked(tmp_path, 2000, segment_bytes=200)
    for n in range(100):
        booked.append([b"x" * 90 + b"%04d" % n])
    dropped = booked.dropped("spool_full")
    assert booked.spool.size <= 2000
    assert booked.spool.size == sum(path.stat().st_size for path in tmp_path.rglob("*.seg"))
    left = booked.drain()
    assert len(left) + dropped == 100
    assert [int(line[-4:]) for line in left] == list(range(dropped, 100))


def test_lines_under_way_are_not_dropped_for_newer_ones(tmp_path: Path) -> None:
    booked = Booked(tmp_path, 2000, segment_bytes=200)
    booked.append([b"first"])
    assert booked.spool.peek(1, MAX) == [b"first"]
    for _ in range(100):
        booked.append([b"x" * 100])
    assert booked.spool.count + booked.dropped("spool_full") == 101
    assert booked.drain()[0] == b"first"
    assert booked.account.snapshot().sent + booked.dropped("spool_full") == 101


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    booked = Booked(tmp_path)
    booked.append(LINES)
    assert booked.spool.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in booked.spool.folder.iterdir()} == {0o600}


def leave(tmp_path: Path) -> Path:
    """A spool whose process ended without closing; returns its one segment."""
    booked = Booked(tmp_path)
    booked.append(LINES)
    booked.spool.abandon()
    (segment,) = booked.spool.folder.glob("*.seg")
    return segment


def adopt(tmp_path: Path) -> tuple[list[bytes], int]:
    heir = Booked(tmp_path)
    heir.spool.adopt()
    lines = heir.drain()
    heir.spool.close()
    assert list(tmp_path.iterdir()) == []
    assert heir.account.snapshot().adopted == len(lines) + heir.dropped("spool_damaged")
    return lines, heir.dropped("spool_damaged")


def test_a_torn_tail_costs_only_what_was_never_finished(tmp_path: Path) -> None:
    segment = leave(tmp_path)
    os.truncate(segment, segment.stat().st_size - 3)
    assert adopt(tmp_path) == (LINES[:-1], 0)


def test_a_flipped_byte_costs_one_event_and_is_counted(tmp_path: Path) -> None:
    segment = leave(tmp_path)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0x10
    segment.write_bytes(data)
    lines, damaged = adopt(tmp_path)
    assert (len(lines), damaged) == (49, 1)
    assert lines == [line for line in LINES if line in lines]


def test_own_lines_that_were_damaged_meanwhile_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    booked = Booked(tmp_path)
    booked.append(LINES)
    (segment,) = booked.spool.folder.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[12] ^= 0xFF
    segment.write_bytes(data)
    assert len(booked.drain()) == 49
    assert booked.dropped("spool_damaged") == 1
    assert "1 spooled events cannot be read again" in caplog.text


def test_a_locked_folder_is_left_alone(tmp_path: Path) -> None:
    living, heir = Booked(tmp_path), Booked(tmp_path)
    living.append(LINES)
    heir.spool.adopt()
    assert heir.account.snapshot().adopted == 0
    assert living.drain() == LINES


def test_a_failed_write_is_not_counted_and_the_next_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    booked = Booked(tmp_path)
    booked.append(LINES[:10])
    real = os.write
    calls = []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return real(descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            booked.append(LINES[10:20])
    assert booked.spool.count == 10
    booked.append(LINES[20:])
    assert booked.drain() == [*LINES[:10], *LINES[20:]]


def test_a_disk_that_cannot_sync_costs_no_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    working = Spool(tmp_path, MAX, True, Account())

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)

    def descriptors() -> int:  # of ours: other tests' threads may still be closing theirs
        return sum(os.path.realpath(link).startswith(str(tmp_path)) for link in Path("/proc/self/fd").iterdir())

    before = descriptors()
    for _ in range(5):
        with pytest.raises(OSError, match="Input/output"):
            Spool(tmp_path, MAX, True, Account())
        with pytest.raises(OSError, match="Input/output"):
            working.append(LINES, lambda: pytest.fail("booked"))
        with pytest.raises(OSError, match="Input/output"):
            working.prepend(LINES, lambda: pytest.fail("booked"))
    assert descriptors() == before > 0
    assert working.count == 0
    working.close()


def test_a_forked_childs_end_closes_no_descriptor_of_others(tmp_path: Path) -> None:
    booked = Booked(tmp_path)
    booked.spool.close()
    other = os.open(tmp_path, os.O_RDONLY)  # gets the number that the lock had
    booked.spool.abandon()
    os.fstat(other)
    os.close(other)


@pytest.mark.parametrize("by_a_caller", [False, True])
def test_old_lines_that_went_for_a_write_that_failed_are_counted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_a_caller: bool
) -> None:
    settings = Settings(
        Connection("http://127.0.0.1:9"),
        tmp_path,
        8 << 20,
        fsync=False,
        durable=by_a_caller,
        queue_events=9,
        queue_bytes=9,
        batch_events=9,
        batch_bytes=9,
        linger=0.0,
        backoff=0.0,
        close_timeout=0.0,
    )
    account = Account()
    disk = Disk(settings, account, threading.Condition())
    disk.open(time.monotonic(), may_adopt=False)
    line = b"x" * 1_000_000

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def put() -> bool:
        if by_a_caller:
            return disk.keep(line)
        account.create()
        return disk.append([line])

    for _ in range(8):
        assert put()
    assert account.snapshot().spooled == disk.count == 8
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert not put()
    assert disk.count < 8
    assert account.snapshot().spooled == disk.count
    assert account.snapshot().dropped["spool_full"] == 8 - disk.count
    disk.close()


@given(st.lists(st.text().map(str.encode), max_size=20), st.data())
def test_frames_survive_any_one_flipped_byte_but_for_the_frame_it_is_in(
    lines: list[bytes], data: st.DataObject
) -> None:
    packed = bytearray(pack(lines))
    assert unpack(bytes(packed)) == (lines, 0)
    if packed:
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] ^= data.draw(st.integers(1, 255))
        found, damaged = unpack(bytes(packed))
        assert len(found) == len(lines) - 1
        # A last frame whose length has grown looks like a write that never finished.
        assert damaged == 1 or (damaged == 0 and found == lines[:-1])


@given(st.lists(st.text(min_size=1).map(str.encode), min_size=1, max_size=10), st.data())
def test_a_cut_anywhere_keeps_every_whole_frame(lines: list[bytes], data: st.DataObject) -> None:
    packed = pack(lines)
    cut = data.draw(st.integers(0, len(packed)))
    found, damaged = unpack(packed[:cut])
    assert damaged == 0
    assert found == lines[: len(found)]
    assert len(pack(lines[: len(found) + 1])) > cut or len(found) == len(lines)
