"""History in the order of time: reads a source, yields its records by ``ts``.

What is in order already is read straight through. Anything else is copied into an SQLite file and read by an
index on the time, so that memory is bounded by ``memory`` and not by the history.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from plumbline.errors import TableError
from plumbline.history.records import Record, Source
from plumbline.progress import Advance
from plumbline.units import format_time

SORT_BYTES = 128 << 20
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
        sorted_copy: the SQLite file with the records; None if the source is in order by itself.
    """

    source: Source
    events: int
    first: float
    last: float
    digest: str
    sorted_copy: Path | None = None

    def records(self) -> Iterator[Record]:
        """Yield the records, oldest first; of the same time, as they stand in the source."""
        return self.source.records() if self.sorted_copy is None else _read(self.sorted_copy)


def arrange(source: Source, scratch: Path, memory: int = SORT_BYTES, advance: Advance | None = None) -> Arranged:
    """Read the whole source once, find out its times, and sort it if it needs to be.

    Args:
        source: where the records come from.
        scratch: folder for the sorted copy; whoever asked removes it.
        memory: bytes that the sort may take.
        advance: told how far it is; the total is not known.

    Raises:
        TableError: a record cannot be read, there is none, or the copy cannot be written.
    """
    sha = hashlib.sha256()
    first, last, previous, ordered, count = float("inf"), 0.0, 0.0, True, 0

    def examined() -> Iterator[Record]:
        nonlocal first, last, previous, ordered, count
        for count, record in enumerate(source.records(), start=1):
            sha.update(record.line)
            sha.update(b"\n")
            ordered = ordered and record.ts >= previous
            previous = record.ts
            first, last = min(first, record.ts), max(last, record.ts)
            if advance is not None and count % _REPORT_EVERY == 0:
                advance(0.0, 0.0, f"reading: {count:,} events, up to {format_time(record.ts)}")
            yield record

    def again() -> Iterator[Record]:
        for done, record in enumerate(source.records(), start=1):
            if advance is not None and done % _REPORT_EVERY == 0:
                advance(done, count, "sorting by time")
            yield record

    # A table's rows are costly to read and its outcomes stand beside its predictions: copy it at once.
    copy = _write(examined(), scratch, memory) if source.tabular else None
    if copy is None:
        deque(examined(), maxlen=0)
    if not count:
        raise TableError(f"{source.where(0).rpartition(':')[0] or source.where(0)}: no events")
    if not ordered and copy is None:
        copy = _write(again(), scratch, memory)
    return Arranged(source, count, first, last, sha.hexdigest(), copy)


def _write(records: Iterable[Record], scratch: Path, memory: int) -> Path:
    path = scratch / "sorted.sqlite"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            # Nobody reads the file after a crash: the next run writes it anew.
            for setting in ("journal_mode = off", "synchronous = off", f"cache_size = -{max(memory >> 10, 1)}"):
                database.execute(f"PRAGMA {setting}")
            database.execute("CREATE TABLE record (ts REAL NOT NULL, line BLOB NOT NULL, place INTEGER NOT NULL)")
            database.execute("BEGIN")
            database.executemany("INSERT INTO record VALUES (?, ?, ?)", records)
            database.execute("CREATE INDEX by_time ON record (ts)")
            database.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise TableError(f"{path}: cannot be written while sorting: {error}") from error
    return path


def _read(path: Path) -> Iterator[Record]:
    with closing(sqlite3.connect(path)) as database:
        yield from map(Record._make, database.execute("SELECT ts, line, place FROM record ORDER BY ts, rowid"))
