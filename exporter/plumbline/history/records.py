"""Events of history files, one by one: reads JSON, plain or packed, yields records.

A record keeps the place it came from, so that whoever refuses it later can name file and line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from plumbline.errors import TableError
from plumbline.events.lines import mended, one_a_line
from plumbline.files import text_lines
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
        paths: one event a line, an array, or objects over several lines; plain or packed.
    """

    tabular = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def records(self) -> Iterator[Record]:
        """Yield every non-empty line. See ``Source.records``."""
        decode = msgspec.json.Decoder(_Stamp).decode
        for index, path in enumerate(self._paths):
            for number, raw in _lines(path):
                line = mended(raw.strip())
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
    try:
        with path.open("rb") as file:
            yield from one_a_line(enumerate(text_lines(file, path), start=1))
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
