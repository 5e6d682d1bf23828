from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.client.account import Account
from plumbline.client.disk import Disk
from plumbline.client.frames import pack, unpack
from plumbline.client.post import Connection
from plumbline.client.settings import Settings
from plumbline.client.spool import Spool

LINES = [b'{"n":%d}' % n for n in range(50)]
MAX = 1 << 20


def drain(spool: Spool) -> list[bytes]:
    found: list[bytes] = []
    while True:
        lines, _ = spool.peek(7, 1 << 20)
        if not lines:
            return found
        found += lines
        spool.acknowledge(len(lines))


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MAX, segment_bytes=100)
    for line in LINES[:30]:
        spool.append([line])
    spool.append(LINES[30:])
    assert spool.count == 50
    assert drain(spool) == LINES
    assert (spool.count, spool.size) == (0, 0)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_lines_put_before_the_others_come_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MAX)
    spool.append(LINES[10:])
    assert spool.peek(5, MAX)[0] == LINES[10:15]
    spool.acknowledge(5)
    spool.prepend(LINES[:3])
    assert spool.count == 38
    assert drain(spool) == [*LINES[:3], *LINES[15:]]


def test_beyond_the_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 2000, segment_bytes=200)
    dropped = sum(spool.append([b"x" * 90 + b"%04d" % n]) for n in range(100))
    assert spool.size <= 2000
    assert spool.size == sum(path.stat().st_size for path in tmp_path.rglob("*.seg"))
    left = drain(spool)
    assert len(left) + dropped == 100
    assert [int(line[-4:]) for line in left] == list(range(dropped, 100))


def test_lines_under_way_are_not_dropped_for_newer_ones(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 2000, segment_bytes=200)
    spool.append([b"first"])
    assert spool.peek(1, MAX)[0] == [b"first"]
    dropped = sum(spool.append([b"x" * 100], spare_first=True) for _ in range(100))
    assert spool.count + dropped == 101
    spool.acknowledge(1)
    assert len(drain(spool)) + dropped == 100


def leave(tmp_path: Path) -> Path:
    """A spool whose process ended without closing; returns its one segment."""
    spool = Spool(tmp_path, MAX)
    spool.append(LINES)
    spool.abandon()
    (segment,) = spool.folder.glob("*.seg")
    return segment


def adopt(tmp_path: Path) -> tuple[list[bytes], int]:
    heir = Spool(tmp_path, MAX)
    booked: list[tuple[int, int]] = []
    heir.adopt(lambda good, bad: booked.append((good, bad)))
    lines = drain(heir)
    heir.close()
    assert sum(good for good, _ in booked) == len(lines)
    assert list(tmp_path.iterdir()) == []
    return lines, sum(bad for _, bad in booked)


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


def test_own_lines_that_were_damaged_meanwhile_are_reported(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MAX)
    spool.append(LINES)
    (segment,) = spool.folder.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[12] ^= 0xFF
    segment.write_bytes(data)
    lines, lost = spool.peek(100, MAX)
    assert (len(lines), lost) == (49, 1)


def test_a_locked_folder_is_left_alone(tmp_path: Path) -> None:
    living = Spool(tmp_path, MAX)
    living.append(LINES)
    heir = Spool(tmp_path, MAX)
    heir.adopt(lambda good, bad: pytest.fail("adopted from a living process"))
    assert drain(living) == LINES


def test_a_failed_write_is_not_counted_and_the_next_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, MAX)
    spool.append(LINES[:10])
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
            spool.append(LINES[10:20])
    assert spool.count == 10
    spool.append(LINES[20:])
    assert drain(spool) == [*LINES[:10], *LINES[20:]]


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
        return disk.append([line], spare_first=False)

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
    assert unpack(bytes(packed)) == (lines, 0, 0)
    if packed:
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] ^= data.draw(st.integers(1, 255))
        found, damaged, torn = unpack(bytes(packed))
        assert len(found) == len(lines) - 1
        assert damaged + (torn > 0) == 1


@given(st.lists(st.text(min_size=1).map(str.encode), min_size=1, max_size=10), st.data())
def test_a_cut_anywhere_keeps_every_whole_frame(lines: list[bytes], data: st.DataObject) -> None:
    packed = pack(lines)
    cut = data.draw(st.integers(0, len(packed)))
    found, damaged, _ = unpack(packed[:cut])
    assert damaged == 0
    assert found == lines[: len(found)]
    assert len(pack(lines[: len(found) + 1])) > cut or len(found) == len(lines)
