"""Lines on disk while the exporter cannot take them: one folder per process, oldest first.

``ROOT/<pid>-<random>/`` holds ``lock`` (held by ``flock`` as long as the process lives) and segments
``<number>.seg`` of frames, ascending. A process never writes into another's folder; ``adopt`` takes the
segments of folders whose lock is free, because their process has ended. Only the worker's thread uses a
spool.

Bounded: beyond ``max_bytes`` the OLDEST segment is dropped. After a long outage the windows that alert
look back an hour to a week, so what is newest is what can still be acted on.

Durability: each append is written in one piece and, with ``fsync``, is on the disk when it returns
(survives loss of power); without, it survives the end of the process only. The folder is synced when a
segment is made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plumbline.client.frames import pack, unpack

SEGMENT_BYTES = 1024 * 1024
_FIRST = 1 << 40  # room for segments that go before the first
_LOCK = "lock"


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    count: int
    size: int


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

    def __init__(
        self, root: Path, max_bytes: int, fsync: bool = True, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._fsync = fsync
        self._segment_bytes = max(1, min(segment_bytes, max_bytes // 4))
        self._segments: deque[_Segment] = deque()
        self._open: int | None = None  # the descriptor of the last segment, while it takes more
        self._head: list[bytes] = []  # the lines of the first segment that are not acknowledged yet
        self._head_of: _Segment | None = None
        self.folder = root / f"{os.getpid()}-{os.urandom(4).hex()}"
        root.mkdir(parents=True, exist_ok=True)
        # Made under a name that nobody adopts, renamed once locked: no moment in which it looks orphaned.
        making = root / f".{self.folder.name}"
        making.mkdir(mode=0o700)
        self._lock: int | None = os.open(making / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        making.rename(self.folder)
        self._sync_folder(root)

    @property
    def size(self) -> int:
        """Size of all segments."""
        return sum(segment.size for segment in self._segments)

    @property
    def count(self) -> int:
        """Lines that are not acknowledged."""
        total = sum(segment.count for segment in self._segments)
        if self._head_of is not None:
            total -= self._head_of.count - len(self._head)
        return total

    def append(self, lines: Sequence[bytes], spare_first: bool = False) -> int:
        """Write lines behind all others; return how many old ones had to go for them.

        With ``spare_first`` the first segment stays, because lines of it are under way: the next goes.
        """
        data = pack(lines)
        dropped = self._make_room(len(data), spare_first)
        if self._open is None or self._segments[-1].size >= self._segment_bytes:
            number = self._segments[-1].number + 1 if self._segments else _FIRST
            self._close_last()
            self._segments.append(_Segment(number, self.folder / f"{number:016d}.seg", 0, 0))
            try:
                self._open = self._create(self._segments[-1].path)
            except OSError:
                self._segments.pop()
                raise
        last = self._segments[-1]
        try:
            self._write(self._open, data, last)
        except OSError:
            self._close_last()  # if the rest of the failed write stayed behind, it is at the very end
            raise
        last.count += len(lines)
        last.size += len(data)
        return dropped

    def prepend(self, lines: Sequence[bytes]) -> None:
        """Write lines before all others; they were taken earlier. The oldest are not dropped for them."""
        self._forget_head()
        number = self._segments[0].number - 1 if self._segments else _FIRST
        data = pack(lines)
        segment = _Segment(number, self.folder / f"{number:016d}.seg", 0, 0)
        descriptor = self._create(segment.path)
        try:
            self._write(descriptor, data, segment)
        except OSError:
            with suppress(OSError):
                segment.path.unlink()
            raise
        finally:
            os.close(descriptor)
        segment.count, segment.size = len(lines), len(data)
        self._segments.appendleft(segment)

    def peek(self, count: int, size: int) -> tuple[list[bytes], int]:
        """Return the oldest lines, at most ``count`` and about ``size`` bytes, and how many are unreadable.

        Unreadable ones are gone with this call. No lines and nothing unreadable: the spool is empty.
        """
        lost = 0
        while self._segments and not self._head:
            first = self._segments[0]
            if self._head_of is first:  # all acknowledged
                self._remove_first()
                continue
            if len(self._segments) == 1:
                self._close_last()
            data = first.path.read_bytes() if first.path.exists() else b""
            lines, _, _ = unpack(data)
            del lines[first.count :]  # a write that failed and could not be taken back
            lost += first.count - len(lines)
            first.count = len(lines)
            self._head, self._head_of = lines, first
        taken: list[bytes] = []
        for line in self._head[:count]:
            size -= len(line)
            if taken and size < 0:
                break
            taken.append(line)
        return taken, lost

    def acknowledge(self, count: int) -> None:
        """Forget the oldest lines: the exporter has them."""
        del self._head[:count]
        if not self._head and self._segments and self._segments[0] is self._head_of:
            self._remove_first()

    def adopt(self, book: Callable[[int, int], None]) -> None:
        """Take over what processes that ended have left, before our own lines, oldest first.

        Args:
            book: told, segment by segment, how many lines are readable and how many places are not; so
                the account is right even if the disk fails in the middle.
        """
        for folder in sorted(self._orphans(), key=_age, reverse=True):
            self._adopt_folder(folder, book)

    def _orphans(self) -> list[Path]:
        return [
            entry for entry in self._root.iterdir()
            if entry != self.folder and not entry.name.startswith(".") and (entry / _LOCK).is_file()
        ]  # fmt: skip

    def _adopt_folder(self, folder: Path, book: Callable[[int, int], None]) -> None:
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # another process was quicker
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # its process lives
            if not (folder / _LOCK).exists():
                return  # another process was quicker, between our opening and our locking
            self._forget_head()
            for path in sorted(folder.glob("*.seg"), reverse=True):
                good, bad, _ = unpack(path.read_bytes())
                if not good:
                    path.unlink()
                    book(0, bad)
                    continue
                number = self._segments[0].number - 1 if self._segments else _FIRST
                target = self.folder / f"{number:016d}.seg"
                size = path.stat().st_size
                path.rename(target)
                self._segments.appendleft(_Segment(number, target, len(good), size))
                book(len(good), bad)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)

    def close(self) -> None:
        """Let go of the folder; remove it if nothing is in it."""
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
        for descriptor in (self._open, self._lock):
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)
        self._open = self._lock = None

    def _make_room(self, size: int, spare_first: bool) -> int:
        dropped = 0
        while self._segments and self.size + size > self._max_bytes:
            if not spare_first:
                first = self._segments[0]
                dropped += len(self._head) if self._head_of is first else first.count
                self._remove_first()
                continue
            if len(self._segments) < 2:
                break
            if len(self._segments) == 2:
                self._close_last()
            second = self._segments[1]
            second.path.unlink(missing_ok=True)
            del self._segments[1]
            dropped += second.count
        return dropped

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
            self._remove_first()
            return
        first, lines = self._segments[0], self._head
        first.count = len(lines)
        data = pack(lines)
        temporary = first.path.with_suffix(".new")
        descriptor = self._create(temporary)
        try:
            self._write(descriptor, data, _Segment(0, temporary, 0, 0))
        finally:
            os.close(descriptor)
        temporary.rename(first.path)
        first.size = len(data)
        self._head, self._head_of = [], None

    def _create(self, path: Path) -> int:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._sync_folder(self.folder)
        return descriptor

    def _write(self, descriptor: int, data: bytes, segment: _Segment) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            if self._fsync:
                os.fsync(descriptor)
        except OSError:
            # What was written of it must not be read as spooled: the caller still counts it as queued.
            with suppress(OSError):
                os.ftruncate(descriptor, segment.size)
                os.lseek(descriptor, segment.size, os.SEEK_SET)
            raise

    def _close_last(self) -> None:
        if self._open is not None:
            descriptor, self._open = self._open, None
            os.close(descriptor)

    def _sync_folder(self, folder: Path) -> None:
        if not self._fsync:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _age(folder: Path) -> float:
    """Return when a folder was last written to; now, if it is just being removed."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
