"""Files that others read while we write them: whole, or as they were.

A file that is written in place is empty at first and then a part of itself. Rules cut off after a group are a
valid rule file, with fewer alerts; nobody would see it.
"""

from __future__ import annotations

import os
from pathlib import Path


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
