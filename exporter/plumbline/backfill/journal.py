"""What a backfill has done so far, so that one that was cut off goes on where it stopped.

Reads and writes ``journal.jsonl`` in the scratch folder: first what is being loaded, then a mark per step,
after the step's samples are in their file and before the next step's events are in the store. So after a
kill the store is ahead of the samples by at most one step; its events are sent again, are known by their
ids, and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from plumbline.errors import UsageError

_FILE = "journal.jsonl"


class Plan(msgspec.Struct, frozen=True):
    """What is being loaded. A backfill goes on only with the plan it began with.

    Attributes:
        history: digest of the events.
        step: seconds between samples.
        labels: of the scrape.
        rules: digests of the recording rules, and their step.
    """

    history: str
    step: float
    labels: dict[str, str]
    rules: str


class Mark(msgspec.Struct, frozen=True):
    """A step that is done.

    Attributes:
        time: its sampling time.
        first: the first sampling time of all.
        piece: number of the piece its samples are in.
        size: bytes of that piece's file with this step's samples.
        samples: samples so far, of all steps. So are the rest.
        blocks: pieces handed to promtool.
        accepted: events stored.
        rejected: (place, reason) of the first refused events.
        rejected_total: refused events.
        finished: all samples are in blocks; only recording rules may be left.
    """

    time: float
    first: float
    piece: int
    size: int
    samples: int = 0
    blocks: int = 0
    accepted: int = 0
    rejected: list[tuple[int, str]] = []
    rejected_total: int = 0
    finished: bool = False


class _Made(msgspec.Struct, frozen=True):
    made: str


class Journal:
    """The journal of one backfill. A context manager.

    Args:
        folder: the scratch folder.
        plan: what is to be loaded.

    Attributes:
        mark: the last step that was done; None at the beginning.
        made: names of the blocks of recorded series; they are made again.

    Raises:
        UsageError: another plan was cut off in this folder.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / _FILE
        self._plan = plan
        self.mark: Mark | None = None
        self.made: list[str] = []
        lines = self._whole_lines()
        if lines:
            if msgspec.json.decode(lines[0], type=Plan) != plan:
                raise UsageError(
                    f"{folder} holds a backfill of another history, step, rules or labels that was cut off: "
                    "finish it with the options it began with, or remove its --tsdb and --data folders"
                )
            for line in lines[1:]:
                if b'"made"' in line:
                    self.made.append(msgspec.json.decode(line, type=_Made).made)
                else:
                    self.mark = msgspec.json.decode(line, type=Mark)
        # Written again without a torn last line, and no longer than needed.
        kept = (plan, self.mark, *map(_Made, self.made))
        self._file: IO[bytes] = self._rewrite([entry for entry in kept if entry is not None])

    def _rewrite(self, entries: Sequence[msgspec.Struct]) -> IO[bytes]:
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
        fresh.replace(self._path)
        return self._path.open("ab")

    def _whole_lines(self) -> list[bytes]:
        if not self._path.is_file():
            return []
        return self._path.read_bytes().split(b"\n")[:-1]

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def step(self, mark: Mark) -> None:
        """Note a step whose samples are in their file."""
        self.mark = mark
        self._append(mark)

    def block(self, name: str) -> None:
        """Note a block of recorded series that is about to appear."""
        self.made.append(name)
        self._append(_Made(name))

    def forget_blocks(self) -> None:
        """Note that the blocks of recorded series are gone again."""
        self.made = []
        self._file.close()
        self._file = self._rewrite([self._plan, *([self.mark] if self.mark is not None else [])])

    def _append(self, entry: msgspec.Struct) -> None:
        self._file.write(msgspec.json.encode(entry) + b"\n")
        self._file.flush()
