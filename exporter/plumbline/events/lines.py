"""One JSON value a line, of what people really send: objects over several lines, arrays, byte order marks, NaN.

Reads lines of text as they come; writes each value as one line with the number of the line on which it begins.
NDJSON passes as it is: only a text whose first line is ``{`` or begins with ``[`` is taken apart.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from plumbline.files import UTF16_MARKS

MAX_LINE_BYTES = 1_048_576
# An array of objects, or an object over several lines; "[2026-01-01 10:00:00,123] INFO" is neither.
_NESTED = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*(?:[{\]]|$)|\{[ \t\r]*(?:\n|$))")
_STRING = rb'"(?:[^"\\]++|\\.)*+"?'  # possessive: nothing is looked at twice
_TOKEN = re.compile(_STRING + rb"|[\[\]{},]", re.DOTALL)
# Python's json and decimal.Decimal write them, JSON does not know them.
_NO_NUMBER = re.compile(_STRING + rb"|-?(?:s?NaN\d*|Infinity)", re.DOTALL)


def mended(text: bytes) -> bytes:
    """Return JSON without byte order mark, and null in place of NaN and infinities, as ``plumbline.Client`` sends."""
    text = text.lstrip(codecs.BOM_UTF8)
    if b"NaN" in text or b"Infinity" in text:
        text = _NO_NUMBER.sub(lambda found: found[0] if found[0].startswith(b'"') else b"null", text)
    return text


def stored_json(line: bytes) -> Any:
    """Return a stored line as JSON; the numbers as texts where one is beyond what a float holds.

    Only fields that the contract does not know can have such a number: they are stored unread.
    """
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return json.loads(line, parse_float=str, parse_int=str)


class TooMany(Exception):
    """A body holds more events than are taken at once."""


def event_lines(body: bytes, most: float) -> Iterable[tuple[int, bytes]]:
    """Return (number, line) of each value in a body; blank lines too where it is NDJSON.

    Raises:
        TooMany: there are more than ``most`` lines; or values, when the first beyond it is asked for.
    """
    if body.startswith(UTF16_MARKS):
        body = body.decode("utf-16", "replace").encode()
    # Before anything is made of the lines: millions of bad ones would cost a hundred times their bytes.
    if body.count(b"\n") + (not body.endswith(b"\n")) > most:
        raise TooMany
    lines = list(enumerate(body.split(b"\n"), 1))
    return _at_most(one_a_line(lines), most) if _NESTED.match(body) and not _is_torn(lines) else lines


def _is_torn(lines: list[tuple[int, bytes]]) -> bool:
    """Whether these are NDJSON of which the first line was cut off: it must not take the others with it."""
    if next((line.strip() for _, line in lines if line.strip()), b"") == b"[":
        return False  # no line of NDJSON ends so: an array, of which one element may be bad
    for _, first in one_a_line(lines):
        try:
            msgspec.json.decode(mended(first))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return any(line.startswith(b"{") and line.rstrip().endswith(b"}") for _, line in lines[1:])
        return False
    return False


def _at_most(values: Iterable[tuple[int, bytes]], most: float) -> Iterator[tuple[int, bytes]]:
    for count, value in enumerate(values, 1):
        if count > most:
            raise TooMany
        yield value


def one_a_line(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield each value as one line; see ``Values``."""
    values = Values()
    for number, line in lines:
        yield from values.take(number, line)
    yield from values.rest()


class Values:
    """Takes a text apart: NDJSON at its lines, an array or objects over several lines at their brackets.

    Holds one value at most, and no more of it than a line may be long. No string of JSON holds a line feed, so
    lines can be looked at one by one.
    """

    def __init__(self) -> None:
        self._plain: bool | None = None  # not known before the first line that is not blank
        self._base = 0  # 1 inside of an array of values
        self._depth = 0
        self._held: list[bytes] = []
        self._size = 0  # of what is held
        self._begun = 0
        self._ended = False  # whether a value of the array has come since the last comma

    def take(self, number: int, line: bytes) -> Iterable[tuple[int, bytes]]:
        """Return the values that end on this line; a line of NDJSON as it is."""
        if self._plain is None:
            line = line.removeprefix(codecs.BOM_UTF8)
            if line.strip():
                self._plain = not _NESTED.match(line)
        return self._apart(number, line) if self._plain is False else ((number, line),)

    def _apart(self, number: int, line: bytes) -> Iterator[tuple[int, bytes]]:
        start = 0
        for token in _TOKEN.finditer(line):
            if token.start() - start > MAX_LINE_BYTES:
                break
            sign = token[0]
            if sign in (b"{", b"["):
                if sign == b"[" and self._depth == 0 and not self._held and not line[start : token.start()].strip():
                    self._base, self._begun, start = 1, number, token.end()
                self._depth += 1
            elif sign in (b"}", b"]") and self._depth > self._base:
                self._depth -= 1
                if self._depth == self._base:
                    yield from self._whole(number, line[start : token.end()])
                    start = token.end()
            elif self._depth == self._base == 1 and sign in (b",", b"]"):
                text = line[start : token.start()]
                if sign == b"," and not self._ended and not self._held and not text.strip():
                    text = sign  # a comma after nothing counts: a body of them must come to its end
                yield from self._whole(number, text)
                self._ended = False
                start = token.end()
                if sign == b"]":
                    self._base = self._depth = 0
        left = line[start:].strip()
        if left:
            self._begun = self._begun if self._held else number
            self._held.append(left)
            self._size += len(left) + 1
        if self._held and (self._depth == 0 or self._size > MAX_LINE_BYTES):
            yield from self.rest()

    def _whole(self, number: int, text: bytes) -> Iterator[tuple[int, bytes]]:
        begun = self._begun if self._held else number
        text = b" ".join((*self._held, text)).strip()
        self._held, self._size, self._ended = [], 0, True
        if text:
            yield begun, text

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """Yield what has not come to its end: it will be refused as what it is."""
        if self._held or self._depth:
            yield self._begun, b" ".join(self._held) or b"["
        self._held, self._size, self._base, self._depth = [], 0, 0, 0
