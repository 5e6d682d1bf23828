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
HEAD_BYTES = _HEAD.size


def pack(lines: Iterable[bytes]) -> bytes:
    """Return the frames of lines."""
    return b"".join(_HEAD.pack(_MARK, len(line), zlib.crc32(line)) + line for line in lines)


def unpack(data: bytes) -> tuple[list[bytes], int, int]:
    """Return the whole lines, the number of damaged places, and the bytes of a torn tail.

    A frame that the data ends in the middle of is a torn tail (a write that never finished, so an event
    that was never counted as spooled) and not damage, unless whole frames follow it.
    """
    lines: list[bytes] = []
    damaged = 0
    at = 0
    end_of_good = 0
    while at < len(data):
        line = _frame(data, at)
        if line is not None:
            damaged += end_of_good != at
            lines.append(line)
            at += HEAD_BYTES + len(line)
            end_of_good = at
            continue
        found = data.find(_MARK, at + 1)
        at = len(data) if found < 0 else found
    rest = len(data) - end_of_good
    if rest and not _is_torn(data, end_of_good):
        return lines, damaged + 1, 0
    return lines, damaged, rest


def _frame(data: bytes, at: int) -> bytes | None:
    if len(data) - at < HEAD_BYTES:
        return None
    mark, length, crc = _HEAD.unpack_from(data, at)
    line = data[at + HEAD_BYTES : at + HEAD_BYTES + length]
    if mark != _MARK or len(line) != length or zlib.crc32(line) != crc:
        return None
    return line


def _is_torn(data: bytes, at: int) -> bool:
    """Whether the data from ``at`` on is the beginning of one frame."""
    if len(data) - at < HEAD_BYTES:
        return _MARK.startswith(data[at : at + 2])
    mark, length, _ = _HEAD.unpack_from(data, at)
    return bool(mark == _MARK) and at + HEAD_BYTES + length > len(data)
