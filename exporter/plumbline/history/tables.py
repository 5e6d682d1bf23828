"""CSV and Parquet as events: each row is a prediction, and its outcome where that is known.

Reads tables through ``plumbline.baseline.table`` (in batches, so they may exceed memory; a wrong cell is
named by file, column and row), yields records. Which column holds what is decided once, by
``choose_columns``:

- ``ts``, ``prediction``: must be there. ``version``: a column, or one value for all rows.
- ``request_id``: if there is no such column, an id is made of the file's digest and the row's number, the
  same at every reading.
- ``score`` (binary models), ``latency``, ``status``, ``data_batch_id``, ``trace_id``: taken where they are
  there.
- ``actual``: empty = never known. ``actual_ts`` says when it became known; without that column it is taken
  as known when the model's outcomes mature.
- every feature the catalogue declares for the model, and every declared slice, in a column of its name.

``FIELD=COLUMN`` renames any of them, ``FIELD=`` says that the table does not have it. Columns beyond these
are not read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from plumbline.baseline.cells import category_text
from plumbline.baseline.table import Batch, Kind, Request, column_names, digest, read_batches, require_columns
from plumbline.catalogue.model import Model
from plumbline.errors import TableError, UsageError
from plumbline.history.records import Record, pack, unpack

TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".pq")
FIELDS: dict[str, Kind] = {
    "ts": "time",
    "request_id": "text",
    "model": "text",
    "version": "text",
    "prediction": "number",  # a text for classes
    "score": "number",
    "actual": "number",
    "actual_ts": "optional_time",
    "latency": "number",
    "status": "text",
    "data_batch_id": "text",
    "trace_id": "text",
}
_FEATURE = "feature "
_SLICE = "slice "
Cells = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which column holds what.

    Attributes:
        model_name: the model all rows belong to.
        model: its entry in the catalogue.
        version: of all rows; None where a column says it.
        fields: field -> column.
        features: feature -> column.
        slices: slice -> column, for slices that are no feature.
        left_out: columns that nothing reads.
    """

    model_name: str
    model: Model
    version: str | None
    fields: dict[str, str]
    features: dict[str, str]
    slices: dict[str, str]
    left_out: tuple[str, ...]

    def requests(self) -> dict[str, Request]:
        """Return the columns to read, by the name of what they hold."""
        classes = self.model.task != "regression"
        wanted = {
            field: Request(column, "text" if classes and field in ("prediction", "actual") else FIELDS[field])
            for field, column in self.fields.items()
        }
        for name, column in self.features.items():
            numeric = self.model.features[name].type == "numeric"
            wanted[_FEATURE + name] = Request(column, "number" if numeric else "text")
        return wanted | {_SLICE + name: Request(column, "text") for name, column in self.slices.items()}


def model_of_rows(models: Mapping[str, Model], given: str | None) -> str:
    """Return the model that the rows of a table belong to.

    Raises:
        UsageError: it is not in the catalogue, or the catalogue has several and none was named.
    """
    if given is None and len(models) != 1:
        raise UsageError(f"--model: say to which of the models the rows belong: {', '.join(models)}")
    model = next(iter(models)) if given is None else given
    if model not in models:
        raise UsageError(f"--model {model!r} is not in the catalogue; it has {', '.join(models)}")
    return model


def choose_columns(
    path: Path, models: Mapping[str, Model], given: Mapping[str, str], model: str | None, version: str | None
) -> TableColumns:
    """Decide what each column of a table holds.

    Args:
        path: the (first) table.
        models: the catalogue's models.
        given: FIELD -> COLUMN as the user says; an empty column says that there is none.
        model: the model all rows belong to; needed where the catalogue has several.
        version: the version of all rows; needed where no column says it.

    Raises:
        TableError: a column is missing; with the nearest name.
        UsageError: the model or version is unknown, or a FIELD is none.
    """
    model = model_of_rows(models, model)
    declared = models[model]
    present = column_names(path)
    for name in given:
        if name not in FIELDS and name not in declared.features and name not in declared.slices:
            choices = ", ".join((*FIELDS, *declared.features, *declared.slices))
            raise UsageError(
                f"--map {name}=...: {name!r} is no field, feature or slice; these are: {choices}"
            )
    fields = {
        field: given.get(field, field)
        for field in FIELDS
        if given.get(field, field if field in present or field in ("ts", "prediction") else "")
    }
    for optional in ("score", "latency", "status", "data_batch_id", "trace_id"):
        if optional in declared.features:  # a feature of that name is the column's meaning
            fields.pop(optional, None)
    if declared.task != "binary" and "score" not in given:
        fields.pop("score", None)  # a regression's table may well call its answer that
    if version is not None:
        fields.pop("version", None)
    elif "version" not in fields:
        raise UsageError(
            f"{path} has no column 'version': name it by --map version=COLUMN, or give --version"
        )
    features = {name: given.get(name, name) for name in declared.features if given.get(name, name)}
    slices = {
        name: given.get(name, name)
        for name in declared.slices
        if name not in features and given.get(name, name if name in present else "")
    }
    used = [*fields.values(), *features.values(), *slices.values()]
    require_columns(path, used)
    left_out = tuple(column for column in present if column not in used)
    return TableColumns(model, declared, version, fields, features, slices, left_out)


class Tables:
    """CSV or Parquet files as history.

    Args:
        paths: tables with the same columns.
        columns: what they hold.
    """

    tabular = True

    def __init__(self, paths: Sequence[Path], columns: TableColumns) -> None:
        self._paths = tuple(paths)
        self._columns = columns
        self._digests: dict[Path, str] = {}

    def records(self) -> Iterator[Record]:
        """Yield a prediction per row, and an outcome where the actual is known. See ``Source.records``."""
        encode = msgspec.json.Encoder().encode
        requests = self._columns.requests()
        for index, path in enumerate(self._paths):
            for batch in read_batches(path, requests):
                row = _Row(self._columns, batch, self._row_ids(path))
                for at in range(batch.rows):
                    place = pack(index, batch.first_row + at)
                    prediction = row.prediction(at)
                    yield Record(prediction["ts"], encode(prediction), place)
                    outcome = row.outcome(at)
                    if outcome is not None:
                        yield Record(outcome["ts"], encode(outcome), place)

    def where(self, place: int) -> str:
        """Return ``file: row n``."""
        index, number = unpack(place)
        return f"{self._paths[index]}: row {number}"

    def _row_ids(self, path: Path) -> str:
        if "request_id" in self._columns.fields:
            return ""
        if path not in self._digests:
            self._digests[path] = digest([path]).removeprefix("sha256:")[:16]
        return self._digests[path]


class _Row:
    """Makes events of a batch's rows."""

    def __init__(self, columns: TableColumns, batch: Batch, ids: str) -> None:
        self._columns = columns
        self._batch = batch
        self._ids = ids
        model = columns.model
        self._maturity = model.outcome.maturity_seconds
        self._cells = {field: self._reader(field) for field in columns.fields}
        self._features = {
            name: self._reader(_FEATURE + name, boolean=model.features[name].type == "boolean")
            for name in columns.features
        }
        self._slices = {name: self._reader(_SLICE + name) for name in columns.slices}

    def _reader(self, key: str, boolean: bool = False) -> Cells:
        if key in self._batch.numbers:
            numbers = self._batch.numbers[key].tolist()
            return lambda at: None if math.isnan(numbers[at]) else numbers[at]
        column = self._batch.texts[key]
        as_is = key in ("request_id", "version", "model", "data_batch_id", "trace_id", "status")
        convert = str if as_is else _boolean if boolean else category_text
        levels = [convert(level) for level in column.levels]
        codes = column.codes.tolist()
        return lambda at: None if codes[at] < 0 else levels[codes[at]]

    def prediction(self, at: int) -> dict[str, Any]:
        """Return the row's prediction event."""
        cells = self._cells
        columns = self._columns
        if "model" in cells and cells["model"](at) != columns.model_name:
            raise TableError(
                f"{self._batch.path}: column {columns.fields['model']!r}, row {self._batch.first_row + at}: "
                f"{cells['model'](at)!r} is not {columns.model_name!r}: load the rows of each model apart"
            )
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
            raise TableError(
                f"{self._batch.path}: column {self._columns.fields['actual_ts']!r}, row "
                f"{self._batch.first_row + at}: is empty, but the row has an actual: say when it became "
                "known, or leave the column out by --map actual_ts="
            )
        return {"type": "outcome", "ts": ts, "request_id": self.request_id(at), "actual": actual}

    def request_id(self, at: int) -> str:
        """Return the row's request id."""
        if self._ids:
            return f"{self._ids}-{self._batch.first_row + at}"
        return str(self._needed("request_id", at))

    def _needed(self, field: str, at: int) -> Any:
        value = self._cells[field](at)
        if value is None:
            raise TableError(
                f"{self._batch.path}: column {self._columns.fields[field]!r}, row "
                f"{self._batch.first_row + at}: is empty: every row needs its {field}"
            )
        return value


def _boolean(cell: str) -> bool | float | str:
    known = {"true": True, "false": False}.get(cell.lower())
    if known is not None:
        return known
    try:
        return float(cell)
    except ValueError:
        return cell


def recomputed_rows(
    paths: Sequence[Path],
    models: Mapping[str, Model],
    given: Mapping[str, str],
    model: str | None,
    version: str | None,
) -> Iterator[tuple[str, bytes]]:
    """Yield (place, NDJSON line) of an event ``recomputed`` per row: its request id and the features it has.

    Args:
        paths: tables with the same columns.
        models: the catalogue's models.
        given: request_id or feature -> column.
        model: the model of all rows; needed where the catalogue has several.
        version: compare with this version's predictions only.

    Raises:
        TableError: a column is missing, or a cell cannot be read.
        UsageError: the model is unknown, or the table has none of its features.
    """
    name = model_of_rows(models, model)
    declared = models[name].features
    present = column_names(paths[0])
    features = {
        feature: given.get(feature, feature)
        for feature in declared
        if given.get(feature, feature if feature in present else "")
    }
    if not features:
        raise UsageError(f"{paths[0]} has none of the features of {name!r}: {', '.join(declared)}")
    fields = {"request_id": given.get("request_id", "request_id")}
    columns = TableColumns(name, models[name], version, fields, features, {}, ())
    constant = {"type": "recomputed", "model": name} | ({} if version is None else {"version": version})
    encode = msgspec.json.Encoder().encode
    for path in paths:
        for batch in read_batches(path, columns.requests()):
            row = _Row(columns, batch, "")
            for at in range(batch.rows):
                event = constant | {"request_id": row.request_id(at), "features": row.features(at)}
                yield f"{path}: row {batch.first_row + at}", encode(event) + b"\n"
