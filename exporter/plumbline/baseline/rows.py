"""Rows of the declared tables: which columns to read, and the rows that a filter lets through.

Between ``table`` (any file) and ``build`` (one model): knows the columns' roles, not what they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.baseline.table import Batch, Filter, Request, column_names, read_batches, require_columns
from plumbline.catalogue.model import Model
from plumbline.errors import TableError, UsageError
from plumbline.names import ACTUAL_FEATURE, PREDICTION_FEATURE, SCORE_FEATURE
from plumbline.units import PLAIN_CLOCK, Clock

TIME = "_time"

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns. None = the usual name if the table has it; "" = there is none.

    A usual name that the catalogue declares as a feature is that feature's column only.
    """

    prediction: str | None = None
    actual: str | None = None
    time: str | None = None
    score: str | None = None
    clock: Clock = PLAIN_CLOCK
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
        """Yield the rows that pass the filter; ``progress`` hears how many."""
        for table in self.tables:
            for batch in read_batches(table, self.wanted, self.filter):
                progress(doing, batch.rows)
                if batch.rows:
                    yield batch


def reference_source(tables: Sequence[Path], model: Model, columns: Columns, chosen: Filter | None) -> Source:
    """Return what the drift reference needs: features, prediction, score, time; outcomes if there are any."""
    present = _common_columns(tables)
    wanted: dict[str, Request] = {}
    for name, feature in model.features.items():
        wanted[name] = Request(columns.features.get(name, name), "number" if feature.type == "numeric" else "category")
    wanted.update(_answers(model, columns, present))
    if actual := _role(columns.actual, "actual", model, present):
        wanted[ACTUAL_FEATURE] = _answer(model, actual)
    return _checked(Source(tuple(tables), wanted, chosen))


def quality_source(tables: Sequence[Path], model: Model, columns: Columns, chosen: Filter | None) -> Source:
    """Return what the quality needs: prediction, score, outcome and time."""
    present = _common_columns(tables)
    wanted = _answers(model, columns, present)
    wanted[ACTUAL_FEATURE] = _answer(model, _needed(columns.actual, "actual", model))
    return _checked(Source(tuple(tables), wanted, chosen))


def _role(given: str | None, usual: str, model: Model, present: set[str]) -> str:
    """Return the column of a role; "" = there is none."""
    if given is not None:
        return given
    return usual if usual in present and usual not in model.features else ""


def _needed(given: str | None, usual: str, model: Model) -> str:
    if given is None and usual in model.features:
        raise UsageError(f"{usual!r} is a feature of the model: name the other column by --{usual}-column")
    if given == "":
        raise UsageError(f"a baseline needs the column of the {usual}: name it by --{usual}-column")
    return given or usual


def _answer(model: Model, column: str) -> Request:
    if model.task == "regression":
        return Request(column, "number")
    return Request(column, "category", classes=model.classes or () if model.task == "binary" else ())


def _answers(model: Model, columns: Columns, present: set[str]) -> dict[str, Request]:
    wanted = {PREDICTION_FEATURE: _answer(model, _needed(columns.prediction, "prediction", model))}
    if model.task == "binary" and (score := _role(columns.score, "score", model, present)):
        wanted[SCORE_FEATURE] = Request(score, "probability")
    if time := _role(columns.time, "ts", model, present):
        wanted[TIME] = Request(time, "time", columns.clock)
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


def no_rows(source: Source, what: str) -> TableError:
    """Return the error for a source that let no row through."""
    tables = ", ".join(str(table) for table in source.tables)
    if source.filter is None:
        return TableError(f"{tables}: no row for the {what}: the table has a header only")
    return TableError(
        f"{tables}: no row for the {what}: none has {source.filter.column}={source.filter.value}; "
        "check the column's spelling of the value"
    )
