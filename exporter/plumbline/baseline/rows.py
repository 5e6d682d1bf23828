"""Rows of the declared tables: which columns to read, and the rows that a filter lets through.

Between ``table`` (any file) and ``build`` (one model): knows the columns' roles, not what they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.baseline.columns import choose_columns
from plumbline.baseline.table import Batch, Filter, Request, read_batches, require_columns
from plumbline.catalogue.model import Model
from plumbline.errors import TableError, UsageError
from plumbline.names import SCORE_FEATURE
from plumbline.units import Clock

TIME = "_ts"
ROLES = ("prediction", "score", "ts", "actual")  # fields that a baseline reads

Progress = Callable[[str, int], None]


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
        """Yield the rows that pass the filter; ``progress`` hears how many."""
        for table in self.tables:
            for batch in read_batches(table, self.wanted, self.filter):
                progress(doing, batch.rows)
                if batch.rows:
                    yield batch


def open_source(
    tables: Sequence[Path], model: Model, given: Mapping[str, str], clock: Clock, chosen: Filter | None, heldout: bool
) -> Source:
    """Return what a baseline reads: prediction, score, time and outcome.

    The held-out rows need the outcome; the drift reference needs the features instead. Raises as ``choose_columns``
    does, and a TableError for a table without one of the columns.
    """
    if not tables:
        raise UsageError("name at least one table")
    if left_out := [name for name in model.features if given.get(name) == ""]:
        raise UsageError(f"--map {left_out[0]}=: a baseline needs every feature: name its column")
    wanted = choose_columns(
        tables,
        model,
        given,
        ROLES,
        ("prediction", "actual" if heldout else ""),
        clock=clock,
        classes=model.classes or () if model.task == "binary" else (),
    )
    skipped = {*(model.features if heldout else ()), *(() if model.task == "binary" else (SCORE_FEATURE,))}
    wanted = {key: request for key, request in wanted.items() if key not in skipped}
    for table in tables:
        require_columns(table, [*(request.column for request in wanted.values()), *([chosen.column] if chosen else [])])
    return Source(tuple(tables), wanted, chosen)


def no_rows(source: Source, what: str) -> TableError:
    """Return the error for a source that let no row through."""
    tables = ", ".join(str(table) for table in source.tables)
    if source.filter is None:
        return TableError(f"{tables}: no row for the {what}: the table has a header only")
    return TableError(
        f"{tables}: no row for the {what}: none has {source.filter.column}={source.filter.value}; "
        "check the column's spelling of the value"
    )
