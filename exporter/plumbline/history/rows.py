"""Rows of a table as events: the cells of a batch, by what ``baseline.columns`` says they hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from plumbline.baseline.table import Batch, Request
from plumbline.catalogue.model import Model
from plumbline.errors import TableError
from plumbline.values import class_codes

Cells = Callable[[int], Any]
_TRUTH = class_codes(("false", "true"))


@dataclass(frozen=True, slots=True)
class TableColumns:
    """What the columns of a table hold.

    Attributes:
        model_name: the model all rows belong to.
        model: its entry in the catalogue.
        version: of all rows; None where a column says it.
        wanted: the columns to read; see ``baseline.columns.choose_columns``.
    """

    model_name: str
    model: Model
    version: str | None
    wanted: dict[str, Request]


class Row:
    """Makes events of a batch's rows."""

    def __init__(self, columns: TableColumns, batch: Batch, ids: str) -> None:
        self._columns = columns
        self._batch = batch
        self._ids = ids
        model = columns.model
        self._maturity = model.outcome.maturity_seconds
        self._cells, self._features, self._slices = dict[str, Cells](), dict[str, Cells](), dict[str, Cells]()
        for key in columns.wanted:
            if key in model.features:
                self._features[key] = self._reader(key, _TRUTH if model.features[key].type == "boolean" else {})
            elif key.startswith("_"):
                self._cells[key[1:]] = self._reader(key)
            else:
                self._slices[key] = self._reader(key)

    def _reader(self, key: str, meaning: Mapping[object, int] = MappingProxyType({})) -> Cells:
        if key in self._batch.numbers:
            numbers = self._batch.numbers[key].tolist()
            return lambda at: None if math.isnan(numbers[at]) else numbers[at]
        column = self._batch.texts[key]
        levels = [bool(meaning[level]) if level in meaning else level for level in column.levels]
        codes = column.codes.tolist()
        return lambda at: None if codes[at] < 0 else levels[codes[at]]

    def prediction(self, at: int) -> dict[str, Any]:
        """Return the row's prediction event."""
        cells = self._cells
        columns = self._columns
        if "model" in cells and cells["model"](at) != columns.model_name:
            other = repr(cells["model"](at))
            raise self._error("model", at, f"{other} is not {columns.model_name!r}: load the rows of each model apart")
        event: dict[str, Any] = {
            "type": "prediction",
            "ts": cells["ts"](at),
            "request_id": self.request_id(at),
            "model": columns.model_name,
            "version": columns.version if columns.version is not None else self._needed("version", at),
            "features": self.features(at),
            "prediction": cells["prediction"](at),
        }
        for field in ("score", "latency", "status", "data_batch_id", "trace_id"):
            if field in cells and (value := cells[field](at)) is not None:
                event[field] = value
        if self._slices:
            event["slices"] = {name: read(at) for name, read in self._slices.items()}
        return event

    def features(self, at: int) -> dict[str, Any]:
        """Return the row's features."""
        return {name: read(at) for name, read in self._features.items()}

    def outcome(self, at: int) -> dict[str, Any] | None:
        """Return the row's outcome event, None where the actual is not known."""
        cells = self._cells
        actual = cells["actual"](at) if "actual" in cells else None
        if actual is None:
            return None
        ts = cells["actual_ts"](at) if "actual_ts" in cells else cells["ts"](at) + self._maturity
        if ts is None:
            remedy = "say when it became known, or leave the column out by --map actual_ts="
            raise self._error("actual_ts", at, f"is empty, but the row has an actual: {remedy}")
        return {"type": "outcome", "ts": ts, "request_id": self.request_id(at), "actual": actual}

    def request_id(self, at: int) -> str:
        """Return the row's request id."""
        if self._ids:
            return f"{self._ids}-{self._batch.first_row + at}"
        return str(self._needed("request_id", at))

    def _needed(self, field: str, at: int) -> Any:
        value = self._cells[field](at)
        if value is None:
            raise self._error(field, at, f"is empty: every row needs its {field}")
        return value

    def _error(self, field: str, at: int, wrong: str) -> TableError:
        column = self._columns.wanted[f"_{field}"].column
        return TableError(f"{self._batch.path}: column {column!r}, row {self._batch.first_row + at}: {wrong}")
