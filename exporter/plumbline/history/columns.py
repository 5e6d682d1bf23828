"""Which column of a table holds what.

- ``ts``, ``prediction``: must be there. ``version``: a column, or one value for all rows.
- ``request_id``: if there is no such column, an id is made of the file's digest and the row's number, the
  same at every reading.
- ``score`` (binary models), ``latency``, ``status``, ``data_batch_id``, ``trace_id``: taken where they are
  there.
- ``actual``: empty = never known. ``actual_ts`` says when it became known; without that column it is taken
  as known when the model's outcomes mature.
- every feature the catalogue declares for the model, and every declared slice, in a column of its name.

``FIELD=COLUMN`` renames any of them, ``FIELD=`` says that the table does not have it. A name that the catalogue
declares as a feature means that; ``_FIELD=COLUMN`` then means the field: ``_score=p``. Columns beyond these are
not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from plumbline.baseline.table import Kind, Request, column_names, require_columns
from plumbline.catalogue.model import Model
from plumbline.errors import UsageError
from plumbline.units import PLAIN_CLOCK, Clock

FIELDS: dict[str, Kind] = {
    "ts": "time",
    "request_id": "id",
    "model": "text",
    "version": "text",
    "prediction": "number",  # a category for classes
    "score": "probability",
    "actual": "number",
    "actual_ts": "optional_time",
    "latency": "number",
    "status": "text",
    "data_batch_id": "id",
    "trace_id": "text",
}
FEATURE = "feature "
SLICE = "slice "


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
        clock: how their times are written.
    """

    model_name: str
    model: Model
    version: str | None
    fields: dict[str, str]
    features: dict[str, str]
    slices: dict[str, str]
    left_out: tuple[str, ...]
    clock: Clock = PLAIN_CLOCK

    def requests(self) -> dict[str, Request]:
        """Return the columns to read, by the name of what they hold."""
        classes = self.model.task != "regression"
        wanted = {
            field: Request(
                column, "category" if classes and field in ("prediction", "actual") else FIELDS[field], self.clock
            )
            for field, column in self.fields.items()
        }
        for name, column in self.features.items():
            numeric = self.model.features[name].type == "numeric"
            wanted[FEATURE + name] = Request(column, "number" if numeric else "category")
        return wanted | {SLICE + name: Request(column, "category") for name, column in self.slices.items()}


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
    path: Path,
    models: Mapping[str, Model],
    given: Mapping[str, str],
    model: str | None,
    version: str | None,
    clock: Clock,
) -> TableColumns:
    """Decide what each column of a table holds.

    Args:
        path: the (first) table.
        models: the catalogue's models.
        given: FIELD -> COLUMN as the user says; an empty column says that there is none.
        model: the model all rows belong to; needed where the catalogue has several.
        version: the version of all rows; needed where no column says it.
        clock: how times are written.

    Raises:
        TableError: a column is missing; with the nearest name.
        UsageError: the model or version is unknown, or a FIELD is none.
    """
    model = model_of_rows(models, model)
    declared = models[model]
    present = column_names(path)
    inputs = declared.features
    for name in given:
        if name.removeprefix("_") not in FIELDS and name not in inputs and name not in declared.slices:
            choices = ", ".join((*FIELDS, *declared.features, *declared.slices))
            raise UsageError(f"--map {name}=...: {name!r} is no field, feature or slice; these are: {choices}")
    fields: dict[str, str] = {}
    for field in FIELDS:
        usual = field if field not in inputs and (field in present or field in ("ts", "prediction")) else ""
        column = given.get("_" + field, usual if field in inputs else given.get(field, usual))
        if column:
            fields[field] = column
        elif field in inputs and field in ("ts", "prediction"):
            raise UsageError(
                f"{field!r} is a feature of the model: say by --map _{field}=COLUMN which column is the other"
            )
    if declared.task != "binary" and not {"score", "_score"} & given.keys():
        fields.pop("score", None)  # a regression's table may well call its answer that
    if version is not None:
        fields.pop("version", None)
    elif "version" not in fields:
        raise UsageError(f"{path} has no column 'version': name it by --map version=COLUMN, or give --version")
    features = {name: given.get(name, name) for name in declared.features if given.get(name, name)}
    slices = {
        name: given.get(name, name)
        for name in declared.slices
        if name not in features and given.get(name, name if name in present else "")
    }
    used = [*fields.values(), *features.values(), *slices.values()]
    require_columns(path, used)
    left_out = tuple(column for column in present if column not in used)
    return TableColumns(model, declared, version, fields, features, slices, left_out, clock)
