"""Which column of a table holds which feature, field and slice: reads the columns' names, returns what to read.

Each has the column of its name. ``given`` (``--map FIELD=COLUMN``) names another, or "" for none. A name that the
catalogue declares as a feature means the feature; ``_FIELD`` then means the field: ``_score=p``.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from plumbline.baseline.arrow import columns_of
from plumbline.baseline.table import Kind, Request
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


def choose_columns(
    tables: Sequence[Path],
    model: Model,
    given: Mapping[str, str],
    fields: Iterable[str],
    needed: Collection[str],
    *,
    slices: Iterable[str] = (),
    clock: Clock = PLAIN_CLOCK,
    classes: tuple[str, ...] = (),
) -> dict[str, Request]:
    """Return the columns to read: features and slices by their names, fields by ``_FIELD``.

    Args:
        tables: a field or slice is read by default where all of them have its column, a feature in any case.
        model: the model of the rows; only a binary one has a score by default.
        given: field, ``_FIELD``, feature or slice -> column.
        fields: the fields that may be read, of ``FIELDS``.
        needed: the fields that every table must have.
        slices: the slices to read; one that is a feature is read once.
        clock: how times are written.
        classes: the only classes that predictions and outcomes may have; empty = any.

    Raises:
        UsageError: a name in ``given`` is unknown, or what is needed has no column.
        TableError: a table cannot be read.
    """
    fields, slices = tuple(fields), tuple(slices)
    for name in given:
        if name not in (*model.features, *fields, *slices, *map("_{}".format, fields)):
            choices = ", ".join((*fields, *model.features, *slices))
            raise UsageError(f"--map {name}=...: {name!r} is not read here; what is read: {choices}")
    present = set.intersection(*(set(columns_of(table)) for table in tables))
    wanted: dict[str, Request] = {}
    for name, feature in model.features.items():
        if column := given.get(name, name):
            wanted[name] = Request(column, "number" if feature.type == "numeric" else "category")
    for field in fields:
        usual = field if field in needed or (field in present and (field != "score" or model.task == "binary")) else ""
        named = "" if field in model.features else given.get(field, usual)
        if column := given.get(f"_{field}", named):
            by_class = field in ("prediction", "actual") and model.task != "regression"
            kind = "category" if by_class else FIELDS[field]
            wanted[f"_{field}"] = Request(column, kind, clock, classes if by_class else ())
        elif field in needed and field in model.features:
            raise UsageError(f"{field!r} is a feature of the model: name the field's column by --map _{field}=COLUMN")
        elif field in needed:
            raise UsageError(f"--map {field}=: the field is needed: name its column")
    for name in slices:
        if name not in wanted and (column := given.get(name, name if name in present else "")):
            wanted[name] = Request(column, "category")
    return wanted


def model_of_rows(models: Mapping[str, Model], given: str | None) -> str:
    """Return the model that the rows of a table belong to: the one given, else the catalogue's only one.

    Raises:
        UsageError: it is not in the catalogue, or the catalogue has several and none is given.
    """
    if given is None and len(models) != 1:
        raise UsageError(f"--model: say to which of the models the rows belong: {', '.join(models)}")
    model = next(iter(models)) if given is None else given
    if model not in models:
        near = difflib.get_close_matches(model, models, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else f"; it has {', '.join(models)}"
        raise UsageError(f"--model {model!r} is not in the catalogue{hint}")
    return model
