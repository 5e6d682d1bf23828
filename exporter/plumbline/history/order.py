"""History in the order of time: reads a source, yields its records by ``ts``.

What is in order already is read straight through. Anything else is sorted on disk: runs that fit into
memory are sorted and written, then merged. So memory is bounded by ``memory`` and not by the history.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import IO

from plumbline.errors import TableError
from plumbline.history.records import Record, Source
from plumbline.units import format_time

Progress = Callable[[float, float, str], None]
"""Called with (done, total, what) as work proceeds."""

SORT_BYTES = 128 << 20
_MOST_RUNS = 100  # files open at once
_HEAD = struct.Struct("<dqI")
_OVERHEAD = 160  # bytes of a record beside its line
_BY_TIME = attrgetter("ts")
_REPORT_EVERY = 50_000


@dataclass(frozen=True, slots=True)
class Arranged:
    """History that can be read in the order of time.

    Attributes:
        source: where it comes from.
        events: how many.
        first: time of the first, epoch seconds.
        last: time of the last.
        digest: sha256 of what was read: the same history has the same one.
        sorted_runs: the runs on disk; empty if the source is in order by itself.
    """

    source: Source
    events: int
    first: float
    last: float
    digest: str
    sorted_runs: tuple[Path, ...] = ()

    def records(self) -> Iterator[Record]:
        """Yield the records, oldest first; of the same time, as they stand in the source."""
        if not self.sorted_runs:
            return self.source.records()
        return heapq.merge(*map(_read_run, self.sorted_runs), key=_BY_TIME)

    def where(self, place: int) -> str:
        """Return the place of a record as text."""
        return self.source.where(place)


def arrange(source: Source, scratch: Path, memory: int = SORT_BYTES, advance: Progress | None = None) -> Arranged:
    """Read the whole source once, find out its times, and sort it if it needs to be.

    Args:
        source: where the records come from.
        scratch: folder for sorted runs; whoever asked removes it.
        memory: bytes that records may take while they are sorted.
        advance: told how far it is; the total is not known.

    Raises:
        TableError: a record cannot be read, or there is none.
    """
    sorter = _Sorter(scratch, memory) if source.tabular else None
    sha = hashlib.sha256()
    first, last, previous, ordered, count = float("inf"), 0.0, 0.0, True, 0
    for count, record in enumerate(source.records(), start=1):
        sha.update(record.line)
        sha.update(b"\n")
        ordered = ordered and record.ts >= previous
        previous = record.ts
        first, last = min(first, record.ts), max(last, record.ts)
        if sorter is not None:
            sorter.add(record)
        if advance is not None and count % _REPORT_EVERY == 0:
            advance(0.0, 1.0, f"reading: {count:,} events, up to {format_time(record.ts)}")
    if not count:
        raise TableError(f"{source.where(0).rpartition(':')[0] or source.where(0)}: no events")
    if not ordered and sorter is None:
        sorter = _Sorter(scratch, memory)
        for done, record in enumerate(source.records(), start=1):
            sorter.add(record)
            if advance is not None and done % _REPORT_EVERY == 0:
                advance(done, count, "sorting by time")
    runs = () if sorter is None else sorter.finish()
    return Arranged(source, count, first, last, sha.hexdigest(), runs)


class _Sorter:
    def __init__(self, scratch: Path, memory: int) -> None:
        self._scratch = scratch
        self._memory = memory
        self._held: list[Record] = []
        self._bytes = 0
        self._runs: list[Path] = []
        self._made = itertools.count()
        scratch.mkdir(parents=True, exist_ok=True)

    def add(self, record: Record) -> None:
        self._held.append(record)
        self._bytes += len(record.line) + _OVERHEAD
        if self._bytes >= self._memory:
            self._spill()

    def finish(self) -> tuple[Path, ...]:
        if self._held:
            self._spill()
        return tuple(self._runs)

    def _spill(self) -> None:
        self._held.sort(key=_BY_TIME)  # stable
        self._runs.append(self._write(self._held))
        self._held, self._bytes = [], 0
        if len(self._runs) >= _MOST_RUNS:
            merged = self._write(heapq.merge(*map(_read_run, self._runs), key=_BY_TIME))
            for run in self._runs:
                run.unlink()
            self._runs = [merged]

    def _write(self, records: Iterable[Record]) -> Path:
        path = self._scratch / f"run-{next(self._made)}"
        try:
            with path.open("wb", buffering=1 << 20) as file:
                for ts, line, place in records:
                    file.write(_HEAD.pack(ts, place, len(line)))
                    file.write(line)
        except OSError as error:
            raise TableError(f"{path}: cannot be written while sorting: {error.strerror}") from error
        return path


def _read_run(path: Path) -> Iterator[Record]:
    with path.open("rb", buffering=1 << 18) as file:
        while head := _exactly(file, _HEAD.size, path):
            ts, place, length = _HEAD.unpack(head)
            yield Record(ts, _exactly(file, length, path), place)


def _exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    data = file.read(size)
    if data and len(data) != size:
        raise TableError(f"{path}: the sorted copy was cut off; start again")
    return data
