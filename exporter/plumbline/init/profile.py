"""Facts about the columns of a table: reads it once, in batches, and keeps little of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from plumbline.baseline.arrow import arrow_batches, columns_of, load_pyarrow, table_files
from plumbline.baseline.convert import NO_NUMBER
from plumbline.values import MISSING, category_name

Kind = Literal["number", "boolean", "time", "text", "other"]

MOST_VALUES = 50  # different values of a column that are kept
_LOOKED_AT = 50  # texts that must all be times for a column of times


@dataclass(slots=True)
class Column:
    """What is known of a column.

    Attributes:
        name: in the table.
        kind: what its cells are, "other" if no event can carry them; None without any.
        rows: cells.
        present: cells with a value.
        values: how often each value occurs, by its name; None if there are more than ``MOST_VALUES``.
        distinct: whether no value of the first batch occurs twice.
        whole: whether all numbers are whole.
        least: the smallest number.
    """

    name: str
    kind: Kind | None = None
    rows: int = 0
    present: int = 0
    values: Counter[str] | None = field(default_factory=Counter)
    distinct: bool = True
    whole: bool = True
    least: float = math.inf


def profile(path: Path, progress: Callable[[int], None] = lambda rows: None) -> list[Column]:
    """Return the facts about each column, in the table's order.

    Args:
        path: a table that ``plumbline baseline build`` reads.
        progress: told how many rows have been read.

    Raises:
        TableError: the table cannot be read.
    """
    files = table_files([path])
    columns = [Column(name) for name in columns_of(files[0])]
    for file in files:
        for batch in arrow_batches(file, [column.name for column in columns]):
            for column in columns:
                _look(column, batch.column(column.name))
            progress(columns[0].rows)
    return columns


def _look(column: Column, cells: Any) -> None:
    pa = load_pyarrow()
    compute, first = pa.compute, column.rows == 0
    column.rows += len(cells)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    texts = pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)
    cells = cells.drop_null()
    if texts:
        cells = compute.utf8_trim_whitespace(cells)
        cells = cells.filter(compute.invert(compute.is_in(cells, value_set=pa.array(MISSING, cells.type))))
    elif pa.types.is_floating(cells.type):
        cells = cells.filter(compute.invert(compute.is_nan(cells)))
    column.present += len(cells)
    if pa.types.is_nested(cells.type) or "binary" in str(cells.type) or isinstance(cells.type, pa.BaseExtensionType):
        column.kind, column.values = "other", None
    if not len(cells) or column.kind == "other":
        return
    if first or column.values is not None:
        counts = compute.value_counts(cells)
        column.distinct = len(counts) == len(cells) if first else column.distinct
        values, column.values = column.values, None
        if values is not None and len(counts) <= 2 * MOST_VALUES:
            for one in counts.to_pylist():
                values[category_name(one["values"]) or str(one["values"])] += one["counts"]
            column.values = values if len(values) <= MOST_VALUES else None
    kind = _kind_of_texts(column, cells) if texts else _kind_of_type(column, cells)
    column.kind = kind if column.kind in (None, kind) else "text"


def _kind_of_type(column: Column, cells: Any) -> Kind:
    pa = load_pyarrow()
    if pa.types.is_boolean(cells.type):
        return "boolean"
    if pa.types.is_temporal(cells.type):
        return "time"
    if pa.types.is_floating(cells.type) or pa.types.is_decimal(cells.type) or pa.types.is_integer(cells.type):
        column.whole &= pa.compute.all(pa.compute.equal(pa.compute.floor(cells), cells)).as_py() is not False
        column.least = min(column.least, float(pa.compute.min(cells).as_py()))
        return "number"
    return "text"


def _kind_of_texts(column: Column, cells: Any) -> Kind:
    """Return what texts spell."""
    pa = load_pyarrow()
    if column.kind in (None, "number"):
        numbers = cells.filter(pa.compute.invert(pa.compute.is_in(cells, value_set=pa.array(NO_NUMBER, cells.type))))
        try:
            least = pa.compute.min(numbers.cast(pa.float64())).as_py()
        except pa.lib.ArrowInvalid:
            pass
        else:
            column.least = column.least if least is None else min(column.least, least)
            column.whole &= pa.compute.any(pa.compute.match_substring(numbers, ".")).as_py() is not True
            return "number"
    some = cells.slice(0, _LOOKED_AT).to_pylist()
    if {category_name(text) for text in some} <= {"true", "false"}:
        return "boolean"
    try:
        return "time" if all(map(datetime.fromisoformat, some)) else "text"
    except ValueError:
        return "text"
