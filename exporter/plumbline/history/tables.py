"""Tables as events: each row is a prediction, and its outcome where that is known.

Reads tables through ``plumbline.baseline.table`` (in batches, so they may exceed memory; a wrong cell is
named by file, column and row), yields records. ``baseline.columns`` decides which column holds what, ``rows`` makes
the events. The fields of ``FIELDS`` that a table may lack:

- ``request_id``: an id is made of the file's digest and the row's number, the same at every reading.
- ``version``: one value for all rows is given instead.
- ``actual_ts``: an outcome is taken as known when the model's outcomes mature. An empty ``actual`` is never known.
- ``model``, ``score``, ``actual``, ``latency``, ``status``, ``data_batch_id``, ``trace_id``: left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from plumbline.baseline.arrow import columns_of, table_files
from plumbline.baseline.columns import FIELDS, choose_columns, model_of_rows
from plumbline.baseline.table import digest, read_batches, require_columns
from plumbline.catalogue.model import Model
from plumbline.errors import UsageError
from plumbline.history.records import Record, pack, unpack
from plumbline.history.rows import Row, TableColumns
from plumbline.units import Clock


class Tables:
    """Tables as history.

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
        for index, path in enumerate(self._paths):
            for batch in read_batches(path, self._columns.wanted):
                row = Row(self._columns, batch, self._row_ids(path))
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
        if "_request_id" in self._columns.wanted:
            return ""
        if path not in self._digests:
            self._digests[path] = digest([path]).removeprefix("sha256:")[:16]
        return self._digests[path]


def open_tables(
    paths: Sequence[Path],
    models: Mapping[str, Model],
    given: Mapping[str, str],
    model: str | None,
    version: str | None,
    clock: Clock,
) -> tuple[Tables, tuple[str, ...]]:
    """Return tables as history, and their columns that nothing reads. See ``plumbline.history.open.open_history``."""
    name = model_of_rows(models, model)
    declared, first = models[name], paths[0]
    wanted = choose_columns([first], declared, given, FIELDS, ("ts", "prediction"), slices=declared.slices, clock=clock)
    if version is not None:
        wanted.pop("_version", None)
    elif "_version" not in wanted:
        raise UsageError(f"{first} has no column 'version': name it by --map version=COLUMN, or give --version")
    used = {request.column for request in wanted.values()}
    require_columns(first, [request.column for request in wanted.values()])
    left_out = tuple(column for column in columns_of(first) if column not in used)
    return Tables(paths, TableColumns(name, declared, version, wanted)), left_out


def recomputed_rows(
    paths: Sequence[Path], models: Mapping[str, Model], given: Mapping[str, str], model: str | None, version: str | None
) -> Iterator[tuple[str, bytes]]:
    """Yield the place and the NDJSON line, without its end, of an event ``recomputed`` per row.

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
    paths = table_files(paths)
    name = model_of_rows(models, model)
    wanted = choose_columns(paths[:1], models[name], given, ("request_id",), ("request_id",))
    present = columns_of(paths[0])
    wanted = {
        key: one
        for key, one in wanted.items()
        if key not in models[name].features or key in given or one.column in present
    }
    if len(wanted) == 1:
        raise UsageError(f"{paths[0]} has none of the features of {name!r}: {', '.join(models[name].features)}")
    columns = TableColumns(name, models[name], version, wanted)
    constant = {"type": "recomputed", "model": name} | ({} if version is None else {"version": version})
    encode = msgspec.json.Encoder().encode
    for path in paths:
        for batch in read_batches(path, wanted):
            row = Row(columns, batch, "")
            for at in range(batch.rows):
                event = constant | {"request_id": row.request_id(at), "features": row.features(at)}
                yield f"{path}: row {batch.first_row + at}", encode(event)
