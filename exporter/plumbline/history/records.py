"""Events of history files, one by one: reads NDJSON (plain or .gz), yields records.

A record keeps the place it came from, so that whoever refuses it later can name file and line.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from plumbline.errors import TableError
from plumbline.units import parse_time

_LINE_BITS = 40


class Record(NamedTuple):
    """One event.

    Attributes:
        ts: its time, epoch seconds.
        line: NDJSON without its end.
        place: where it stands; ``Source.where`` makes a text of it.
    """

    ts: float
    line: bytes
    place: int


class Source(Protocol):
    """History that can be read from its beginning any number of times, with the same records each time."""

    tabular: bool
    """Whether a record's time need not grow from one to the next even in a well-kept file."""

    def records(self) -> Iterator[Record]:
        """Yield every event; raises TableError naming file, line or row, and field."""

    def where(self, place: int) -> str:
        """Return ``file:line`` (or ``file, row n``)."""


class _Stamp(msgspec.Struct):
    ts: str | float


class JsonLines:
    """NDJSON files, one after the other.

    Args:
        paths: plain or .gz.
    """

    tabular = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def records(self) -> Iterator[Record]:
        """Yield every non-empty line. See ``Source.records``."""
        decode = msgspec.json.Decoder(_Stamp).decode
        for index, path in enumerate(self._paths):
            for number, raw in _lines(path):
                line = raw.strip()
                if not line:
                    continue
                try:
                    at = parse_time(decode(line).ts)
                except (msgspec.MsgspecError, ValueError) as error:
                    raise TableError(
                        f"{path}:{number}: field 'ts': {error}; history needs a 'ts' in every event"
                    ) from error
                yield Record(at, line, pack(index, number))

    def where(self, place: int) -> str:
        """Return ``file:line``."""
        index, number = unpack(place)
        return f"{self._paths[index]}:{number}"


def pack(index: int, number: int) -> int:
    """Return the place of a line or row of the file with this index."""
    return index << _LINE_BITS | number


def unpack(place: int) -> tuple[int, int]:
    """Return (index of the file, number of the line or row)."""
    return place >> _LINE_BITS, place & ((1 << _LINE_BITS) - 1)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                yield number, raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"{path}:{number + 1}: is damaged or cut off: {error}") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
