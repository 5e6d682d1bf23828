"""Cells of a column to what ``plumbline.values`` says they mean, or an error that names the first wrong cell.

Arrow's cells are the Python values that an event carries. In CSV all of them are texts, which are read as
what is asked for: in a column of numbers "1.5" is one. Columns are converted whole, or distinct value by value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plumbline.baseline.arrow import load_pyarrow
from plumbline.errors import TableError
from plumbline.units import Clock, parse_time
from plumbline.values import plain, probability

Floats = npt.NDArray[np.float64]
NO_NUMBER = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None")
_QUARTER = 900.0  # zones change their offset at whole quarters of an hour


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
    """Where cells come from.

    Attributes:
        path: the file.
        column: the column's name.
        first_row: 1-based row of the first cell, for messages.
        typed: whether the file has types of its own; in CSV all cells are texts.
        kept: indices of the cells among the rows that were read; None = all of them.
    """

    path: Path
    column: str
    first_row: int
    typed: bool
    kept: npt.NDArray[np.intp] | None = None

    def error(self, index: int, value: object, remedy: str) -> TableError:
        """Return the error of a cell, with its file, column and row."""
        row = self.first_row + (index if self.kept is None else int(self.kept[index]))
        shown = repr(value) if isinstance(value, str) else f"{value}"
        return TableError(f"{self.path}: column {self.column!r}, row {row}: {shown} {remedy}")

    def holds(self, kind: object, remedy: str) -> TableError:
        """Return the error of a column of a type that cannot be used."""
        return TableError(f"{self.path}: column {self.column!r} holds {kind}: {remedy}")


def to_names(cells: Any, place: Place, meaning: Callable[[object], str | None]) -> TextColumn:
    """Return the texts that cells stand for; ``meaning`` gives None for a missing one, ValueError for a wrong one."""
    pa = load_pyarrow()
    cells = _plain_cells(cells, place)
    if pa.types.is_timestamp(cells.type):  # Python has no nanoseconds
        cells = cells.cast(pa.timestamp("us", tz=cells.type.tz), safe=False)
    try:
        coded = cells.dictionary_encode()
        spelled = coded.dictionary.to_pylist()
    except (pa.lib.ArrowNotImplementedError, OverflowError) as error:
        raise place.holds(cells.type, f"it must hold plain values ({error})") from error
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)
    levels: dict[str, int] = {}
    table = np.full(len(coded.dictionary) + 1, -1, np.intp)  # the last entry serves code -1
    for at, cell in enumerate(spelled):
        try:
            name = meaning(plain(cell))
        except (ValueError, TypeError) as error:
            raise place.error(int(np.argmax(codes == at)), cell, str(error)) from None
        if name is not None:
            table[at] = levels.setdefault(name, len(levels))
    return TextColumn(tuple(levels), table[codes])


def to_numbers(cells: Any, place: Place) -> Floats:
    """Return float64 values, NaN where the cell is missing; so is infinity, which no event can carry."""
    cells = _plain_cells(cells, place)
    if _is_numeric(cells.type):
        values = _floats(cells)
    elif place.typed:
        declare = "boolean" if load_pyarrow().types.is_boolean(cells.type) else "categorical"
        raise place.holds(cells.type, f"write numbers as the service sends them, or declare the feature {declare}")
    else:
        values = _parsed(cells, place)
    values[np.isinf(values)] = np.nan
    return values


def to_probabilities(cells: Any, place: Place) -> Floats:
    """Return numbers from 0 to 1, NaN where the cell is missing; what rounding pushed past them is 0 or 1."""
    values = to_numbers(cells, place)
    for at in np.flatnonzero((values < 0.0) | (values > 1.0)).tolist():
        values[at] = probability(values[at])
        if not 0.0 <= values[at] <= 1.0:
            raise place.error(at, values[at], "is not a probability: a score must lie between 0 and 1")
    return values


def _parsed(cells: Any, place: Place) -> Floats:
    """Return the numbers that texts spell, as Arrow reads them, else one by one as Python does."""
    pa = load_pyarrow()
    text = pa.compute.utf8_trim_whitespace(cells)
    absent = pa.compute.is_in(text, value_set=pa.array(NO_NUMBER))
    text = pa.compute.if_else(absent, pa.scalar(None, pa.string()), text)
    try:
        return _floats(text)
    except pa.lib.ArrowInvalid:
        pass
    result = np.full(len(text), np.nan)
    for at, value in enumerate(text.to_pylist()):
        try:
            if value is not None:
                result[at] = float(value if "_" not in value else "")
        except ValueError:
            truth = "boolean" if value.lower() in ("true", "false") else "categorical"
            raise place.error(at, value, f"is not a number: correct it, or declare the feature {truth}") from None
    return result


def to_times(cells: Any, place: Place, clock: Clock, optional: bool = False) -> Floats:
    """Return epoch seconds; NaN where an optional cell is empty, while any other column needs a time in every row."""
    pa = load_pyarrow()
    types = pa.types
    cells = _plain_cells(cells, place)
    kind = cells.type
    if types.is_date(kind) or types.is_timestamp(kind):
        moments = (
            _floats(cells.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False).cast(pa.int64())) / 1e6
        )
        seconds = moments if getattr(kind, "tz", None) else _in_zone(moments, clock.zone or UTC)
    elif _is_numeric(kind):
        seconds = _floats(cells) * clock.unit
    elif not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        raise place.holds(kind, "it must hold times")
    else:
        seconds = _times_of_texts(cells, place, clock)
    wrong = np.isnan(seconds) & (not optional) | (seconds < 0.0) | (seconds >= 32_503_680_000.0)
    for at in np.flatnonzero(wrong).tolist():
        if math.isnan(seconds[at]):
            raise place.error(at, "", "is not a time: every row needs one, or leave the column out")
        remedy = "is not a time in epoch seconds (milliseconds, perhaps? --time-unit ms says so)"
        raise place.error(at, cells[at].as_py(), remedy)
    return seconds


def _times_of_texts(cells: Any, place: Place, clock: Clock) -> Floats:
    """Return the times that texts spell, as Arrow reads them, else one by one by ``parse_time``; NaN = empty."""
    pa = load_pyarrow()
    text = pa.compute.utf8_trim_whitespace(cells.cast(pa.string()))
    text = pa.compute.if_else(pa.compute.equal(text, ""), pa.scalar(None, pa.string()), text)
    zones = ("UTC",) if clock.zone is None else ("UTC", None)
    for zone in zones:
        try:
            moments = _floats(text.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())) / 1e6
            return moments if zone or clock.zone is None else _in_zone(moments, clock.zone)
        except pa.lib.ArrowInvalid:
            pass
    result = np.full(len(text), np.nan)
    for at, value in enumerate(text.to_pylist()):
        try:
            if value is not None:
                result[at] = parse_time(value, clock)
        except ValueError as error:
            hint = "; or say --time-zone" if "time zone" in str(error) else ""
            hint = "; or say --time-unit ms" if "milliseconds" in str(error) else hint
            raise place.error(at, value, f"is not a time ({error}{hint})") from None
    return result


def _in_zone(moments: Floats, zone: tzinfo) -> Floats:
    """Return epoch seconds of wall-clock times of a zone, which are given as if they were UTC."""
    if zone is UTC:
        return moments
    quarters, place = np.unique(np.floor(moments / _QUARTER), return_inverse=True)
    start = datetime(1970, 1, 1, tzinfo=zone)
    offsets = np.full(len(quarters), np.nan)
    for at in np.flatnonzero(np.isfinite(quarters)).tolist():
        offset = (start + timedelta(seconds=quarters[at] * _QUARTER)).utcoffset()
        offsets[at] = (offset or timedelta()).total_seconds()
    seconds: Floats = moments - offsets[place]
    return seconds


def _plain_cells(cells: Any, place: Place) -> Any:
    types = load_pyarrow().types
    if types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if types.is_nested(cells.type) or "binary" in str(cells.type):
        raise place.holds(cells.type, "it must hold plain values")
    return cells


def _is_numeric(kind: Any) -> bool:
    types = load_pyarrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind))


def _floats(cells: Any) -> Floats:
    cells = cells.cast(load_pyarrow().float64(), safe=False)
    values: Floats = np.array(cells.to_numpy(zero_copy_only=False), dtype=np.float64)
    return values
