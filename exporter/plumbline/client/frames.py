"""How lines lie in a spool file: marked, counted and checked one by one.

A frame is ``FF FE``, length and CRC-32 (little-endian, 4 bytes each), the line. Lines are UTF-8, in which
the bytes FF and FE never occur, so after damage the next mark is found again and a flipped byte costs the
one frame it is in.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

_MARK = b"\xff\xfe"
_HEAD = struct.Struct("<2sII")


def pack(lines: Iterable[bytes]) -> bytes:
    """Return the frames of lines."""
    return b"".join(_HEAD.pack(_MARK, len(line), zlib.crc32(line)) + line for line in lines)


def unpack(data: bytes) -> tuple[list[bytes], int]:
    """Return the whole lines, and the number of damaged places.

    A frame that the data ends in the middle of is a torn tail (a write that never finished, so an event
    that was never counted as spooled) and not damage, unless whole frames follow it.
    """
    lines: list[bytes] = []
    damaged = at = end = 0  # end: of the last whole frame
    while at < len(data):
        line = _frame(data, at)
        if line is None:
            found = data.find(_MARK, at + 1)
            at = len(data) if found < 0 else found
            continue
        damaged += end != at
        lines.append(line)
        at = end = at + _HEAD.size + len(line)
    return lines, damaged + (end < len(data) and not _is_torn(data[end:]))


def _frame(data: bytes, at: int) -> bytes | None:
    if len(data) - at < _HEAD.size:
        return None
    mark, length, crc = _HEAD.unpack_from(data, at)
    line = data[at + _HEAD.size : at + _HEAD.size + length]
    if mark != _MARK or len(line) != length or zlib.crc32(line) != crc:
        return None
    return line


def _is_torn(rest: bytes) -> bool:
    """Whether data is the beginning of one frame."""
    if len(rest) < _HEAD.size:
        return _MARK.startswith(rest[:2])
    mark, length, _ = _HEAD.unpack_from(rest)
    return bool(mark == _MARK) and _HEAD.size + length > len(rest)
