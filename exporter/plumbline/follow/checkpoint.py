"""What the exporter has acknowledged of each followed path, durably.

One JSON file in a folder, replaced whole: after a crash either the old or the new one is there. If it is
older than what was acknowledged, lines are sent again, and the exporter recognises them.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from plumbline.errors import PlumblineError
from plumbline.follow.position import Position

_FILE = "positions.json"


class Checkpoint:
    """The positions of all paths, in a folder that one process owns.

    Args:
        folder: made if absent.

    Raises:
        PlumblineError: the folder cannot be used, another process has it, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PlumblineError(f"{folder}: cannot be used for checkpoints: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise PlumblineError(
                f"{folder}: another process follows with these checkpoints; stop it or name another folder"
            ) from error
        try:
            content = self._path.read_bytes() if self._path.exists() else b"{}"
            self._positions = msgspec.json.decode(content, type=dict[str, Position])
        except (OSError, msgspec.DecodeError) as error:
            self.close()
            raise PlumblineError(
                f"{self._path}: cannot be read: {error}; remove it to send all files from their beginning, "
                "which is safe: the exporter recognises what it has"
            ) from error

    def get(self, path: Path) -> Position | None:
        """Return the position of a path, None if it was never followed."""
        return self._positions.get(str(path))

    def put(self, path: Path, position: Position) -> None:
        """Remember a position; it is on the disk when this returns.

        Raises:
            PlumblineError: it cannot be written.
        """
        self._positions[str(path)] = position
        temporary = self._path.with_suffix(".new")
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(self._positions)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            os.fsync(self._folder)
        except OSError as error:
            raise PlumblineError(f"{self._path}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Give up the folder."""
        for descriptor in (self._lock, self._folder):
            os.close(descriptor)
