"""A value means the same from a table, a file, the client or a socket: the reference, sent live, is the reference."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plumbline import otlp
from plumbline.baseline.artefact import Baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.catalogue.model import Catalogue
from plumbline.client.encode import EventIds, encode
from plumbline.errors import TableError
from plumbline.events.parse import parse
from plumbline.events.parsed import Parsed
from plumbline.history.open import open_history
from plumbline.history.tables import recomputed_rows
from plumbline.ingest.engine import Engine
from plumbline.store.embedded import EmbeddedStore
from support.samples import OWNER, FixedBaselines, values

NAN, INF = math.nan, math.inf
TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "bool": (pa.bool_(), [True, False]),
    "int8": (pa.int8(), [0, 1, -1, 7]),
    "uint64": (pa.uint64(), [0, 1, 2**60, 2**64 - 1]),
    "float16": (pa.float16(), [np.float16(v) for v in (0.0, 1.0, 0.5, NAN)]),
    "float32": (pa.float32(), [0.0, 1.0, 0.1, -2.5, NAN, INF]),
    "float64": (pa.float64(), [0.0, -0.0, 1.0, 2.0, 0.1, 1e22, 1e-7, 2.5e-10, NAN, INF, -INF]),
    "decimal": (pa.decimal128(5, 2), [Decimal("1.00"), Decimal("1.50"), Decimal("0.00"), Decimal("-2.25")]),
    "string": (pa.string(), ["", " ", "x", " x", "1", "1.0", "01", "0.50", "1.1", "1.10", "True", "TRUE", "no", "NA"]),
    "large_string": (pa.large_string(), ["a", "A", "false", "é", "1e5"]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["red", "green", ""]),
    "date32": (pa.date32(), [date(2024, 2, 29), date(1999, 1, 1)]),
    "date64": (pa.date64(), [date(2024, 2, 29), date(1999, 1, 1)]),
    "timestamp": (pa.timestamp("ns"), [datetime(2024, 2, 29, 1, 2, 3, 4), datetime(2024, 1, 1)]),  # noqa: DTZ001
    "timestamptz": (pa.timestamp("us", tz="UTC"), [datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)]),
    "time64": (pa.time64("us"), [time(1, 2, 3)]),
    "null": (pa.null(), []),
}
DECLARED = ("numeric", "categorical", "boolean")
NOW = 1_700_000_000.0


def catalogue(features: dict[str, Any]) -> Catalogue:
    model = {"task": "binary", "owner": "team", "classes": ["0", "1"], "positive_class": "1", "features": features}
    raw = {"version": 1, "owners": {"team": OWNER}, "platform_owner": "team", "models": {"m": model}}
    return Catalogue.model_validate(raw)


def write_parquet(path: Path, cells: list[Any], kind: pa.DataType) -> Path:
    column = pa.array(cells, pa.string()).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(cells, kind)
    n = len(cells)
    answers = pa.array([i % 2 for i in range(n)])
    columns = dict.fromkeys(DECLARED, column) | {"prediction": answers, "actual": answers}
    pq.write_table(pa.table(columns | {"request_id": [f"r{i}" for i in range(n)], "ts": [NOW - 9] * n}), path)
    return path


def write_csv(path: Path, cells: list[Any], _: pa.DataType) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*DECLARED, "prediction", "actual", "request_id", "ts"])
        for i, cell in enumerate(cells):
            missing = cell is None or (isinstance(cell, float) and not math.isfinite(cell))
            text = "" if missing else str(msgspec.to_builtins(cell)) if isinstance(cell, date | time) else str(cell)
            writer.writerow([*[text] * len(DECLARED), i % 2, i % 2, f"r{i}", NOW - 9])
    return path


def jsonable(value: Any) -> Any:
    if isinstance(value, np.floating):
        value = float(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has neither
    return msgspec.to_builtins(value)


def otlp_value(value: Any) -> dict[str, Any]:
    value = jsonable(value)
    if value is None:
        return {"doubleValue": "NaN"}
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return {kinds[type(value)]: str(value) if type(value) is int else value}


Event = dict[str, Any]


def ndjson(events: list[Event]) -> Parsed:
    lines = [json.dumps(e | {"features": {k: jsonable(v) for k, v in e["features"].items()}}) for e in events]
    return parse("\n".join(lines).encode(), NOW)


def client(events: list[Event]) -> Parsed:
    ids = EventIds()
    return parse(b"\n".join(encode(event, ids) for event in events), NOW)


def over_otlp(events: list[Event]) -> Parsed:
    records = []
    for e in events:
        fields = {k: {"stringValue": str(v)} for k, v in e.items() if k not in ("type", "features", "ts")}
        pairs = [{"key": k, "value": otlp_value(v)} for k, v in e["features"].items()]
        fields |= {"features": {"kvlistValue": {"values": pairs}}}
        body = {"kvlistValue": {"values": [{"key": k, "value": v} for k, v in fields.items()]}}
        records.append({"timeUnixNano": str(int(e["ts"] * 1e9)), "eventName": "plumbline.prediction", "body": body})
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    return otlp.parse_json(json.dumps(request).encode(), NOW, 10_000)


WAYS: dict[str, Callable[[list[Event]], Parsed]] = {"ndjson": ndjson, "client": client, "otlp": over_otlp}


def table(path: Path, models: Any) -> Parsed:
    source, _ = open_history([path], models, version="table")
    return parse(b"\n".join(record.line for record in source.records()), NOW)


def reference(path: Path) -> tuple[Catalogue, Baseline]:
    """Return the baseline of a table as all declared types, or as all but a number."""
    declared = catalogue({name: {"type": name} for name in DECLARED})
    try:
        return declared, build_baseline("m", "1", declared.models["m"], BuildSettings(tables=(path,))).baseline
    except TableError as refused:
        message = str(refused)
    assert "column 'numeric'" in message
    declared = catalogue({name: {"type": name} for name in DECLARED if name != "numeric"})
    return declared, build_baseline("m", "1", declared.models["m"], BuildSettings(tables=(path,))).baseline


@pytest.mark.parametrize("write", [write_parquet, write_csv])
@pytest.mark.parametrize("type_", TYPES)
@settings(
    max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_the_rows_of_the_reference_sent_live_are_counted_as_the_reference(
    type_: str, write: Callable[..., Path], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind, pool = TYPES[type_]
    # Every special value is among the rows, each in a number of its own.
    if pa.types.is_floating(kind):
        pool = pa.array(pool, kind).to_pylist()  # float32 keeps fewer digits
    cells = [*pool, None, *data.draw(st.lists(st.sampled_from([*pool, None]), min_size=8, max_size=24))]
    folder = tmp_path_factory.mktemp("meaning")
    path = write(folder / "reference.csv", cells, kind)
    declared, made = reference(path)
    features = declared.models["m"].features
    sent = {"table": table(path, declared.models)}
    for way, send in WAYS.items():
        sent[way] = send(
            [
                {"type": "prediction", "request_id": f"r{i}", "model": "m", "version": way, "ts": NOW - 9}
                | {"prediction": "1", "features": dict.fromkeys(features, cell)}
                for i, cell in enumerate(cells)
            ]
        )
    again = parse(b"\n".join(line for _, line in recomputed_rows([path], declared.models, {}, None, None)), NOW)
    baselines = FixedBaselines(*(msgspec.structs.replace(made, version=way) for way in sent))
    engine = Engine(declared, baselines, EmbeddedStore(folder / "store"))
    try:
        for parsed in (*sent.values(), again):
            assert not parsed.rejected
        engine.commit([*sent.values(), again], NOW)
        counted = values(engine.blocks())
    finally:
        engine.close()
    for way in sent:
        for name in features:
            bins = made.features[name]

            def count(metric: str, *labels: str, of: tuple[str, ...] = ("m", way, name)) -> float:
                return counted[metric, *of, *labels]

            assert [count("ml_feature_values_total", label) for label in bins.labels] == bins.counts, (way, name)
            problems = {p: count("ml_feature_problems_total", p) for p in ("missing", "wrong_type", "unseen")}
            assert problems == {"missing": bins.counts[-1], "wrong_type": 0, "unseen": 0}, (way, name)
            assert count("ml_feature_skew_rows_total") == len(cells), (way, name)
            assert count("ml_feature_skew_mismatches_total") == 0.0, (way, name)
