"""Lines on disk while the exporter cannot take them: one folder per process, oldest first.

``ROOT/<pid>-<random>/`` (``folder``) holds ``lock`` and segments ``<number>.seg`` of frames, ascending.
A process never writes into another's folder; ``adopt`` takes the segments of folders whose lock is free,
because their process has ended. The worker's thread uses a spool; of a durable client, callers append as
well (``append_one``). They never touch the first segment while the worker reads it, so the worker does its
long work there without holding them up.

Bounded: beyond ``max_bytes`` the OLDEST segment is dropped. After a long outage the windows that alert
look back an hour to a week, so what is newest is what can still be acted on.

Durability: each append is written in one piece and, with ``fsync``, is on the disk when it returns
(survives loss of power); without, it survives the end of the process only, by kill -9 too, until ``sync``
is called. The folder is synced when a segment is made.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from plumbline.client.folder import Segment, SpoolFolder, claimed, sync_path
from plumbline.client.frames import pack, unpack

SEGMENT_BYTES = 1024 * 1024
_FIRST = 1 << 40  # room for segments that go before the first


class Spool:
    """The spool of one process.

    Args:
        root: shared by all processes of a service; made if absent.
        max_bytes: of this process's segments together.
        fsync: whether an append waits for the disk.
        segment_bytes: a segment is closed beyond this.

    Raises:
        OSError: from every method, when the disk says no; the spool then still counts right.
    """

    def __init__(self, root: Path, max_bytes: int, fsync: bool = True, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._segment_bytes = max(1, min(segment_bytes, max_bytes // 4))
        self._segments: deque[Segment] = deque()
        self._open: int | None = None  # the descriptor of the last segment, while it takes more
        self._head: list[bytes] = []  # the lines of the first segment that are not acknowledged yet
        self._head_of: Segment | None = None
        # Of the segments and the open descriptor; held for moments. Entered again only by the handler of a
        # signal that came meanwhile, which must not wait for its own thread.
        self._mutex = threading.RLock()
        self._appending = False
        self._closed = False
        self._evicted = 0  # lines that went for new ones since this was last asked
        self._next = _FIRST
        self._before = _FIRST - 1
        self.fresh = 0  # lines appended since the last look
        self.since = 0.0  # when the first of these came (time.monotonic)
        self._files = SpoolFolder(root, fsync)
        self.folder = self._files.path

    @property
    def size(self) -> int:
        """Size of all segments."""
        with self._mutex:
            return self._size()

    def _size(self) -> int:
        return sum(segment.size for segment in self._segments)

    @property
    def count(self) -> int:
        """Lines that are not acknowledged."""
        with self._mutex:
            total = sum(segment.count for segment in self._segments)
            if self._head_of is not None:
                total -= self._head_of.count - len(self._head)
            return total

    def append(self, lines: Sequence[bytes], spare_first: bool = False) -> int:
        """Write lines behind all others; return how many old ones had to go for them.

        With ``spare_first`` the first segment stays, because lines of it are under way: the next goes.
        """
        data = pack(lines)
        with self._mutex:
            return self._append(data, len(lines), spare_first)

    def append_one(self, line: bytes, book: Callable[[], None]) -> tuple[int, int] | None:
        """Write one line behind all others, from any thread.

        Args:
            line: to write.
            book: called when it is written, before anyone can acknowledge it.

        Returns:
            How many old lines had to go for it, and how many have come since the worker last looked; None
            if the spool is closed, or this thread is in the middle of another line.
        """
        data = pack((line,))
        with self._mutex:
            if self._closed or self._appending:
                return None
            self._appending = True
            try:
                dropped = self._append(data, 1, spare_first=True)
                book()
            finally:
                self._appending = False
            return dropped, self.fresh

    def _append(self, data: bytes, count: int, spare_first: bool) -> int:
        self._make_room(len(data), spare_first)
        if self._open is None or self._segments[-1].size >= self._segment_bytes:
            self._close_last()
            self._segments.append(self._segment(self._next))
            try:
                self._open = self._files.create(self._segments[-1].path)
            except OSError:
                self._segments.pop()
                raise
            self._next += 1
        last = self._segments[-1]
        try:
            self._files.write(self._open, data, last)
        except OSError:
            self._close_last()  # if the rest of the failed write stayed behind, it is at the very end
            raise
        last.count += count
        last.size += len(data)
        self.fresh += count
        if self.fresh == count:
            self.since = time.monotonic()
        return self._take_evicted()

    def evicted(self) -> int:
        """Return how many old lines went for an append that then failed."""
        with self._mutex:
            return self._take_evicted()

    def _take_evicted(self) -> int:
        evicted, self._evicted = self._evicted, 0
        return evicted

    def _segment(self, number: int) -> Segment:
        return Segment(number, self.folder / f"{number:016d}.seg", 0, 0)

    def prepend(self, lines: Sequence[bytes]) -> None:
        """Write lines before all others; they were taken earlier. The oldest are not dropped for them."""
        self._forget_head()
        data = pack(lines)
        segment = self._segment(self._before)
        descriptor = self._files.create(segment.path)
        try:
            self._files.write(descriptor, data, segment)
        except OSError:
            with suppress(OSError):
                segment.path.unlink()
            raise
        finally:
            os.close(descriptor)
        self._before -= 1
        segment.count, segment.size = len(lines), len(data)
        with self._mutex:
            self._segments.appendleft(segment)

    def peek(self, count: int, size: int) -> tuple[list[bytes], int]:
        """Return the oldest lines, at most ``count`` and about ``size`` bytes, and how many are unreadable.

        Unreadable ones are gone with this call. No lines and nothing unreadable: the spool is empty.
        """
        lost = 0
        while not self._head:
            first = self._open_head()
            if first is None:
                break
            try:
                data = first.path.read_bytes() if first.path.exists() else b""
            except OSError:
                self._head_of = None
                raise
            lines, _, _ = unpack(data)
            del lines[first.count :]  # a write that failed and could not be taken back
            lost += first.count - len(lines)
            with self._mutex:
                first.count = len(lines)
                self._head = lines
        taken: list[bytes] = []
        for line in self._head[:count]:
            size -= len(line)
            if taken and size < 0:
                break
            taken.append(line)
        return taken, lost

    def _open_head(self) -> Segment | None:
        """Take the first segment that has unacknowledged lines out of the callers' reach."""
        with self._mutex:
            self.fresh = 0
            while self._segments and self._head_of is self._segments[0]:
                self._remove_first()  # all acknowledged
            if not self._segments:
                return None
            if len(self._segments) == 1:
                self._close_last()
            self._head_of = self._segments[0]
            return self._head_of

    def acknowledge(self, count: int) -> None:
        """Forget the oldest lines: the exporter has them."""
        with self._mutex:
            del self._head[:count]
            if not self._head and self._segments and self._segments[0] is self._head_of:
                self._remove_first()

    def sync(self) -> None:
        """Wait until everything written so far is on the disk; callers may go on appending meanwhile."""
        with self._mutex:
            unsynced = [(s, s.size) for s in self._segments if s.synced < s.size]
        for segment, size in unsynced:
            with suppress(FileNotFoundError):  # sent meanwhile
                sync_path(segment.path, os.O_RDONLY)
                segment.synced = size
        if unsynced:
            sync_path(self.folder, os.O_RDONLY | os.O_DIRECTORY)

    def adopt(self, book: Callable[[int, int], None]) -> None:
        """Take over what processes that ended have left, before our own lines, oldest first.

        Args:
            book: told, segment by segment, how many lines are readable and how many places are not; so
                the account is right even if the disk fails in the middle.
        """
        for folder in self._files.orphans():
            with claimed(folder) as ours:
                if ours:
                    self._adopt_folder(folder, book)

    def _adopt_folder(self, folder: Path, book: Callable[[int, int], None]) -> None:
        self._forget_head()
        for path in sorted(folder.glob("*.seg"), reverse=True):
            good, bad, _ = unpack(path.read_bytes())
            if not good:
                path.unlink()
                book(0, bad)
                continue
            segment = self._segment(self._before)
            segment.count, segment.size = len(good), path.stat().st_size
            path.rename(segment.path)
            self._before -= 1
            with self._mutex:
                self._segments.appendleft(segment)
                book(len(good), bad)
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the folder; remove it if nothing is in it."""
        with self._mutex:
            self._closed = True
            with suppress(OSError):
                if self._head_of is not None and not self._head and self._segments:
                    self._remove_first()
            self._close_last()
        if not self._segments:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptors and touch nothing else: what a forked child does with its parent's spool.

        The lock stays with whoever else holds the same descriptor.
        """
        if self._open is not None:
            with suppress(OSError):
                os.close(self._open)
        self._open = None
        self._files.release()

    def _make_room(self, size: int, spare_first: bool) -> None:
        while self._segments and self._size() + size > self._max_bytes:
            if not spare_first:
                first = self._segments[0]
                lines = len(self._head) if self._head_of is first else first.count
                self._remove_first()
                self._evicted += lines
                continue
            if len(self._segments) < 2:
                break
            if len(self._segments) == 2:
                self._close_last()
            second = self._segments[1]
            second.path.unlink(missing_ok=True)
            del self._segments[1]
            self._evicted += second.count

    def _remove_first(self) -> None:
        if len(self._segments) == 1:
            self._close_last()
        self._segments[0].path.unlink(missing_ok=True)
        self._segments.popleft()
        self._head, self._head_of = [], None

    def _forget_head(self) -> None:
        """Rewrite a half-acknowledged first segment, so that another may go before it."""
        if self._head_of is None:
            return
        if not self._head:
            with self._mutex:
                self._remove_first()
            return
        first, lines = self._segments[0], self._head
        data = pack(lines)
        temporary = first.path.with_suffix(".new")
        descriptor = self._files.create(temporary)
        try:
            self._files.write(descriptor, data, Segment(0, temporary, 0, 0))
        finally:
            os.close(descriptor)
        temporary.rename(first.path)
        with self._mutex:
            first.count, first.size, first.synced = len(lines), len(data), 0
            self._head, self._head_of = [], None

    def _close_last(self) -> None:
        if self._open is not None:
            descriptor, self._open = self._open, None
            os.close(descriptor)
