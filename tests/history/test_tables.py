"""CSV and Parquet rows as events."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.catalogue.model import Model
from plumbline.errors import TableError, UsageError
from plumbline.events.parse import parse_line
from plumbline.events.parsed import Item
from plumbline.history.open import open_history

MODELS = {
    "late": Model.model_validate(
        {
            "task": "binary",
            "owner": "team",
            "classes": ["0", "1"],
            "positive_class": "1",
            "features": {"x": {"type": "numeric"}, "c": {"type": "categorical"}, "b": {"type": "boolean"}},
            "slices": {"region": ["north"]},
            "outcome": {"maturity": "1h"},
        }
    )
}
ROWS: list[dict[str, Any]] = [
    {
        "ts": "2024-01-01T00:00:00Z",
        "request_id": "a",
        "version": "7",
        "prediction": 1,
        "score": 0.75,
        "actual": 0.0,
        "actual_ts": "2024-01-01T00:20:00Z",
        "x": 1.5,
        "c": "NA",
        "b": True,
        "region": "north",
        "junk": 3,
    },
    {
        "ts": "2023-12-31T00:00:00Z",
        "request_id": "b",
        "version": "7",
        "prediction": 0,
        "score": 0.25,
        "actual": None,
        "actual_ts": None,
        "x": None,
        "c": None,
        "b": False,
        "region": None,
        "junk": 4,
    },
]
EVENTS = [
    {
        "type": "prediction",
        "ts": 1704067200.0,
        "request_id": "a",
        "model": "late",
        "version": "7",
        "features": {"x": 1.5, "c": "NA", "b": True},
        "prediction": "1",
        "score": 0.75,
        "slices": {"region": "north"},
    },
    {"type": "outcome", "ts": 1704068400.0, "request_id": "a", "actual": "0"},
    {
        "type": "prediction",
        "ts": 1703980800.0,
        "request_id": "b",
        "model": "late",
        "version": "7",
        "features": {"x": None, "c": None, "b": False},
        "prediction": "0",
        "score": 0.25,
        "slices": {"region": None},
    },
]


def csv_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def parquet_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def events(path: Path, **options: Any) -> list[dict[str, Any]]:
    source, _ = open_history([path], MODELS, options.pop("given", None), **options)
    found = list(source.records())
    for record in found:
        assert isinstance(parse_line(record.line, 1.8e9), Item), record.line
        assert json.loads(record.line)["ts"] == record.ts
    return [json.loads(record.line) for record in found]


@pytest.mark.parametrize("name", ["h.csv", "h.csv.gz", "h.parquet"])
def test_a_row_is_a_prediction_and_where_it_is_known_an_outcome(tmp_path: Path, name: str) -> None:
    write = parquet_file if name.endswith("parquet") else csv_file
    path = write(tmp_path / name, ROWS)
    assert events(path) == EVENTS
    source, left_out = open_history([path], MODELS)
    assert left_out == ("junk",)
    assert [source.where(r.place) for r in source.records()] == [f"{path}: row 1", f"{path}: row 1", f"{path}: row 2"]


def test_parquet_times_and_dictionaries_are_read_as_what_they_are(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    for name in ("ts", "actual_ts"):
        moments = pa.compute.cast(table[name], pa.timestamp("us", tz="UTC"))
        table = table.set_column(table.schema.get_field_index(name), name, moments)
    table = table.set_column(table.schema.get_field_index("c"), "c", table["c"].dictionary_encode())
    pq.write_table(table, tmp_path / "h.parquet")
    assert events(tmp_path / "h.parquet") == EVENTS


def test_columns_of_other_names_are_mapped_and_constants_given(tmp_path: Path) -> None:
    renames = {"ts": "when", "actual": "label", "actual_ts": "label_ts", "x": "x1", "region": "area"}
    rows = [{renames.get(k, k): v for k, v in row.items() if k != "version"} for row in ROWS]
    path = csv_file(tmp_path / "h.csv", rows)
    assert events(path, given=renames, version="7") == EVENTS


def test_without_a_time_of_the_outcome_it_is_known_when_it_matures(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "h.csv", ROWS)
    assert events(path, given={"actual_ts": ""})[1]["ts"] == 1704067200.0 + 3600.0


def test_without_a_request_id_the_row_has_one_that_stays_the_same(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "request_id"} for row in ROWS]
    first, second = (events(csv_file(tmp_path / name, rows)) for name in ("h.csv", "again.csv"))
    assert first == second
    assert first[0]["request_id"] == first[1]["request_id"] != first[2]["request_id"]


def changed(**cells: Any) -> list[dict[str, Any]]:
    return [ROWS[0], {**ROWS[1], **cells}]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(x="tall"), r"column 'x', row 2: 'tall' is not a number"),
        (changed(ts="yesterday"), r"column 'ts', row 2: 'yesterday' is not a time"),
        (changed(actual=1), r"column 'actual_ts', row 2: is empty, but the row has an actual"),
        (changed(actual_ts="soon"), r"column 'actual_ts', row 2: 'soon' is not a time"),
        (changed(request_id=""), r"column 'request_id', row 2: is empty"),
        ([{("ct" if k == "c" else k): v for k, v in ROWS[0].items()}], r"no column 'c' \(did you mean 'ct'\?\)"),
    ],
)
def test_a_cell_or_column_that_cannot_be_used_is_named(
    tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        events(csv_file(tmp_path / "h.csv", rows))


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ({"nothing": "x"}, {}, "'nothing' is not read here; what is read: ts, request_id, .*, region"),
        ({"ts": ""}, {}, "--map ts=: the field is needed: name its column"),
        ({"version": ""}, {}, "has no column 'version'"),
        ({}, {"model": "other"}, "--model 'other' is not in the catalogue"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, given: dict[str, str], options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        events(csv_file(tmp_path / "h.csv", ROWS), given=given, **options)


def test_rows_of_another_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"column 'model', row 1: 'other' is not 'late'"):
        events(csv_file(tmp_path / "h.csv", [{**ROWS[0], "model": "other"}]))


def test_a_column_score_of_a_regression_is_no_probability(tmp_path: Path) -> None:
    model = Model.model_validate({"task": "regression", "owner": "team", "features": {"x": {"type": "numeric"}}})
    rows = [{"ts": 1, "request_id": "a", "version": "1", "prediction": 21.5, "score": 21.5, "x": 1, "actual": 20}]
    source, left_out = open_history([csv_file(tmp_path / "h.csv", rows)], {"eta": model})
    prediction, outcome = (json.loads(record.line) for record in source.records())
    assert left_out == ("score",)
    assert "score" not in prediction
    assert (prediction["prediction"], outcome["actual"]) == (21.5, 20.0)


def test_a_feature_that_is_named_like_a_field_is_the_feature(tmp_path: Path) -> None:
    model = Model.model_validate({"task": "regression", "owner": "team", "features": {"latency": {"type": "numeric"}}})
    rows = [{"ts": 1, "request_id": "a", "version": "1", "prediction": 21.5, "latency": 250}]
    source, _ = open_history([csv_file(tmp_path / "h.csv", rows)], {"eta": model})
    (prediction,) = (json.loads(record.line) for record in source.records())
    assert prediction["features"] == {"latency": 250.0}
    assert "latency" not in prediction


def test_a_field_whose_name_is_a_feature_is_given_by_its_name_with_an_underscore(tmp_path: Path) -> None:
    features = {"score": {"type": "numeric"}, "model": {"type": "categorical"}}
    model = MODELS["late"].model_dump() | {"features": features, "slices": {}}
    rows = [{"ts": 1, "request_id": "a", "version": "1", "prediction": 1, "score": 700, "model": "Fiat", "p": 0.25}]
    path = csv_file(tmp_path / "h.csv", rows)
    models = {"late": Model.model_validate(model)}
    for given, score in (({}, None), ({"_score": "p"}, 0.25), ({"score": "score"}, None)):
        source, _ = open_history([path], models, given)
        (prediction,) = (json.loads(record.line) for record in source.records())
        assert prediction["features"] == {"score": 700.0, "model": "Fiat"}
        assert (prediction["model"], prediction.get("score")) == ("late", score)


def test_ids_of_a_float_column_are_those_that_the_service_sent(tmp_path: Path) -> None:
    rows = [row | {"request_id": 12345678901.0 + i} for i, row in enumerate(ROWS)]
    for path in (csv_file(tmp_path / "h.csv", rows), parquet_file(tmp_path / "h.parquet", rows)):
        assert [e["request_id"] for e in events(path)] == ["12345678901", "12345678901", "12345678902"]


def test_cells_become_the_values_that_an_event_carries(tmp_path: Path) -> None:
    rows = [
        row | {"b": b, "c": c} for row, b, c in zip(ROWS * 2, (1.0, 0.0, None, 2.0), (1.0, 0.5, None, 3.0), strict=True)
    ]
    found = [e["features"] for e in events(parquet_file(tmp_path / "h.parquet", rows)) if e["type"] == "prediction"]
    assert [f["b"] for f in found] == [True, False, None, "2"]
    assert [f["c"] for f in found] == ["1", "0.5", None, "3"]


def test_a_score_that_is_no_probability_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"column 'score', row 2: 55.0 is not a probability"):
        events(csv_file(tmp_path / "h.csv", changed(score=55.0)))
    assert events(csv_file(tmp_path / "h.csv", changed(score=1.0000000001)))[2]["score"] == 1.0
