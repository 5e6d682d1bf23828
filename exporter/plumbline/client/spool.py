"""Lines on disk while the exporter cannot take them: one folder per process, oldest first.

Reads and writes ``ROOT/<pid>-<random>/`` (``folder``), with ``lock`` and segments ``<number>.seg`` of ``frames``,
ascending; books what it drops or finds. A process never writes into another's folder; ``adopt`` takes the segments of
folders whose lock is free, because their process has ended. The worker's thread uses a spool; of a durable client,
callers append as well. They never touch a segment that the worker has taken to read, so the worker does its long work
there without holding them up.

Bounded: beyond ``max_bytes`` the OLDEST segment is dropped. After a long outage the windows that alert look back
an hour to a week, so what is newest is what can still be acted on.

Durability: each append is written in one piece and, with ``fsync``, is on the disk when it returns (survives loss of
power); without, it survives the end of the process only, by kill -9 too, until ``sync`` is called.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plumbline.client.account import Account
from plumbline.client.folder import claimed, create_file, make_folder, orphans, sync_path, write_at_end
from plumbline.client.frames import pack, unpack

log = logging.getLogger("plumbline.client")

SEGMENT_BYTES = 1024 * 1024
_FIRST = 1 << 40  # room for segments that go before the first


@dataclass(slots=True)
class _Segment:
    """A file of frames.

    Attributes:
        path: of the file.
        count: lines in it that are not acknowledged.
        size: its bytes.
        synced: bytes of it that are known to be on the disk.
        taken: whether the worker has it, so that callers leave it alone.
        lines: those that are not acknowledged, once they are read.
    """

    path: Path
    count: int = 0
    size: int = 0
    synced: int = 0
    taken: bool = False
    lines: list[bytes] | None = None


class Spool:
    """The spool of one process.

    Args:
        root: shared by all processes of a service; made if absent.
        max_bytes: of this process's segments together.
        fsync: whether an append waits for the disk.
        account: where lines are booked that are adopted, dropped for newer ones, or damaged.
        segment_bytes: a segment is closed beyond this.

    Attributes:
        folder: of this process.
        fresh: lines appended since the last look.
        since: when the first of these came (``time.monotonic``).

    Raises:
        OSError: from every method, when the disk says no; all counts are then still right.
    """

    def __init__(
        self, root: Path, max_bytes: int, fsync: bool, account: Account, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._fsync = fsync
        self._account = account
        self._segment_bytes = max(1, min(segment_bytes, max_bytes // 4))
        self._segments: deque[_Segment] = deque()
        self._open: int | None = None  # the descriptor of the last segment, while it takes more
        # Of the segments and the open descriptor; held for moments. Entered again only by the handler of a
        # signal that came meanwhile, which must not wait for its own thread.
        self._mutex = threading.RLock()
        self._appending = False
        self._closed = False
        self._next, self._before = _FIRST, _FIRST - 1
        self.fresh = 0
        self.since = 0.0
        self._lock: int | None
        self.folder, self._lock = make_folder(root, fsync)

    @property
    def size(self) -> int:
        """Size of all segments."""
        with self._mutex:
            return sum(segment.size for segment in self._segments)

    @property
    def count(self) -> int:
        """Lines that are not acknowledged."""
        with self._mutex:
            return sum(segment.count for segment in self._segments)

    def append(self, lines: Sequence[bytes], book: Callable[[], None]) -> int:
        """Write lines behind all others, from any thread.

        Args:
            lines: to write, all or none.
            book: called when they are written, before anyone can acknowledge them.

        Returns:
            How many have come since the worker last looked; 0 if none is written, because the spool is closed or this
            thread is in the middle of another append.
        """
        data = pack(lines)
        with self._mutex:
            if self._closed or self._appending:
                return 0
            self._appending = True
            try:
                self._append(data, len(lines))
                book()
            finally:
                self._appending = False
            if not self.fresh:
                self.since = time.monotonic()
            self.fresh += len(lines)
            return self.fresh

    def _append(self, data: bytes, count: int) -> None:
        self._make_room(len(data))
        if self._open is None or self._segments[-1].size >= self._segment_bytes:
            self._close_last()
            made = self._segment(self._next)
            self._open = create_file(made.path, self._fsync)
            self._segments.append(made)
            self._next += 1
        last = self._segments[-1]
        try:
            write_at_end(self._open, data, last.size, self._fsync)
        except OSError:
            self._close_last()  # if the rest of the failed write stayed behind, it is at the very end
            raise
        last.count += count
        last.size += len(data)

    def prepend(self, lines: Sequence[bytes], book: Callable[[], None]) -> None:
        """Write lines before all others; they were taken earlier. No others go for them."""
        data = pack(lines)
        made = self._segment(self._before)
        descriptor = create_file(made.path, self._fsync)
        try:
            write_at_end(descriptor, data, 0, self._fsync)
        except OSError:
            with suppress(OSError):
                made.path.unlink()
            raise
        finally:
            os.close(descriptor)
        made.count, made.size = len(lines), len(data)
        self._put_first(made, book)

    def peek(self, count: int, size: int) -> list[bytes]:
        """Return the oldest lines, at most ``count`` and about ``size`` bytes; none if the spool is empty."""
        taken: list[bytes] = []
        while not taken and (first := self._take_first()) is not None:
            if first.lines is None:
                first.lines = self._read(first)
            for line in first.lines[:count]:
                size -= len(line)
                if taken and size < 0:
                    break
                taken.append(line)
        return taken

    def _take_first(self) -> _Segment | None:
        """Take the first segment that has unacknowledged lines out of the callers' reach."""
        with self._mutex:
            self.fresh = 0
            while self._segments and self._segments[0].lines == []:
                self._remove(0)
            if not self._segments:
                return None
            if len(self._segments) == 1:
                self._close_last()
            self._segments[0].taken = True
            return self._segments[0]

    def _read(self, segment: _Segment) -> list[bytes]:
        """Return a segment's lines; those that cannot be read are lost."""
        lines, _ = unpack(segment.path.read_bytes() if segment.path.exists() else b"")
        del lines[segment.count :]  # a write that failed and could not be taken back
        lost, segment.count = segment.count - len(lines), len(lines)
        if lost:
            self._account.drop(lost, "spooled", "spool_damaged")
            log.warning("%d spooled events cannot be read again and are lost", lost)
        return lines

    def acknowledge(self, count: int) -> None:
        """Forget the oldest lines: the exporter has them."""
        with self._mutex:
            first = self._segments[0]
            assert first.lines is not None
            del first.lines[:count]
            first.count = len(first.lines)
            if not first.lines:
                self._remove(0)

    def sync(self) -> None:
        """Wait until everything written so far is on the disk; callers may go on appending meanwhile."""
        with self._mutex:
            unsynced = [(s, s.size) for s in self._segments if s.synced < s.size]
        for segment, size in unsynced:
            with suppress(FileNotFoundError):  # sent meanwhile
                sync_path(segment.path)
                segment.synced = size
        if unsynced:
            sync_path(self.folder)

    def adopt(self) -> None:
        """Take over what processes that ended have left, before our own lines, oldest first."""
        for folder in orphans(self._root, self.folder):
            with claimed(folder) as ours:
                if not ours:
                    continue
                for path in sorted(folder.glob("*.seg"), reverse=True):
                    self._adopt(path)
                shutil.rmtree(folder, ignore_errors=True)

    def _adopt(self, path: Path) -> None:
        data = path.read_bytes()
        lines, damaged = unpack(data)
        if not lines:
            path.unlink()
            self._account.adopt(0, damaged)
            return
        found = self._segment(self._before)
        found.count, found.size = len(lines), len(data)
        path.rename(found.path)
        self._put_first(found, lambda: self._account.adopt(len(lines), damaged))

    def close(self) -> None:
        """Let go of the folder; remove it if nothing is in it."""
        with self._mutex:
            self._closed = True
            with suppress(OSError):
                if self._segments and self._segments[0].lines == []:
                    self._remove(0)
            self._close_last()
        if not self._segments:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptors and touch nothing else: what a forked child does with its parent's spool.

        The lock stays with whoever else holds the same descriptor.
        """
        descriptors = (self._open, self._lock)
        self._open = self._lock = None
        for descriptor in descriptors:
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)

    def _segment(self, number: int) -> _Segment:
        return _Segment(self.folder / f"{number:016d}.seg")

    def _put_first(self, segment: _Segment, book: Callable[[], None]) -> None:
        with self._mutex:
            self._before -= 1
            self._segments.appendleft(segment)
            book()

    def _make_room(self, size: int) -> None:
        """Drop the oldest segments; one that the worker has taken stays, because its lines may be under way."""
        while self.size + size > self._max_bytes:
            at = int(bool(self._segments) and self._segments[0].taken)
            if at >= len(self._segments):
                return
            lost = self._segments[at].count
            self._remove(at)
            self._account.drop(lost, "spooled", "spool_full")

    def _remove(self, at: int) -> None:
        if at == len(self._segments) - 1:
            self._close_last()
        self._segments[at].path.unlink(missing_ok=True)
        del self._segments[at]

    def _close_last(self) -> None:
        if self._open is not None:
            descriptor, self._open = self._open, None
            os.close(descriptor)
