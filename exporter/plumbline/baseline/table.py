"""Tables: reads them in batches, and hands out typed columns.

A table may be larger than memory: only one batch is held. Cells are converted here, so that a wrong one
is reported with its file, column and row. ``arrow`` reads the files, ``convert`` makes the columns.

Missing cells: null in Parquet; in CSV an empty cell, and for numbers also NA, NaN, null and None. In a
text column ``NA`` is a text: it is a carrier, a country, a drug code.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from plumbline.baseline.arrow import arrow_batches, columns_of, reading
from plumbline.baseline.convert import Floats, Place, TextColumn, to_numbers, to_optional_times, to_texts, to_times
from plumbline.errors import TableError

Kind = Literal["number", "text", "time", "optional_time"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows read together.

    Attributes:
        path: the file they come from.
        first_row: 1-based number of the first data row in the file.
        rows: how many.
        numbers: float64 columns, NaN = missing; time columns in epoch seconds (only an optional one may
            miss).
        texts: text columns.
    """

    path: Path
    first_row: int
    rows: int
    numbers: dict[str, Floats]
    texts: dict[str, TextColumn]


@dataclass(frozen=True, slots=True)
class Request:
    """A column to read: its name in the table and what it must be."""

    column: str
    kind: Kind


def column_names(path: Path) -> list[str]:
    """Return the table's column names.

    Raises:
        TableError: if the file is absent, empty, no table, or names a column twice.
    """
    names = columns_of(path)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"{path}: column {twice[0]!r} appears twice: rename one of them")
    return names


def read_batches(path: Path, wanted: Mapping[str, Request]) -> Iterator[Batch]:
    """Yield the table's rows in order, with the wanted columns under the given keys.

    Args:
        path: one file of a table (``arrow.table_files``).
        wanted: key -> column and kind; two keys may ask for one column in two kinds.

    Raises:
        TableError: a column is missing (with the nearest name), a cell cannot be converted (with its
            row), or the file is damaged.
    """
    require_columns(path, [request.column for request in wanted.values()])
    columns = sorted({request.column for request in wanted.values()})
    row = 1
    for arrow in arrow_batches(path, columns):
        numbers: dict[str, Floats] = {}
        texts: dict[str, TextColumn] = {}
        for key, request in wanted.items():
            cells = arrow.column(request.column)
            place = Place(path, request.column, row)
            if request.kind == "number":
                numbers[key] = to_numbers(cells, place)
            elif request.kind == "time":
                numbers[key] = to_times(cells, place)
            elif request.kind == "optional_time":
                numbers[key] = to_optional_times(cells, place)
            else:
                texts[key] = to_texts(cells, place)
        yield Batch(path, row, arrow.num_rows, numbers, texts)
        row += arrow.num_rows


def require_columns(path: Path, columns: Iterable[str]) -> None:
    """Raise a TableError that names every column the table lacks, with the nearest name it has."""
    present = column_names(path)
    lacking = [column for column in dict.fromkeys(columns) if column not in present]
    if not lacking:
        return
    hints = []
    for column in lacking:
        near = difflib.get_close_matches(column, present, n=1)
        hints.append(f"{column!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    noun = "column" if len(lacking) == 1 else "columns"
    raise TableError(f"{path}: has no {noun} {', '.join(hints)}; its columns are: {', '.join(present)}")


def digest(paths: Sequence[Path]) -> str:
    """Return ``sha256:`` and the digest of the files' bytes, one after the other."""
    sha = hashlib.sha256()
    for path in paths:
        with reading(path), path.open("rb") as file:
            while chunk := file.read(1 << 20):
                sha.update(chunk)
    return f"sha256:{sha.hexdigest()}"
