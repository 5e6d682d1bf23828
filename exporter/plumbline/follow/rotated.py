"""Where a file's content went: the names that logrotate and Python's handlers give, and what is unread.

Reads the folder of a followed path; writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from plumbline.follow.position import Position, Source, holds, open_source


def siblings(path: Path) -> list[Path]:
    """Return the rotated files of a path, oldest first.

    ``app.log`` has ``app.log.1``, ``app.log.2.gz``, ``app.log-20261125``, ``app.log.2026-11-25``: its own
    name, a dot or dash, a digit. Compressions other than gzip are left out, for nobody here can read them.
    """
    name = re.compile(re.escape(path.name) + r"[.-]\d[0-9_.T:-]*(\.gz)?")
    found = []
    with suppress(OSError):
        for entry in path.parent.iterdir():
            if name.fullmatch(entry.name):
                if entry.suffix == ".gz" and entry.with_suffix("").exists():
                    continue  # it is just being compressed
                with suppress(OSError):  # moved on meanwhile
                    found.append((entry.stat().st_mtime_ns, entry))
    return [entry for _, entry in sorted(found)]


def find(path: Path, position: Position) -> Source | None:
    """Return, opened, the file that has the content up to a position: the path's own, or a rotated one.

    Of several the one with the position's inode goes first: the others are copies.
    """
    candidates = [path, *reversed(siblings(path))]
    by_inode: list[Source] = []
    by_content: list[Source] = []
    for source in _opened(candidates):
        state = source.stat()
        same = (state.st_dev, state.st_ino) == (position.device, position.inode)
        if not (position.offset or same) or not _holds(source, position):
            source.close()
        else:
            (by_inode if same else by_content).append(source)
    found = [*by_inode, *by_content]
    for other in found[1:]:
        other.close()
    return found[0] if found else None


def unread(path: Path, position: Position) -> list[Path]:
    """Return the rotated files that are newer than a position and do not hold it, oldest first."""
    left = []
    for sibling in siblings(path):
        with suppress(OSError), closing(open_source(sibling)) as source:
            state = source.stat()
            if state.st_mtime_ns < position.modified:
                continue
            if (state.st_dev, state.st_ino) == (position.device, position.inode):
                continue
            if not (position.offset and _holds(source, position)):
                left.append(sibling)
    return left


def _opened(paths: list[Path]) -> Iterator[Source]:
    for path in paths:
        with suppress(OSError):
            yield open_source(path)


def _holds(source: Source, position: Position) -> bool:
    try:
        return holds(source, position)
    except (OSError, EOFError):  # a damaged .gz, or one that is being written
        return False
