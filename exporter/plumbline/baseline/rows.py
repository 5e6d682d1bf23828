"""Rows of the declared tables: which columns to read, and the rows that a filter lets through.

Between ``table`` (any file) and ``build`` (one model): knows the columns' roles, not what they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from plumbline.baseline.cells import same_value
from plumbline.baseline.convert import TextColumn
from plumbline.baseline.table import Batch, Kind, Request, column_names, read_batches, require_columns
from plumbline.catalogue.model import Model
from plumbline.errors import TableError, UsageError
from plumbline.names import ACTUAL_FEATURE, PREDICTION_FEATURE, SCORE_FEATURE

TIME = "_time"
_FILTER = "_filter"

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows whose column equals a value (as text, or as a number)."""

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


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns. None = the usual name if the table has it; ``features`` has those of other names."""

    prediction: str = "prediction"
    actual: str = "actual"
    time: str | None = None
    score: str | None = None
    features: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Tables read one after the other, and what to take from them.

    Attributes:
        tables: the files.
        wanted: key -> column and kind.
        filter: which rows, or None for all.
    """

    tables: tuple[Path, ...]
    wanted: Mapping[str, Request]
    filter: Filter | None

    def batches(self, progress: Progress, doing: str) -> Iterator[Batch]:
        """Yield the rows that pass the filter; ``progress`` hears of every row read."""
        wanted = dict(self.wanted)
        if self.filter is not None:
            wanted[_FILTER] = Request(self.filter.column, "text")
        for table in self.tables:
            for batch in read_batches(table, wanted):
                progress(doing, batch.rows)
                if self.filter is not None:
                    batch = _filtered(batch, self.filter.value)
                if batch.rows:
                    yield batch


def reference_source(tables: Sequence[Path], model: Model, columns: Columns, chosen: Filter | None) -> Source:
    """Return what the drift reference needs: features, prediction, score, time; outcomes if there are any."""
    present = _common_columns(tables)
    wanted: dict[str, Request] = {}
    for name, feature in model.features.items():
        wanted[name] = Request(columns.features.get(name, name), "number" if feature.type == "numeric" else "text")
    wanted.update(_answers(model, columns, present))
    if columns.actual in present:
        wanted[ACTUAL_FEATURE] = _outcome(model, columns)
    return _checked(Source(tuple(tables), wanted, chosen))


def quality_source(tables: Sequence[Path], model: Model, columns: Columns, chosen: Filter | None) -> Source:
    """Return what the quality needs: prediction, score, outcome and time."""
    present = _common_columns(tables)
    wanted = _answers(model, columns, present)
    wanted[ACTUAL_FEATURE] = _outcome(model, columns)
    return _checked(Source(tuple(tables), wanted, chosen))


def _outcome(model: Model, columns: Columns) -> Request:
    return Request(columns.actual, "number" if model.task == "regression" else "text")


def _answers(model: Model, columns: Columns, present: set[str]) -> dict[str, Request]:
    kind: Kind = "number" if model.task == "regression" else "text"
    wanted = {PREDICTION_FEATURE: Request(columns.prediction, kind)}
    if model.task == "binary" and (columns.score is not None or "score" in present):
        wanted[SCORE_FEATURE] = Request(columns.score or "score", "number")
    if columns.time is not None or "ts" in present:
        wanted[TIME] = Request(columns.time or "ts", "time")
    return wanted


def _common_columns(tables: Sequence[Path]) -> set[str]:
    if not tables:
        raise UsageError("name at least one table")
    return set.intersection(*(set(column_names(table)) for table in tables))


def _checked(source: Source) -> Source:
    columns = [request.column for request in source.wanted.values()]
    if source.filter is not None:
        columns.append(source.filter.column)
    for table in source.tables:
        require_columns(table, columns)
    return source


def _filtered(batch: Batch, value: str) -> Batch:
    column = batch.texts[_FILTER]
    hits = [i for i, level in enumerate(column.levels) if same_value(level, value)]
    keep = np.isin(column.codes, hits)
    return replace(
        batch,
        rows=int(keep.sum()),
        numbers={key: values[keep] for key, values in batch.numbers.items()},
        texts={key: TextColumn(text.levels, text.codes[keep]) for key, text in batch.texts.items()},
    )


def no_rows(source: Source, what: str) -> TableError:
    """Return the error for a source that let no row through."""
    tables = ", ".join(str(table) for table in source.tables)
    if source.filter is None:
        return TableError(f"{tables}: no row for the {what}: the table has a header only")
    return TableError(
        f"{tables}: no row for the {what}: none has {source.filter.column}={source.filter.value}; "
        "check the column's spelling of the value"
    )
