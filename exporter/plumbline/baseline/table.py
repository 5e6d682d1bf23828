"""Tables: reads them in batches, and hands out typed columns.

A table may be larger than memory: only one batch is held. Cells are converted here, so that a wrong one
is reported with its file, column and row. ``arrow`` reads the files, ``convert`` makes the columns.

Missing cells: null and NaN in Parquet; a cell of nothing but blanks, and for numbers in CSV also NA, NaN, null and
None. In a text column ``NA`` is a text: it is a carrier, a country, a drug code.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from plumbline.baseline.arrow import arrow_batches, columns_of, reading, typed_columns
from plumbline.baseline.convert import Floats, Place, TextColumn, to_names, to_numbers, to_probabilities, to_times
from plumbline.errors import TableError, UsageError
from plumbline.units import PLAIN_CLOCK, Clock
from plumbline.values import category_name, class_codes, code_of, identifier, is_missing

_FLOAT_ID = re.compile(r"\d+\.0")

Kind = Literal["number", "probability", "category", "id", "text", "time", "optional_time"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows read together.

    Attributes:
        path: the file they come from.
        first_row: 1-based number of the first data row in the file, whether or not a filter let it through.
        rows: how many.
        numbers: float64 columns, NaN = missing; time columns in epoch seconds (only an optional one may
            miss).
        texts: the others, by the names that ``plumbline.values`` gives their values.
    """

    path: Path
    first_row: int
    rows: int
    numbers: dict[str, Floats]
    texts: dict[str, TextColumn]


@dataclass(frozen=True, slots=True)
class Request:
    """A column to read.

    Attributes:
        column: its name in the table.
        kind: what it must hold.
        clock: how its times are written.
        classes: the only names that a category may have; empty = any.
    """

    column: str
    kind: Kind
    clock: Clock = PLAIN_CLOCK
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows whose column equals a value: as a category, so ``true`` finds True, or as a number."""

    column: str
    value: str

    @classmethod
    def parse(cls, text: str, option: str) -> Filter:
        """Read ``COL=VALUE``.

        Raises:
            UsageError: if there is no ``=`` or no column.
        """
        column, equals, value = text.partition("=")
        if not equals or not column:
            raise UsageError(f"{option} {text!r}: write COLUMN=VALUE, such as era=train")
        return cls(column, value)

    def kept(self, column: TextColumn) -> npt.NDArray[np.bool_]:
        """Return which rows of the filter's column are let through."""
        known, number = class_codes([self.value]), _float(self.value)
        hits = [code_of(known, level) is not None or _float(level) == number for level in column.levels]
        return np.array([*hits, False])[column.codes]


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_batches(path: Path, wanted: Mapping[str, Request], chosen: Filter | None = None) -> Iterator[Batch]:
    """Yield the table's rows in order, with the wanted columns under the given keys.

    Args:
        path: one file of a table (``arrow.table_files``).
        wanted: key -> column and kind; two keys may ask for one column in two kinds.
        chosen: the rows to read; None = all.

    Raises:
        TableError: a column is missing (with the nearest name), a cell cannot be converted (with its
            row), or the file is damaged.
    """
    columns = sorted({request.column for request in wanted.values()} | ({chosen.column} if chosen else set()))
    require_columns(path, columns)
    typed = typed_columns(path, columns)
    row = 1
    for arrow in arrow_batches(path, columns):
        numbers: dict[str, Floats] = {}
        texts: dict[str, TextColumn] = {}
        read, kept = arrow.num_rows, None
        if chosen is not None:
            column = to_names(
                arrow.column(chosen.column), Place(path, chosen.column, row, chosen.column in typed), category_name
            )
            kept = np.flatnonzero(chosen.kept(column))
            arrow = arrow.take(kept)
        for key, request in wanted.items():
            cells = arrow.column(request.column)
            place = Place(path, request.column, row, request.column in typed, kept)
            if request.kind == "number":
                numbers[key] = to_numbers(cells, place)
            elif request.kind == "probability":
                numbers[key] = to_probabilities(cells, place)
            elif request.kind in ("time", "optional_time"):
                numbers[key] = to_times(cells, place, request.clock, request.kind == "optional_time")
            else:
                texts[key] = to_names(cells, place, _meaning(request))
        yield Batch(path, row, arrow.num_rows, numbers, texts)
        row += read


def require_columns(path: Path, columns: Iterable[str]) -> None:
    """Raise a TableError that names every column the table lacks, with the nearest name it has."""
    present = columns_of(path)
    lacking = [column for column in dict.fromkeys(columns) if column not in present]
    if not lacking:
        return
    hints = []
    for column in lacking:
        near = difflib.get_close_matches(column, present, n=1)
        hints.append(f"{column!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    noun = "column" if len(lacking) == 1 else "columns"
    raise TableError(f"{path}: has no {noun} {', '.join(hints)}; its columns are: {', '.join(present)}")


def _meaning(request: Request) -> Callable[[object], str | None]:
    if not request.classes:
        return {"category": category_name, "id": _row_id, "text": identifier}[request.kind]
    codes = class_codes(request.classes)

    def class_name(value: object) -> str | None:
        code = code_of(codes, value)
        if code is None and not is_missing(value):
            raise ValueError(
                f"is not one of the model's classes ({', '.join(request.classes)}): correct the table, or the "
                "classes in the catalogue"
            )
        return None if code is None else request.classes[code]

    return class_name


def _row_id(value: object) -> str | None:
    """Return an id; "12345678901.0" is what a CSV writer makes of an id in a column of floats."""
    if isinstance(value, str) and value.endswith(".0") and _FLOAT_ID.fullmatch(value):
        return value[:-2]
    return identifier(value)


def digest(paths: Sequence[Path]) -> str:
    """Return ``sha256:`` and the digest of the files' bytes, one after the other."""
    sha = hashlib.sha256()
    for path in paths:
        with reading(path), path.open("rb") as file:
            while chunk := file.read(1 << 20):
                sha.update(chunk)
    return f"sha256:{sha.hexdigest()}"
