"""Tables as events: each row is a prediction, and its outcome where that is known.

Reads tables through ``plumbline.baseline.table`` (in batches, so they may exceed memory; a wrong cell is
named by file, column and row), yields records. ``columns`` decides once which column holds what, ``rows``
makes the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from plumbline.baseline.arrow import table_files
from plumbline.baseline.table import column_names, digest, read_batches
from plumbline.catalogue.model import Model
from plumbline.errors import UsageError
from plumbline.history.columns import TableColumns, model_of_rows
from plumbline.history.records import Record, pack, unpack
from plumbline.history.rows import Row


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
        requests = self._columns.requests()
        for index, path in enumerate(self._paths):
            for batch in read_batches(path, requests):
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
        if "request_id" in self._columns.fields:
            return ""
        if path not in self._digests:
            self._digests[path] = digest([path]).removeprefix("sha256:")[:16]
        return self._digests[path]


def recomputed_rows(
    paths: Sequence[Path], models: Mapping[str, Model], given: Mapping[str, str], model: str | None, version: str | None
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
    paths = table_files(paths)
    name = model_of_rows(models, model)
    declared = models[name].features
    for unfit in given.keys() - {"request_id", *declared}:
        raise UsageError(f"--map {unfit}: a table of recomputed features has request_id and features only")
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
            row = Row(columns, batch, "")
            for at in range(batch.rows):
                event = constant | {"request_id": row.request_id(at), "features": row.features(at)}
                yield f"{path}: row {batch.first_row + at}", encode(event) + b"\n"
