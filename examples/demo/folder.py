"""The demo's work folder: emptied, and owned by one demo at a time."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from plumbline.errors import UsageError

_MARK = "plumbline-demo"
_LOCK = "lock"


@contextlib.contextmanager
def own_folder(work: Path) -> Iterator[None]:
    """Empty the work folder, if it is a demo's, and own it while the block runs."""
    if work.exists() and any(work.iterdir()) and not (work / _MARK).exists():
        raise UsageError(f"{work} is not empty and not a demo's folder: name another one with --work-dir")
    work.mkdir(parents=True, exist_ok=True)
    (work / _MARK).touch()
    with (work / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another demo is running in {work}: stop it, or name another folder with --work-dir"
            ) from error
        for path in work.iterdir():
            if path.name in (_MARK, _LOCK):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        yield
