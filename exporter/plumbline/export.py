"""Predictions with their mature outcomes as a Parquet file: what a model is retrained on.

Reads a store beside its owner; writes one file, part by part, in memory that does not grow with it. The
rows are those that the quality counters count: answered predictions whose outcome is known, has matured
and can be compared. The file says in its metadata where it comes from.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from plumbline.catalogue.model import Model
from plumbline.errors import TableError
from plumbline.events.kinds import Outcome, Prediction
from plumbline.keys import request_key
from plumbline.sampling import sampling_of
from plumbline.store.base import StoredEvent
from plumbline.trace.decode import decode_outcome, decode_prediction
from plumbline.trace.lookup import Lookup
from plumbline.trace.outcomes import standing_outcome
from plumbline.units import format_time
from plumbline.values import as_float, category_name, class_codes, code_of, is_number, listed_name

METADATA_KEY = b"plumbline"
_PART = 2000
_ROW_GROUP = 20_000
_MAX_BATCHES = 10_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which predictions.

    Attributes:
        model: name in the catalogue.
        version: one version, or None for all.
        start: first time of predictions, epoch seconds.
        end: time from which on they are left out.
    """

    model: str
    version: str | None = None
    start: float = 0.0
    end: float = float("inf")


@dataclass(slots=True)
class Report:
    """What was written, and what was left out and why.

    Attributes:
        path: the file.
        sha256: digest of the file, to be named as ``training_data``.
        rows: rows written.
        versions: the same by model version.
        batches: the same by data batch; a dataset of more than 10,000 batches names those alone.
        waiting: predictions whose outcome has not matured.
        unknown: predictions without an outcome.
        errors: predictions that failed.
        incomparable: pairs of which one side is no declared class, or no number.
        unsampled: pairs whose features were not stored (``store.sample``); the rows that were have a
            ``_weight`` of one through the share.
    """

    path: str
    sha256: str = ""
    rows: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    unknown: int = 0
    errors: int = 0
    incomparable: int = 0
    unsampled: int = 0


def export(lookup: Lookup, model: Model, selection: Selection, path: Path) -> Report:
    """Write the selected rows and return what was done.

    The file appears when it is complete; an earlier one of that name is replaced then.

    Raises:
        StoreError: the store could not be read.
        TableError: the file could not be written, or pyarrow is not installed.
    """
    pa, parquet = _pyarrow()
    columns = _columns(model)
    schema = pa.schema([(name, _arrow_type(pa, kind)) for name, kind in columns.items()])
    report = Report(str(path))
    temporary = path.with_name(f"{path.name}.partial")
    try:
        with parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
            held: list[dict[str, Any]] = []
            for rows in _parts(lookup, model, selection, report):
                held += rows
                if len(held) >= _ROW_GROUP:
                    writer.write_table(pa.Table.from_pylist(held, schema=schema))
                    held = []
            if held:
                writer.write_table(pa.Table.from_pylist(held, schema=schema))
            lineage = _lineage(lookup, selection, report)
            writer.add_key_value_metadata({METADATA_KEY: msgspec.json.encode(lineage)})
        report.sha256 = _digest(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TableError(f"{path}: cannot be written: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return report


def _parts(lookup: Lookup, model: Model, selection: Selection, report: Report) -> Iterator[list[dict[str, Any]]]:
    codes = class_codes(model.classes or ()) if model.task == "binary" else None
    after = 0
    while events := lookup.reader.scan("prediction", selection.start, selection.end, after, _PART):
        after = events[-1].seq
        chosen = [
            (event, made)
            for event, made in ((event, decode_prediction(event.raw)) for event in events)
            if made.model == selection.model and selection.version in (None, made.version)
        ]
        answered = [one for one in chosen if one[1].status == "ok" and one[1].prediction is not None]
        report.errors += len(chosen) - len(answered)
        outcomes = _outcomes(lookup, answered)
        waiting = lookup.reader.waiting([event.seq for event, _ in answered])
        rows = []
        for event, made in answered:
            known = outcomes.get(event.key, [])
            known = [one for one in known if one[1].request_id == made.request_id]
            standing = standing_outcome(known, lambda actual: _answer(model, codes, actual) is not None)
            if standing is None:
                report.unknown += 1
            elif event.seq in waiting:
                report.waiting += 1
            elif (sampling := sampling_of(event.raw)) is not None and not sampling.kept:
                report.unsampled += 1
            else:
                weight = 1.0 if sampling is None else 1.0 / sampling.share
                told, outcome = next(one for one in known if one[0].seq == standing)
                row = _row(model, codes, event, made, told, outcome, weight)
                if row is None:
                    report.incomparable += 1
                    continue
                rows.append(row)
                report.versions[made.version] += 1
                if made.data_batch_id is not None and (
                    made.data_batch_id in report.batches or len(report.batches) < _MAX_BATCHES
                ):
                    report.batches[made.data_batch_id] += 1
        report.rows += len(rows)
        yield rows


def _outcomes(
    lookup: Lookup, predictions: list[tuple[StoredEvent, Prediction]]
) -> dict[int, list[tuple[StoredEvent, Outcome]]]:
    """Return the outcomes of these predictions' requests, by request key."""
    own = {event.seq for event, _ in predictions}
    found = lookup.reader.find([request_key(made.request_id) for _, made in predictions])
    others = {seq for seqs in found.values() for seq in seqs if seq not in own}
    by_key: dict[int, list[tuple[StoredEvent, Outcome]]] = {}
    stored = lookup.reader.read(others)
    for seq in sorted(stored):
        event = stored[seq]
        if event.kind == "outcome":
            by_key.setdefault(event.key, []).append((event, decode_outcome(event.raw)))
    return by_key


# --- columns: features by their own names, everything else with a leading underscore ---


def _columns(model: Model) -> dict[str, str]:
    answer = "number" if model.task == "regression" else "text"
    columns = {
        "_request_id": "text",
        "_ts": "time",
        "_model": "text",
        "_version": "text",
        "_prediction": answer,
        "_score": "number",
        "_actual": answer,
        "_outcome_ts": "time",
        "_corrected": "truth",
        "_data_batch_id": "text",
        "_weight": "number",
    }
    columns |= {f"_slice_{name}": "text" for name in model.slices}
    kinds = {"numeric": "number", "categorical": "text", "boolean": "truth"}
    return columns | {name: kinds[feature.type] for name, feature in model.features.items()}


def _arrow_type(pa: Any, kind: str) -> Any:
    types = {"text": pa.string, "number": pa.float64, "truth": pa.bool_}
    return pa.timestamp("us", tz="UTC") if kind == "time" else types[kind]()


def _row(
    model: Model,
    codes: dict[object, int] | None,
    event: StoredEvent,
    made: Prediction,
    told: StoredEvent,
    outcome: Outcome,
    weight: float,
) -> dict[str, Any] | None:
    """Return the row, or None where prediction and outcome cannot be compared."""
    answer, actual = (_answer(model, codes, value) for value in (made.prediction, outcome.actual))
    if answer is None or actual is None:
        return None
    row: dict[str, Any] = {
        "_request_id": made.request_id,
        "_ts": round(event.ts * 1e6),
        "_model": made.model,
        "_version": made.version,
        "_prediction": answer,
        "_score": made.score,
        "_actual": actual,
        "_outcome_ts": round(told.ts * 1e6),
        "_corrected": outcome.correction,
        "_data_batch_id": made.data_batch_id,
        "_weight": weight,
    }
    given = {**made.features, **(made.slices or {})}
    row |= {f"_slice_{name}": listed_name(values, given.get(name)) for name, values in model.slices.items()}
    for name, feature in model.features.items():
        value = made.features.get(name)
        if feature.type == "numeric":
            row[name] = as_float(value) if is_number(value) else None
        elif feature.type == "boolean":
            row[name] = {"true": True, "false": False}.get(listed_name(("false", "true"), value) or "")
        else:
            row[name] = category_name(value)
    return row


def _answer(model: Model, codes: dict[object, int] | None, value: object) -> float | str | None:
    if model.task == "regression":
        return as_float(value) if is_number(value) else None
    if codes is not None:
        code = code_of(codes, value)
        return None if code is None else (model.classes or ())[code]
    return category_name(value) or str(value)


# --- where it comes from ---


def _lineage(lookup: Lookup, selection: Selection, report: Report) -> dict[str, Any]:
    end = None if selection.end == float("inf") else format_time(selection.end)
    versions = {}
    for version, rows in sorted(report.versions.items()):
        info = lookup.version(selection.model, version, selection.end)
        versions[version] = {
            "rows": rows,
            "commit": info.commit,
            "training_data": info.training_data,
            "baseline": info.baseline,
        }
    return {
        "schema": 1,
        "model": selection.model,
        "start": format_time(selection.start),
        "end": end,
        "rows": report.rows,
        "versions": versions,
        "data_batches": dict(sorted(report.batches.items())),
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TableError("writing Parquet needs pyarrow: pip install 'plumbline[export]'") from error
    return pyarrow, pyarrow.parquet
