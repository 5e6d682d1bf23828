"""Tables: reads CSV (also .gz) and Parquet in batches, and hands out typed columns.

A table may be larger than memory: only one batch is held. Cells are converted here, so that a wrong one
is reported with its file, column and row. pyarrow does the reading; it comes with the ``baseline``
extra.

Missing cells: null in Parquet; in CSV an empty cell, and for numbers also NA, NaN, null and None. In a
text column ``NA`` is a text: it is a carrier, a country, a drug code.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from plumbline.errors import TableError
from plumbline.units import parse_time

Floats = npt.NDArray[np.float64]
Kind = Literal["number", "text", "time", "optional_time"]

BATCH_ROWS = 65_536
_CSV_BLOCK = 8 << 20
_NO_NUMBER = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None")


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Texts of a batch, dictionary-coded.

    Attributes:
        levels: the distinct texts of this batch.
        codes: shape (n,), index into levels; -1 = missing.
    """

    levels: tuple[str, ...]
    codes: npt.NDArray[np.intp]


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
    if _is_parquet(path):
        with _reading(path):
            names = [str(name) for name in _parquet_file(path).schema_arrow.names]
    else:
        with _reading(path), _open_csv(path, None) as reader:
            names = [str(name) for name in reader.schema.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"{path}: column {twice[0]!r} appears twice: rename one of them")
    return names


def read_batches(path: Path, wanted: Mapping[str, Request]) -> Iterator[Batch]:
    """Yield the table's rows in order, with the wanted columns under the given keys.

    Args:
        path: a CSV (.csv, .csv.gz) or Parquet file; Parquet is recognised by its first bytes.
        wanted: key -> column and kind; two keys may ask for one column in two kinds.

    Raises:
        TableError: a column is missing (with the nearest name), a cell cannot be converted (with its
            row), or the file is damaged.
    """
    require_columns(path, [request.column for request in wanted.values()])
    columns = sorted({request.column for request in wanted.values()})
    row = 1
    for arrow in _arrow_batches(path, columns):
        numbers: dict[str, Floats] = {}
        texts: dict[str, TextColumn] = {}
        for key, request in wanted.items():
            cells = arrow.column(request.column)
            place = _Place(path, request.column, row)
            if request.kind == "number":
                numbers[key] = _numbers(cells, place)
            elif request.kind == "time":
                numbers[key] = _times(cells, place)
            elif request.kind == "optional_time":
                numbers[key] = _optional_times(cells, place)
            else:
                texts[key] = _texts(cells, place)
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
        with _reading(path), path.open("rb") as file:
            while chunk := file.read(1 << 20):
                sha.update(chunk)
    return f"sha256:{sha.hexdigest()}"


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    column: str
    first_row: int

    def error(self, index: int, value: object, remedy: str) -> TableError:
        return TableError(
            f"{self.path}: column {self.column!r}, row {self.first_row + index}: {value!r} {remedy}"
        )


@dataclass(frozen=True, slots=True)
class _Rows(_Place):
    """The place of cells that were picked from a batch: ``rows`` are their indices in it."""

    rows: npt.NDArray[np.intp]

    def error(self, index: int, value: object, remedy: str) -> TableError:
        return _Place.error(self, int(self.rows[index]), value, remedy)


class _reading:  # noqa: N801 - used as a context manager
    """Maps pyarrow's and the system's errors to TableError."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise TableError(f"{self._path}: no such file") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise TableError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        if error is not None and _is_arrow_error(error):
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            remedy = _remedy(first)
            raise TableError(f"{self._path}: not a readable table: {first}; {remedy}") from error


def _remedy(message: str) -> str:
    if "Empty CSV" in message:
        return "it needs a header line and rows"
    if "Expected" in message and "columns" in message:
        return "every line must have as many cells as the header"
    if "UTF8" in message or "UTF-8" in message:
        return "save it as UTF-8"
    return "restore it or write it again"


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise TableError("reading tables needs pyarrow: pip install 'plumbline[baseline]'") from error
    return pyarrow


def _is_arrow_error(error: BaseException) -> bool:
    lib = _pyarrow().lib
    return isinstance(error, lib.ArrowException | OSError | EOFError | UnicodeDecodeError)


def _is_parquet(path: Path) -> bool:
    with _reading(path), path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet_file(path: Path) -> Any:
    return _pyarrow().parquet.ParquetFile(path)


def _open_csv(path: Path, columns: Sequence[str] | None) -> Any:
    pa = _pyarrow()
    read = pa.csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=False)
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    # Cells stay text until our own conversion, which can name the row of a wrong one.
    types = {name: pa.string() for name in columns or ()}
    convert = pa.csv.ConvertOptions(
        include_columns=list(columns) if columns is not None else None,
        column_types=types,
        strings_can_be_null=False,
    )
    return pa.csv.open_csv(str(path), read_options=read, parse_options=parse, convert_options=convert)


def _arrow_batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    with _reading(path):
        if _is_parquet(path):
            yield from _parquet_file(path).iter_batches(batch_size=BATCH_ROWS, columns=list(columns))
            return
        with _open_csv(path, columns) as reader:
            for batch in reader:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)


def _text_array(cells: Any, place: _Place) -> Any:
    """Return the cells as an Arrow string array."""
    pa = _pyarrow()
    types = pa.types
    kind = cells.type
    if types.is_dictionary(kind):
        cells, kind = cells.dictionary_decode(), kind.value_type
    if types.is_string(kind):
        return cells
    if types.is_nested(kind) or types.is_binary(kind):
        raise TableError(f"{place.path}: column {place.column!r} holds {kind}: it must hold plain values")
    return cells.cast(pa.string())


def _texts(cells: Any, place: _Place) -> TextColumn:
    coded = _text_array(cells, place).dictionary_encode()
    levels = tuple(str(level) for level in coded.dictionary.to_pylist())
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)
    if "" in levels:
        codes[codes == levels.index("")] = -1
    return TextColumn(levels, codes)


def _numbers(cells: Any, place: _Place) -> Floats:
    pa = _pyarrow()
    types = pa.types
    kind = cells.type
    plain = (
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    )
    if plain:
        if types.is_boolean(kind):
            cells = cells.cast(pa.int8())
        return _to_numpy(cells.cast(pa.float64(), safe=False))
    if types.is_temporal(kind):
        raise TableError(f"{place.path}: column {place.column!r} holds {kind}: it must hold numbers")
    text = pa.compute.utf8_trim_whitespace(_text_array(cells, place))
    absent = pa.compute.is_in(text, value_set=pa.array(_NO_NUMBER))
    text = pa.compute.if_else(absent, pa.scalar(None, pa.string()), text)
    try:
        return _to_numpy(text.cast(pa.float64()))
    except pa.lib.ArrowInvalid:
        return _numbers_one_by_one(text.to_pylist(), place)


def _numbers_one_by_one(values: Sequence[str | None], place: _Place) -> Floats:
    """Convert what Arrow would not, in Python's spelling of numbers; or name the first wrong cell."""
    result = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if value is None:
            continue
        try:
            if "_" in value:
                raise ValueError
            result[i] = float(value)
        except ValueError:
            remedy = "is not a number: correct it, or declare the feature categorical"
            raise place.error(i, value, remedy) from None
    return result


def _times(cells: Any, place: _Place) -> Floats:
    pa = _pyarrow()
    kind = cells.type
    if pa.types.is_date(kind):
        cells = cells.cast(pa.timestamp("s"))
        kind = cells.type
    if pa.types.is_timestamp(kind):
        # A timestamp without zone is taken as UTC: Parquet has no other way to write one.
        micros = cells.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64())
        return _checked_times(_to_numpy(micros.cast(pa.float64(), safe=False)) / 1e6, place)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _checked_times(_to_numpy(cells.cast(pa.float64(), safe=False)), place)
    text = _text_array(cells, place)
    try:
        moments = text.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return _checked_times(_to_numpy(moments.cast(pa.float64(), safe=False)) / 1e6, place)
    except pa.lib.ArrowInvalid:
        return _times_one_by_one(text.to_pylist(), place)


def _optional_times(cells: Any, place: _Place) -> Floats:
    """Return epoch seconds, NaN where the cell is empty."""
    pa = _pyarrow()
    known = cells.is_valid()
    if not (
        pa.types.is_temporal(cells.type)
        or pa.types.is_integer(cells.type)
        or pa.types.is_floating(cells.type)
    ):
        known = pa.compute.not_equal(pa.compute.fill_null(_text_array(cells, place), ""), "")
    elif pa.types.is_floating(cells.type):
        known = pa.compute.and_(
            known, pa.compute.invert(pa.compute.fill_null(pa.compute.is_nan(cells), True))
        )
    rows = np.flatnonzero(known.to_numpy(zero_copy_only=False))
    times = np.full(len(cells), np.nan)
    if rows.size:
        times[rows] = _times(cells.filter(known), _Rows(place.path, place.column, place.first_row, rows))
    return times


def _times_one_by_one(values: Sequence[str | None], place: _Place) -> Floats:
    result = np.empty(len(values))
    for i, value in enumerate(values):
        try:
            result[i] = parse_time(_number_or_text(value or ""))
        except ValueError as error:
            if not value:
                raise place.error(i, "", "is no time: every row needs one, or leave the column out") from None
            remedy = f"is no time ({error}): write RFC 3339 such as 2013-01-01T10:15:00Z, or epoch seconds"
            raise place.error(i, value, remedy) from None
    return result


def _number_or_text(value: str) -> str | float:
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _checked_times(seconds: Floats, place: _Place) -> Floats:
    wrong = np.flatnonzero(~((seconds >= 0.0) & (seconds < 32_503_680_000.0)))
    if wrong.size:
        value = seconds[wrong[0]]
        if math.isnan(value):
            raise place.error(int(wrong[0]), "", "is no time: every row needs one, or leave the column out")
        remedy = "is not a time in epoch seconds (milliseconds, perhaps?)"
        raise place.error(int(wrong[0]), float(value), remedy)
    return seconds


def _to_numpy(cells: Any) -> Floats:
    values: Floats = np.array(cells.to_numpy(zero_copy_only=False), dtype=np.float64)
    return values
