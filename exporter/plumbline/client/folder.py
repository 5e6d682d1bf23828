"""The folder of one process in a spool's root: locked as long as the process lives, and its files.

``lock`` is held by ``flock``: where it is free, the process has ended, and what it left may be taken over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_LOCK = "lock"


@dataclass(slots=True)
class Segment:
    """A file of frames.

    Attributes:
        number: its place among the others.
        path: of the file.
        count: lines in it.
        size: bytes of these lines.
        synced: bytes of them that are known to be on the disk.
    """

    number: int
    path: Path
    count: int
    size: int
    synced: int = 0


class SpoolFolder:
    """A new folder, and the files in it.

    Args:
        root: shared by all processes of a service; made if absent.
        fsync: whether a write waits for the disk.

    Attributes:
        path: the folder.

    Raises:
        OSError: from every method, when the disk says no.
    """

    def __init__(self, root: Path, fsync: bool) -> None:
        self._root = root
        self._fsync = fsync
        self.path = root / f"{os.getpid()}-{os.urandom(4).hex()}"
        root.mkdir(parents=True, exist_ok=True)
        # Made under a name that nobody adopts, renamed once locked: no moment in which it looks orphaned.
        making = root / f".{self.path.name}"
        making.mkdir(mode=0o700)
        self._lock: int | None = os.open(making / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        making.rename(self.path)
        self._sync(root)

    def create(self, path: Path) -> int:
        """Return the descriptor of a new file in the folder."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._sync(self.path)
        return descriptor

    def write(self, descriptor: int, data: bytes, segment: Segment) -> None:
        """Write behind what a segment holds, all or nothing."""
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

    def orphans(self) -> list[Path]:
        """Return the other folders, last written first; which of them are orphaned, ``claimed`` finds out."""
        others = [
            entry
            for entry in self._root.iterdir()
            if entry != self.path and not entry.name.startswith(".") and (entry / _LOCK).is_file()
        ]
        return sorted(others, key=_age, reverse=True)

    def release(self) -> None:
        """Let the lock go. It stays with whoever else holds the same descriptor, as a parent does."""
        if self._lock is not None:
            with suppress(OSError):
                os.close(self._lock)
        self._lock = None

    def _sync(self, folder: Path) -> None:
        if self._fsync:
            sync_path(folder, os.O_RDONLY | os.O_DIRECTORY)


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Hold the lock of another process's folder; whether it was ours to take, because that one has ended."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False  # another process was quicker
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False  # its process lives
        else:
            # If it is gone, another process was quicker, between our opening and our locking.
            yield (folder / _LOCK).exists()
    finally:
        os.close(lock)


def sync_path(path: Path, flags: int) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
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
