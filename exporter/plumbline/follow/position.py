"""Where a reader is in a file, and how that place is known again after the file was moved, copied or cut.

A name says nothing after a rotation and an inode number is used again, so a position carries two prints of
the content besides: of its beginning, and of what stands right before the offset.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

_HEAD_BYTES = 1024
_TAIL_BYTES = 256


class Position(msgspec.Struct, frozen=True):
    """Everything before ``offset`` has been acknowledged.

    Attributes:
        device: of the file, when it was read.
        inode: of the file, when it was read.
        offset: bytes.
        modified: nanoseconds since the epoch at which the file had last been written to.
        head_bytes: how many bytes at the beginning ``head`` is the digest of.
        head: SHA-256, hexadecimal.
        tail_bytes: how many bytes before the offset ``tail`` is the digest of.
        tail: SHA-256, hexadecimal.
    """

    device: int
    inode: int
    offset: int
    modified: int
    head_bytes: int
    head: str
    tail_bytes: int
    tail: str


class Source(Protocol):
    """An open file: read at any place."""

    path: Path

    def stat(self) -> os.stat_result:
        """Return the open file's state, even if its name is gone."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; less only at the end."""

    def close(self) -> None:
        """Close it."""


@dataclass(slots=True)
class PlainSource:
    """A file as it lies there. Opening raises OSError."""

    path: Path
    _descriptor: int

    @classmethod
    def open(cls, path: Path) -> PlainSource:
        """Open a path for reading."""
        return cls(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def stat(self) -> os.stat_result:
        """Return the open file's state."""
        return os.fstat(self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``."""
        parts = []
        while size and (part := os.pread(self._descriptor, size, offset)):
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class GzipSource:
    """A rotated file that was compressed; it does not change any more. Opening raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = gzip.GzipFile(path, "rb")

    def stat(self) -> os.stat_result:
        """Return the compressed file's state."""
        return os.fstat(self._file.fileno())

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes of the content from ``offset``. Going back is slow."""
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        """Close it."""
        self._file.close()


def open_source(path: Path) -> Source:
    """Open a file, compressed or not.

    Raises:
        OSError: it is not there or may not be read.
    """
    return GzipSource(path) if path.suffix == ".gz" else PlainSource.open(path)


@dataclass(slots=True)
class Prints:
    """The beginning and the end of what was read, kept as it is read: the file may be cut at any moment."""

    head: bytes = b""
    tail: bytes = b""

    @classmethod
    def of(cls, source: Source, position: Position) -> Prints:
        """Return those of a position that the file holds."""
        return cls(
            source.read(0, position.head_bytes), source.read(position.offset - position.tail_bytes, position.tail_bytes)
        )

    def add(self, data: bytes) -> None:
        """Add what was read next."""
        if len(self.head) < _HEAD_BYTES:
            self.head += data[: _HEAD_BYTES - len(self.head)]
        self.tail = (self.tail + data)[-_TAIL_BYTES:]

    def position(self, state: os.stat_result, offset: int) -> Position:
        """Return the position at an offset of a file whose state was taken before it was read."""
        return Position(
            state.st_dev,
            state.st_ino,
            offset,
            state.st_mtime_ns,
            len(self.head),
            _digest(self.head),
            len(self.tail),
            _digest(self.tail),
        )


def holds(source: Source, position: Position) -> bool:
    """Whether a file still has, or has too, the content that was read up to the position."""
    head = source.read(0, position.head_bytes)
    if len(head) < position.head_bytes or _digest(head) != position.head:
        return False
    tail = source.read(position.offset - position.tail_bytes, position.tail_bytes)
    return len(tail) == position.tail_bytes and _digest(tail) == position.tail


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
