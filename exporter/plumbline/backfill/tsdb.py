"""OpenMetrics pieces to TSDB blocks, by promtool, while the next piece is being written.

promtool reads its whole input once per block it makes, and by default makes blocks of two hours: a year
in one file would be read thousands of times. So the text is cut at multiples of one block length and
each piece becomes one block.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO

from plumbline.backfill.openmetrics import END
from plumbline.errors import ToolError
from plumbline.servers import find_program, run_program

# Prometheus's own block ranges are 2 h times powers of 3; these are the longer ones.
_BLOCK_RANGES: tuple[float, ...] = (162 * 3600.0, 486 * 3600.0, 1458 * 3600.0, 4374 * 3600.0)
_STEPS_PER_PIECE = 1000
_WAITING_PIECES = 2


def piece_seconds(step: float) -> float:
    """Return the length of a piece for samples this far apart: the longest of at most 1000 steps."""
    fitting: list[float] = [length for length in _BLOCK_RANGES if length <= step * _STEPS_PER_PIECE]
    return fitting[-1] if fitting else _BLOCK_RANGES[0]


class PieceWriter:
    """Cuts samples into pieces and has promtool turn each into a block under ``tsdb``.

    Samples must arrive in time order per series. A context manager: leaving it waits for promtool.

    What a run that was cut off left in ``work`` is finished or undone: blocks that were ready move to
    ``tsdb``, closed pieces are made into blocks, and the open piece goes on at the size that ``resume``
    gives, or is dropped.

    Args:
        tsdb: receives the blocks.
        work: folder for the pieces.
        step: seconds between samples.
        resume: (number, size in bytes) of the piece that was open.
        announce: told the name of each block just before it appears in ``tsdb``.

    Attributes:
        blocks: number of pieces handed to promtool.
    """

    def __init__(
        self,
        tsdb: Path,
        work: Path,
        step: float,
        resume: tuple[int, int] | None = None,
        announce: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.blocks = 0
        self._seconds = piece_seconds(step)
        self._promtool = find_program("promtool")
        self._tsdb = tsdb
        self._work = work
        self._piece: int | None = None
        self._file: IO[str] | None = None
        self._path = work
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="promtool")
        self._running: list[Future[None]] = []
        self._announce = announce
        tsdb.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        self._recover(resume)

    def _recover(self, resume: tuple[int, int] | None) -> None:
        for half in self._work.glob("making-*"):
            shutil.rmtree(half)
        for ready in self._work.glob("ready-*"):
            self._move(ready)
        for left in sorted(self._work.glob("piece-*.om")):
            number = int(left.stem.removeprefix("piece-"))
            if resume is None or number > resume[0]:
                left.unlink()  # holds nothing that was noted
            elif number < resume[0]:
                self._submit(left)
            else:
                with left.open("r+b") as file:
                    file.truncate(resume[1])
                self._piece, self._path = number, left
                self._file = left.open("a", encoding="utf-8")

    def __enter__(self) -> PieceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._close_piece()
                for future in self._running:
                    future.result()
        finally:
            if self._file is not None:
                self._file.close()
            self._pool.shutdown(wait=True, cancel_futures=True)

    def at(self, time: float) -> IO[str]:
        """Return the file that takes samples of this time, closing the piece before it."""
        piece = int(time // self._seconds)
        if piece != self._piece or self._file is None:
            self._close_piece()
            self._piece = piece
            self._path = self._work / f"piece-{piece}.om"
            self._file = self._path.open("w", encoding="utf-8")
        return self._file

    def _close_piece(self) -> None:
        if self._file is None:
            return
        empty = self._file.tell() == 0
        self._file.write(END)
        self._file.close()
        self._file = None
        if empty:
            self._path.unlink()
            return
        self._submit(self._path)
        self.blocks += 1

    def position(self) -> tuple[int, int]:
        """Hand the samples so far to the system; return (number, size in bytes) of the open piece."""
        if self._file is None or self._piece is None:
            return (-1, 0)
        self._file.flush()
        return self._piece, os.fstat(self._file.fileno()).st_size

    def _submit(self, piece: Path) -> None:
        while len(self._running) >= _WAITING_PIECES:  # bounds the pieces on disk
            self._running.pop(0).result()
        self._running.append(self._pool.submit(self._make_block, piece))

    def _make_block(self, piece: Path) -> None:
        # Into a folder of its own, then renamed: a run that is cut off leaves no half block behind.
        fresh = self._work / f"making-{piece.stem}"
        fresh.mkdir()
        run_program(
            [
                self._promtool,
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--quiet",
                f"--max-block-duration={self._seconds / 3600:.0f}h",
                piece,
                fresh,
            ]
        )
        if not any((path / "meta.json").is_file() for path in fresh.iterdir()):
            raise ToolError(f"promtool made no block of {piece}")
        ready = self._work / f"ready-{piece.stem}"
        fresh.rename(ready)
        self._move(ready)

    def _move(self, ready: Path) -> None:
        """Move the blocks of a piece to where Prometheus finds them; may be done twice."""
        (self._work / f"{ready.name.removeprefix('ready-')}.om").unlink(missing_ok=True)
        for block in ready.iterdir():
            if (block / "meta.json").is_file():
                self._announce(block.name)
                block.rename(self._tsdb / block.name)
        shutil.rmtree(ready)


def step_times(first: float, last: float, step: float) -> tuple[float, float]:
    """Return the first multiple of ``step`` at or after ``first`` and the last at or before ``last``."""
    start = -(-first // step) * step
    return start, max(start, last // step * step)
