"""Files of others by their content, and files that others read while we write them: whole, or as they were.

A file that is written in place is empty at first and then a part of itself. Rules cut off after a group are a
valid rule file, with fewer alerts; nobody would see it.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from plumbline.errors import TableError

GZIP = b"\x1f\x8b"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UNPACK = {GZIP: gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


def text_lines(file: IO[bytes], name: object) -> Iterator[bytes]:
    """Yield the lines of a text in UTF-8.

    Args:
        file: plain or packed by gzip, bzip2 or xz, in UTF-8 or, with its mark, UTF-16; told by the first bytes.
        name: of the file, for messages.

    Raises:
        TableError: it is damaged, cut off or cannot be read.
    """
    try:
        text = _peekable(file)
        head = text.peek(6)
        unpack = next((unpack for magic, unpack in _UNPACK.items() if head.startswith(magic)), None)
        if unpack is not None:
            text = _peekable(unpack(text))  # type: ignore[operator]
        if text.peek(2).startswith(UTF16_MARKS):
            wide = io.TextIOWrapper(text, "utf-16", newline="\n")
            try:
                yield from (line.encode() for line in wide)
            finally:
                wide.detach()  # whoever opened the file closes it
        else:
            yield from text
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, UnicodeError) as error:
        raise TableError(f"{name}: is damaged or cut off: {error}") from error
    except OSError as error:
        raise TableError(f"{name}: cannot be read: {error.strerror or error}") from error


def _peekable(file: IO[bytes]) -> io.BufferedReader:
    return file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[arg-type]


def file_name(text: str) -> str:
    """Return a name for a file about something of any name: the same for the same, and never a path."""
    plain = re.sub(r"[^\w.-]", "_", text)[:40].lstrip(".")
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file by one with this content, in one step; permissions of an existing file stay.

    Whatever interrupts it (a signal, a full disk) leaves the file as it was; a ``.partial`` file may remain
    beside it after kill -9. A symbolic link stays one, and what is no file (``/dev/stdout``) is written to.

    Raises:
        OSError: if it cannot be written.
    """
    content = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = path.resolve()
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
