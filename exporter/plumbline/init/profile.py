"""Facts about the columns of a table: reads it once, in batches, and keeps little of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from plumbline.baseline.arrow import arrow_batches, load_pyarrow
from plumbline.baseline.table import column_names

Kind = Literal["number", "boolean", "time", "text"]

MOST_VALUES = 50  # different values of a column that are kept
_ABSENT = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_TRUTHS = frozenset({"true", "false", "True", "False", "TRUE", "FALSE"})
_LOOKED_AT = 50  # texts that must all be times for a column of times


@dataclass(slots=True)
class Column:
    """What is known of a column.

    Attributes:
        name: in the table.
        kind: what its cells are; a column without any value is text.
        rows: cells.
        missing: cells without a value.
        values: how often each value occurs, as text; None if there are more than ``MOST_VALUES``.
        distinct: whether no value of the first batch occurs twice.
        whole: whether all numbers are whole.
    """

    name: str
    kind: Kind = "text"
    rows: int = 0
    missing: int = 0
    values: Counter[str] | None = field(default_factory=Counter)
    distinct: bool = True
    whole: bool = True

    @property
    def present(self) -> int:
        """Cells with a value."""
        return self.rows - self.missing


def profile(path: Path, progress: Callable[[int], None] = lambda rows: None) -> list[Column]:
    """Return the facts about each column, in the table's order.

    Args:
        path: a table that ``plumbline baseline build`` reads.
        progress: told how many rows have been read.

    Raises:
        TableError: the table cannot be read.
    """
    columns = [Column(name) for name in column_names(path)]
    kinds: dict[str, Kind | None] = {}
    for batch in arrow_batches(path, [column.name for column in columns]):
        for column in columns:
            cells = _present(batch.column(column.name))
            _count(column, cells, batch.num_rows)
            if len(cells):
                found = _kind_of(cells, kinds.get(column.name), column)
                kinds[column.name] = found if kinds.get(column.name) in (None, found) else "text"
        progress(columns[0].rows)
    for column in columns:
        column.kind = kinds.get(column.name) or "text"
    return columns


def _present(cells: Any) -> Any:
    """Return the cells that have a value; a dictionary is decoded."""
    pa = load_pyarrow()
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    cells = cells.drop_null()
    if pa.types.is_floating(cells.type):
        return cells.filter(pa.compute.invert(pa.compute.is_nan(cells)))
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        cells = pa.compute.utf8_trim_whitespace(cells)
        return cells.filter(pa.compute.invert(pa.compute.is_in(cells, value_set=pa.array(_ABSENT, cells.type))))
    return cells


def _count(column: Column, cells: Any, rows: int) -> None:
    compute = load_pyarrow().compute
    first = column.rows == 0
    column.rows += rows
    column.missing += rows - len(cells)
    if column.values is None and not first:
        return
    counts = compute.value_counts(cells)
    if first:
        column.distinct = len(counts) == len(cells)
    if column.values is None or len(counts) + len(column.values) > 2 * MOST_VALUES:
        column.values = None
        return
    for one in counts.to_pylist():
        column.values[text_of(one["values"])] += one["counts"]
    if len(column.values) > MOST_VALUES:
        column.values = None


def text_of(value: object) -> str:
    """Return a value as the catalogue names it: as an event would carry it, whole numbers without a fraction."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _kind_of(cells: Any, before: Kind | None, column: Column) -> Kind:
    pa = load_pyarrow()
    types, kind = pa.types, cells.type
    if types.is_boolean(kind):
        return "boolean"
    if types.is_temporal(kind):
        return "time"
    if types.is_integer(kind):
        return "number"
    if types.is_floating(kind) or types.is_decimal(kind):
        column.whole = column.whole and bool(pa.compute.all(pa.compute.equal(pa.compute.floor(cells), cells)).as_py())
        return "number"
    if not (types.is_string(kind) or types.is_large_string(kind)) or before == "text":
        return "text"
    try:
        column.whole = column.whole and not bool(pa.compute.any(pa.compute.match_substring(cells, ".")).as_py())
        cells.cast(pa.float64())
    except pa.lib.ArrowInvalid:
        return _kind_of_texts(cells.slice(0, _LOOKED_AT).to_pylist())
    return "number"


def _kind_of_texts(texts: list[str]) -> Kind:
    if _TRUTHS.issuperset(texts):
        return "boolean"
    try:
        for text in texts:
            datetime.fromisoformat(text)
    except ValueError:
        return "text"
    return "time"
