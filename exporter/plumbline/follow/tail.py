"""One followed path: its lines in the order in which they were written, whatever happens to the file.

Reads the path and, after a rotation, what it was rotated to; writes nothing. What it hands out counts as
read; whoever asked keeps the position of what really arrived (``checkpoint``).
"""

from __future__ import annotations

import gzip
import os
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.events.lines import MAX_LINE_BYTES
from plumbline.follow.position import PlainSource, Position, Prints, Source, holds, open_source
from plumbline.follow.rotated import find, unread

_CHUNK = 256 * 1024
_FILES_AT_ONCE = 100  # looked at in one read for something to give


@dataclass(slots=True)
class Chunk:
    """Some lines, and where the file has been read to with them.

    Attributes:
        path: the file they are from; after a rotation not the followed one.
        position: behind the last line.
        lines: without line feeds; each with the offset at which it begins.
        too_long: lines that ended here and were left out because they are longer than any event may be.
    """

    path: Path
    position: Position
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    too_long: int = 0


class Tail:
    """Follows one path.

    Args:
        path: need not exist yet.
        position: what was acknowledged before; None begins at the file's beginning.
        rotate_wait: seconds that a file which was moved away must have been quiet before it is left:
            whoever writes it may still have it open.
        gap: told when content may have been lost: cut, or rotated out of reach.
    """

    def __init__(self, path: Path, position: Position | None, rotate_wait: float, gap: Callable[[str], None]) -> None:
        self.path = path
        self._rotate_wait = rotate_wait
        self._gap = gap
        self._source: Source | None = None
        self._offset = 0
        self._prints = Prints()
        self._last = position  # of what was read last, in the file that is or was read
        self._checked: tuple[int, int] | None = None  # size and time of the last look
        self._quiet_since = 0.0
        self._skipping = False
        if position is not None:
            self._resume(position, "what it held at the last checkpoint is gone, from rotated files too")

    def behind(self) -> int:
        """Return the bytes of the present file that were not read yet."""
        source = self._source  # once: a scrape asks while the file may be left
        with suppress(OSError):
            if isinstance(source, PlainSource):
                return max(0, source.stat().st_size - self._offset)
        return 0

    def close(self) -> None:
        """Close the file."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def read(self, max_lines: int) -> Chunk | None:
        """Return what has come; None if nothing has.

        Raises:
            OSError: the file is there and may not be read.
        """
        if self._source is None:
            self._next()
        for _ in range(_FILES_AT_ONCE):
            source = self._source
            if source is None:
                return None
            chunk = None
            try:
                chunk = self._read(source, max_lines)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                self._gap(f"{source.path}: is damaged and is left at byte {self._offset} of it: {error}")
                self._leave(source)
            if chunk is not None or self._source is source:
                return chunk
        return None

    def _read(self, source: Source, max_lines: int) -> Chunk | None:
        state = source.stat()
        plain = isinstance(source, PlainSource)
        if not plain or self._checked != (state.st_size, state.st_mtime_ns):
            data = self._data(source)
            # Looked at after reading: what was read counts only if the file was not cut before.
            if plain and self._offset and self._last is not None and not holds(source, self._last):
                source.close()
                self._resume(self._last, "was cut, and no copy of what it held is there")
                return None
            if not self._offset and source.path == self.path and self._was_replaced(source, state):
                return None
            chunk = self._lines(source, state, data, max_lines)
            if chunk is not None:
                self._quiet_since = 0.0
                return chunk
            self._checked = (state.st_size, state.st_mtime_ns)
        if self._is_live(source):
            return None
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        quiet = max(now - self._quiet_since, time.time() - state.st_mtime)
        if plain and quiet < self._rotate_wait:
            return None
        rest = self._rest(source, state)  # no line feed will come any more
        if rest is None:
            self._leave(source)
        return rest

    def _data(self, source: Source) -> bytes:
        data = source.read(self._offset, _CHUNK)
        if b"\n" not in data and len(data) == _CHUNK and not self._skipping:
            data = source.read(self._offset, MAX_LINE_BYTES + 1)
        return data

    def _lines(self, source: Source, state: os.stat_result, data: bytes, max_lines: int) -> Chunk | None:
        at = 0
        too_long = 0
        if self._skipping:
            at = data.find(b"\n") + 1
            too_long = int(at > 0)
            self._skipping = at == 0
            at = at or len(data)
        elif b"\n" not in data and len(data) > MAX_LINE_BYTES:
            self._skipping = True
            at = len(data)
        lines: list[tuple[int, bytes]] = []
        while len(lines) < max_lines and (end := data.find(b"\n", at)) >= 0:
            lines.append((self._offset + at, data[at:end]))
            at = end + 1
        return self._took(source, state, data[:at], lines, too_long) if at else None

    def _rest(self, source: Source, state: os.stat_result) -> Chunk | None:
        data = source.read(self._offset, MAX_LINE_BYTES + 1)
        if not data:
            return None
        lines = [] if self._skipping else [(self._offset, data)]
        return self._took(source, state, data, lines, int(self._skipping))

    def _took(
        self, source: Source, state: os.stat_result, data: bytes, lines: list[tuple[int, bytes]], too_long: int
    ) -> Chunk:
        self._offset += len(data)
        self._prints.add(data)
        self._last = self._prints.position(state, self._offset)
        return Chunk(source.path, self._last, lines, too_long)

    def _was_replaced(self, source: Source, state: os.stat_result) -> bool:
        """Whether the path's file was copied and cut before its first line was read: the copy goes first."""
        if self._last is None:  # the path was never read: from now on, rotated files are its own
            self._last = self._prints.position(state, 0)
        if not unread(self.path, self._last):
            return False
        source.close()
        self._next()
        return True

    def _is_live(self, source: Source) -> bool:
        """Whether the path still names the file that is read; if it names none, that one may come back."""
        if not isinstance(source, PlainSource):
            return False
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        state = source.stat()
        return (named.st_dev, named.st_ino) == (state.st_dev, state.st_ino)

    def _resume(self, last: Position, otherwise: str) -> None:
        """Go on behind a position, in whatever file holds it now; else tell what is lost, and go on after."""
        found = find(self.path, last)
        if found is None:
            self._next(otherwise)
            return
        self._reset(found, last.offset)
        self._prints = Prints.of(found, last)

    def _leave(self, source: Source) -> None:
        """The file is read to its end, and the path names another."""
        with suppress(OSError):
            self._last = self._prints.position(source.stat(), self._offset)
        source.close()
        self._next()

    def _next(self, lost: str = "") -> None:
        """Open what was written after the last position: a rotated file that was never read, or the path's.

        ``lost`` is what to tell if there is no such rotated file.
        """
        self._reset(None, 0)
        left = [] if self._last is None else unread(self.path, self._last)
        if lost and not left:
            self._gap(f"{self.path}: {lost}; what was not read of it is lost")
        for path in [*left, self.path]:
            try:
                source = open_source(path)
            except FileNotFoundError:
                continue
            self._reset(source, 0)
            if path == self.path and self._last is not None and self._is_same(source, self._last):
                self._offset = self._last.offset  # it was away for a while
                self._prints = Prints.of(source, self._last)
            return

    @staticmethod
    def _is_same(source: Source, last: Position) -> bool:
        state = source.stat()
        return (state.st_dev, state.st_ino) == (last.device, last.inode) and holds(source, last)

    def _reset(self, source: Source | None, offset: int) -> None:
        self._source, self._offset, self._prints = source, offset, Prints()
        self._checked, self._quiet_since, self._skipping = None, 0.0, False
