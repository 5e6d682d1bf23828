from __future__ import annotations

import gzip
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.events.lines import MAX_LINE_BYTES
from plumbline.follow.position import PlainSource, Position
from plumbline.follow.tail import Tail

OPENED: list[Log | Reader] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()


def close_all() -> None:
    while OPENED:
        OPENED.pop().close()


class Log:
    """A log file whose writer and rotation a test plays; times of writing ascend, whatever the clock does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.log"
        self.written: list[bytes] = []
        self._time = time.time_ns() - 10**12
        self.path.touch()
        self._file = self.path.open("ab", buffering=0)
        OPENED.append(self)

    def close(self) -> None:
        self._file.close()

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            line = b"line %d of many" % len(self.written)
            self.written.append(line)
            self.raw(line + b"\n")

    def raw(self, data: bytes) -> None:
        self._file.write(data)
        self.stamp(self.path)

    def stamp(self, path: Path) -> None:
        self._time += 10**9
        os.utime(path, ns=(self._time, self._time))

    def shift(self) -> None:
        """app.log.1 becomes app.log.2 and so on."""
        for number in range(30, 0, -1):
            for end in ("", ".gz"):
                old = self.path.with_name(f"app.log.{number}{end}")
                if old.exists():
                    old.rename(self.path.with_name(f"app.log.{number + 1}{end}"))

    def rename(self) -> None:
        self.shift()
        self.path.rename(self.path.with_name("app.log.1"))
        self._file.close()
        self._file = self.path.open("ab", buffering=0)
        self.stamp(self.path)

    def copytruncate(self) -> None:
        self.shift()
        copy = self.path.with_name("app.log.1")
        shutil.copyfile(self.path, copy)
        self.stamp(copy)
        self._file.truncate(0)
        self.stamp(self.path)

    def compress(self) -> None:
        """All rotated files, keeping their times, as gzip does."""
        for number in range(1, 31):
            plain = self.path.with_name(f"app.log.{number}")
            if plain.exists():
                packed = plain.with_name(f"{plain.name}.gz")
                packed.write_bytes(gzip.compress(plain.read_bytes()))
                shutil.copystat(plain, packed)
                plain.unlink()


class Reader:
    """A tail that is read to its present end, and can be started again at what it has read."""

    def __init__(self, path: Path, rotate_wait: float = 0.0) -> None:
        self.path = path
        self.lines: list[bytes] = []
        self.gaps: list[str] = []
        self.too_long = 0
        self.position: Position | None = None
        self._wait = rotate_wait
        self._tail = self._open()
        OPENED.append(self)

    def close(self) -> None:
        self._tail.close()

    def _open(self) -> Tail:
        return Tail(self.path, self.position, self._wait, self.gaps.append)

    def restart(self) -> None:
        self._tail.close()
        self._tail = self._open()

    def poll(self, max_lines: int = 3) -> list[bytes]:
        before = len(self.lines)
        nothing = 0
        while nothing < 3:  # None also says that the next file is to be opened
            chunk = self._tail.read(max_lines)
            nothing = nothing + 1 if chunk is None else 0
            if chunk is not None:
                self.lines += [line for _, line in chunk.lines]
                self.position = chunk.position
                self.too_long += chunk.too_long
        return self.lines[before:]

    def behind(self) -> int:
        return self._tail.behind()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_lines_come_as_they_are_written_and_the_last_only_when_it_is_whole(log: Log) -> None:
    reader = Reader(log.path)
    log.write(2)
    log.raw(b"half")
    assert reader.poll() == log.written
    assert reader.behind() == 4
    log.raw(b" and half\n")
    assert reader.poll() == [b"half and half"]
    assert reader.poll() == []


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "app.log")
    assert reader.poll() == []
    log = Log(tmp_path)
    log.write(3)
    assert reader.poll() == log.written


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("how", ["rename", "copytruncate"])
def test_what_was_not_read_before_a_rotation_is_read_after_it(log: Log, how: str, restart: bool) -> None:
    reader = Reader(log.path)
    log.write(3)
    reader.poll()
    for _ in range(3):  # several rotations between two looks
        log.write(2)
        getattr(log, how)()
    log.write(1)
    if restart:
        reader.restart()
    reader.poll()
    assert reader.lines == log.written
    assert reader.gaps == []


def test_rotated_files_may_be_compressed_meanwhile(log: Log) -> None:
    reader = Reader(log.path)
    log.write(3)
    reader.poll()
    log.write(2)
    log.rename()
    log.write(2)
    log.rename()
    log.compress()
    log.write(1)
    reader.restart()
    reader.poll()
    assert reader.lines == log.written


def test_a_writer_that_still_has_the_old_file_open_is_heard(log: Log) -> None:
    reader = Reader(log.path, rotate_wait=60.0)
    log.write(1)
    reader.poll()
    old = log._file
    log.path.rename(log.path.with_name("app.log.1"))
    log.path.touch()
    log.path.write_bytes(b"new\n")
    old.write(b"late\n")
    assert reader.poll() == [b"late"]
    old.write(b"later\n")
    assert reader.poll() == [b"later"]
    assert reader.poll() == []
    os.utime(old.fileno(), (0, 0))  # as if it had been quiet for long
    assert reader.poll() == [b"new"]


def test_a_rotated_files_last_line_without_end_is_a_line(log: Log) -> None:
    reader = Reader(log.path)
    log.raw(b"whole\ncut o")
    assert reader.poll() == [b"whole"]
    log.rename()
    log.write(1)
    assert reader.poll() == [b"cut o", log.written[0]]


def test_a_file_that_is_cut_begins_anew_and_that_is_told(log: Log) -> None:
    reader = Reader(log.path)
    log.write(5)
    reader.poll()
    log._file.truncate(0)
    log.raw(b"after\n")
    assert reader.poll() == [b"after"]
    assert len(reader.gaps) == 1
    assert "was cut" in reader.gaps[0]


def test_a_file_that_is_cut_and_has_grown_beyond_the_old_end_is_seen_as_another(log: Log) -> None:
    """Its size alone says nothing."""
    reader = Reader(log.path)
    log.write(2)
    reader.poll()
    log._file.truncate(0)
    log.raw(b"x" * 500 + b"\nmore\n")
    assert reader.poll() == [b"x" * 500, b"more"]


def test_content_that_is_out_of_reach_is_told(log: Log) -> None:
    reader = Reader(log.path)
    log.write(2)
    reader.poll()
    log.rename()
    log.path.with_name("app.log.1").unlink()
    log.raw(b"new\n")
    reader.restart()
    assert reader.poll() == [b"new"]
    assert "is lost" in reader.gaps[0]


def test_an_inode_number_that_is_used_again_does_not_deceive(log: Log) -> None:
    reader = Reader(log.path)
    log.write(2)
    reader.poll()
    same = log.path.stat().st_ino
    log._file.truncate(0)
    log.raw(b"another file's first line, longer than both of the old ones\n")
    assert log.path.stat().st_ino == same
    reader.restart()
    assert reader.poll() == [b"another file's first line, longer than both of the old ones"]


def test_a_line_longer_than_any_event_is_left_out_in_bounded_memory(log: Log) -> None:
    reader = Reader(log.path)
    log.write(1)
    log.raw(b"x" * (3 * MAX_LINE_BYTES))
    log.raw(b"y" * 100 + b"\n")
    log.write(1)
    assert reader.poll() == log.written
    assert reader.too_long == 1
    log.raw(b"z" * (MAX_LINE_BYTES - 1) + b"\n")
    assert len(reader.poll()[0]) == MAX_LINE_BYTES - 1


def test_how_far_it_is_behind_may_be_asked_while_the_file_is_left(log: Log) -> None:
    class Left(Tail):
        """Whose file another thread leaves right after it was looked up."""

        def __getattribute__(self, name: str) -> object:
            found = super().__getattribute__(name)
            if name == "_source":
                self._source = None
            return found

    log.write(3)
    tail = Left(log.path, None, 0.2, lambda _: None)
    with closing(PlainSource.open(log.path)) as source:
        tail._source = source
        assert tail.behind() == log.path.stat().st_size


def test_unrelated_files_beside_it_are_not_taken_for_rotated_ones(log: Log) -> None:
    reader = Reader(log.path)
    log.write(1)
    reader.poll()
    for name in ("app.log.bak", "app.log.1.tmp", "app.logs.1", "other.log.1", "app.log.positions.1"):
        log.path.with_name(name).write_bytes(b"no\n")
    log.rename()
    log.write(1)
    reader.restart()
    reader.poll()
    assert reader.lines == log.written


STEPS = st.sampled_from(["write", "write", "part", "poll", "poll", "restart", "rename", "copytruncate", "compress"])


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEPS, max_size=25), some=st.integers(1, 5))
def test_any_order_of_writing_rotating_and_restarting_gives_each_line_once_and_in_order(
    steps: list[str], some: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = Log(tmp_path_factory.mktemp("t"))
    log.write(1)
    reader = Reader(log.path)
    reader.poll()
    for step in steps:
        if step == "write":
            log.write(some)
        elif step == "part":  # half a line, and then a look at it
            log.written.append(b"part-whole-%d" % len(log.written))
            log.raw(log.written[-1][:5])
            reader.poll()
            log.raw(log.written[-1][5:] + b"\n")
        elif step in ("poll", "restart"):
            getattr(reader, step)()
        else:
            getattr(log, step)()
    reader.poll()
    close_all()
    assert reader.lines == log.written
    assert reader.gaps == []
