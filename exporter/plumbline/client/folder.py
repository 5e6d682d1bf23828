"""The folder of one process in a spool's root: locked as long as the process lives.

``lock`` is held by ``flock``: where it is free, the process has ended, and what it left may be taken over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = "lock"


def make_folder(root: Path, fsync: bool) -> tuple[Path, int]:
    """Return a new folder and the descriptor that holds its lock; with ``fsync``, the folder is on the disk."""
    name = f"{os.getpid()}-{os.urandom(4).hex()}"
    root.mkdir(parents=True, exist_ok=True)
    # Made under a name that nobody adopts, renamed once locked: no moment in which it looks orphaned.
    making = root / f".{name}"
    making.mkdir(mode=0o700)
    lock = os.open(making / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = making.rename(root / name)
        if fsync:
            sync_path(root)
    except OSError:
        os.close(lock)
        raise
    return folder, lock


def create_file(path: Path, fsync: bool) -> int:
    """Return the descriptor of a new file; with ``fsync``, its entry in the folder is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if fsync:
            sync_path(path.parent)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_at_end(descriptor: int, data: bytes, size: int, fsync: bool) -> None:
    """Write behind the ``size`` bytes that a file holds, all or nothing."""
    try:
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])
        if fsync:
            os.fsync(descriptor)
    except OSError:
        # What was written of it must not be read as spooled: the caller still counts it as queued.
        with suppress(OSError):
            os.ftruncate(descriptor, size)
            os.lseek(descriptor, size, os.SEEK_SET)
        raise


def sync_path(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def orphans(root: Path, own: Path) -> list[Path]:
    """Return the other folders, last written first; which of them are orphaned, ``claimed`` finds out."""
    return sorted({path.parent for path in root.glob(f"[!.]*/{_LOCK}")} - {own}, key=_age, reverse=True)


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


def _age(folder: Path) -> float:
    """Return when a folder was last written to; now, if it is just being removed."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
