"""Cells of a column to numbers, times and texts, or an error that names the first wrong cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plumbline.baseline.arrow import load_pyarrow
from plumbline.errors import TableError
from plumbline.units import parse_time

Floats = npt.NDArray[np.float64]
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
class Place:
    """Where cells come from, for messages: ``first_row`` is the 1-based row of the first of them."""

    path: Path
    column: str
    first_row: int

    def error(self, index: int, value: object, remedy: str) -> TableError:
        """Return the error of a cell, with its file, column and row."""
        return TableError(f"{self.path}: column {self.column!r}, row {self.first_row + index}: {value!r} {remedy}")


@dataclass(frozen=True, slots=True)
class _Picked(Place):
    """The place of cells that were picked from a batch: ``rows`` are their indices in it."""

    rows: npt.NDArray[np.intp]

    def error(self, index: int, value: object, remedy: str) -> TableError:
        return Place.error(self, int(self.rows[index]), value, remedy)


def _text_array(cells: Any, place: Place) -> Any:
    """Return the cells as an Arrow string array."""
    pa = load_pyarrow()
    types = pa.types
    kind = cells.type
    if types.is_dictionary(kind):
        cells, kind = cells.dictionary_decode(), kind.value_type
    if types.is_string(kind):
        return cells
    if types.is_nested(kind) or types.is_binary(kind):
        raise TableError(f"{place.path}: column {place.column!r} holds {kind}: it must hold plain values")
    return cells.cast(pa.string())


def to_texts(cells: Any, place: Place) -> TextColumn:
    """Return texts; empty cells are missing."""
    coded = _text_array(cells, place).dictionary_encode()
    levels = tuple(str(level) for level in coded.dictionary.to_pylist())
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)
    if "" in levels:
        codes[codes == levels.index("")] = -1
    return TextColumn(levels, codes)


def to_numbers(cells: Any, place: Place) -> Floats:
    """Return float64 values, NaN where the cell is missing."""
    pa = load_pyarrow()
    types = pa.types
    kind = cells.type
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
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


def _numbers_one_by_one(values: Sequence[str | None], place: Place) -> Floats:
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


def to_times(cells: Any, place: Place) -> Floats:
    """Return epoch seconds; every cell must be a time."""
    pa = load_pyarrow()
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


def to_optional_times(cells: Any, place: Place) -> Floats:
    """Return epoch seconds, NaN where the cell is empty."""
    pa = load_pyarrow()
    known = cells.is_valid()
    if not (pa.types.is_temporal(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        known = pa.compute.not_equal(pa.compute.fill_null(_text_array(cells, place), ""), "")
    elif pa.types.is_floating(cells.type):
        known = pa.compute.and_(known, pa.compute.invert(pa.compute.fill_null(pa.compute.is_nan(cells), True)))
    rows = np.flatnonzero(known.to_numpy(zero_copy_only=False))
    times = np.full(len(cells), np.nan)
    if rows.size:
        times[rows] = to_times(cells.filter(known), _Picked(place.path, place.column, place.first_row, rows))
    return times


def _times_one_by_one(values: Sequence[str | None], place: Place) -> Floats:
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


def _checked_times(seconds: Floats, place: Place) -> Floats:
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
