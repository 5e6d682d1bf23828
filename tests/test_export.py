from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import yaml

from plumbline import export as module
from plumbline import names
from plumbline.baseline.artefact import save_baseline
from plumbline.cli.main import run
from plumbline.errors import TableError
from plumbline.export import METADATA_KEY, Selection, export
from plumbline.ingest.engine import Engine
from plumbline.store.postgres import PostgresStore
from plumbline.trace.lookup import Lookup
from support.postgres import Postgres
from support.samples import baseline, catalogue, open_sample, outcome, prediction, send, values


def written(engine: Engine, lookup: Lookup, path: Path, selection: Selection) -> list[dict[str, Any]]:
    report = export(lookup, engine.catalogue.models[selection.model], selection, path)
    rows = pyarrow.parquet.read_table(path).to_pylist()
    assert len(rows) == report.rows
    return rows


def write_sample(path: Path) -> Path:
    """Write the sample catalogue as a person would."""
    plain = catalogue().model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    plain["models"]["clf"]["task"] = "binary"
    plain["models"]["reg"]["task"] = "regression"
    path.write_text(yaml.safe_dump(plain))
    return path


def stream(seed: int) -> list[dict[str, Any]]:
    """Both models: late, early, doubled, corrected, missing and odd outcomes, in any order."""
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    for n in range(600):
        ts = 1000.0 + n
        kind = rng.choice(["clf", "reg"])
        request = f"{kind}{n}"
        answer = rng.choice(["0", "1", 1, "odd"]) if kind == "clf" else round(rng.gauss(5, 3), 3)
        made = prediction(request, model=kind, ts=ts, prediction=answer, score=round(rng.random(), 3))
        if rng.random() < 0.05:
            made["status"] = "error"
        events.append(made)
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            actual = rng.choice(["0", "1", "odd"]) if kind == "clf" else round(rng.gauss(5, 3), 3)
            told = outcome(request, actual, ts=ts + rng.randrange(1, 3000))
            if rng.random() < 0.2:
                told["correction"] = True
            events.append(told)
    rng.shuffle(events)
    return events


@pytest.mark.parametrize("seed", range(6))
def test_the_rows_give_the_numbers_of_the_quality_counters(
    engine: Engine, lookup: Lookup, tmp_path: Path, seed: int
) -> None:
    events = stream(seed)
    for start in range(0, len(events), 37):
        send(engine, *events[start : start + 37], now=1500.0)  # nothing is mature yet: corrections replace
    engine.tick(1300.0 + 3600.0)  # half of it has matured
    cells = values(engine.blocks())
    rows = written(engine, lookup, tmp_path / "clf.parquet", Selection("clf", "1"))
    assert len(rows) > 30
    confusion = Counter((row["_actual"], row["_prediction"]) for row in rows)
    for actual in "01":
        for predicted in "01":
            key = (names.CONFUSION.name, "clf", "1", "all", "all", actual, predicted)
            assert cells[key] == confusion[actual, predicted]
    squared = sum((row["_score"] - (row["_actual"] == "1")) ** 2 for row in rows)
    assert cells[names.SQUARED_SCORE_ERROR.name, "clf", "1", "all", "all"] == pytest.approx(squared, rel=1e-12)

    rows = written(engine, lookup, tmp_path / "reg.parquet", Selection("reg", "1"))
    assert len(rows) > 30
    errors = [row["_prediction"] - row["_actual"] for row in rows]
    at = ("reg", "1", "all", "all")
    assert cells[names.REGRESSION.name, *at] == len(rows)
    assert cells[names.ABSOLUTE_ERROR.name, *at] == pytest.approx(sum(map(abs, errors)), rel=1e-12)
    assert cells[names.SQUARED_ERROR.name, *at] == pytest.approx(sum(e * e for e in errors), rel=1e-12)


def test_every_prediction_is_a_row_or_a_reason(engine: Engine, lookup: Lookup, tmp_path: Path) -> None:
    send(
        engine,
        prediction("good"),
        outcome("good"),
        prediction("open"),
        prediction("bad", status="error"),
        outcome("bad"),
        prediction("odd", prediction="?"),
        outcome("odd"),
        prediction("late", ts=9000.0),
        outcome("late", ts=9001.0),
        prediction("reg", model="reg", prediction=1.0),
        now=9000.0,
    )
    report = export(lookup, engine.catalogue.models["clf"], Selection("clf"), tmp_path / "x.parquet")
    assert (report.rows, report.unknown, report.errors, report.incomparable, report.waiting) == (1, 1, 1, 1, 1)


def test_a_row_holds_features_by_name_and_the_truth_by_now(engine: Engine, lookup: Lookup, tmp_path: Path) -> None:
    send(
        engine,
        prediction("q", features={"x": 2, "c": 7, "more": 1}, data_batch_id="b/1"),
        outcome("q", "0"),
        outcome("q", "1", ts=2500.5, correction=True),
    )
    [row] = written(engine, lookup, tmp_path / "x.parquet", Selection("clf"))
    assert (row["x"], row["c"]) == (2.0, "7")
    assert (row["_actual"], row["_corrected"], row["_prediction"], row["_score"]) == ("1", True, "1", 0.9)
    assert (row["_ts"].timestamp(), row["_outcome_ts"].timestamp()) == (1000.0, 2500.5)
    assert (row["_request_id"], row["_data_batch_id"]) == ("q", "b/1")
    assert "more" not in row


def test_version_and_time_select(engine: Engine, lookup: Lookup, tmp_path: Path) -> None:
    for n in range(20):
        send(engine, prediction(f"q{n}", version="1" if n % 2 else "2", ts=1000.0 + n), outcome(f"q{n}"))
    chosen = Selection("clf", "1", 1005.0, 1011.0)
    rows = written(engine, lookup, tmp_path / "x.parquet", chosen)
    assert [row["_request_id"] for row in rows] == ["q5", "q7", "q9"]


def test_the_file_says_where_it_comes_from(engine: Engine, lookup: Lookup, tmp_path: Path) -> None:
    deployed = {"type": "deployment", "ts": 1.0, "model": "clf", "version": "1", "stage": "production"}
    send(engine, {**deployed, "commit": "feed", "training_data": "t-7"})
    send(engine, prediction("q", data_batch_id="b/1"), outcome("q"))
    path = tmp_path / "x.parquet"
    report = export(lookup, engine.catalogue.models["clf"], Selection("clf"), path)
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    found = json.loads(pyarrow.parquet.read_metadata(path).metadata[METADATA_KEY])
    assert found["rows"] == 1
    assert found["versions"] == {
        "1": {"rows": 1, "commit": "feed", "training_data": "t-7", "baseline": baseline().digest}
    }
    assert found["data_batches"] == {"b/1": 1}


def test_many_rows_are_written_by_parts(
    engine: Engine, lookup: Lookup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PART", 7)
    monkeypatch.setattr(module, "_ROW_GROUP", 20)
    send(engine, *(e for n in range(100) for e in (prediction(f"q{n}"), outcome(f"q{n}"))))
    rows = written(engine, lookup, tmp_path / "x.parquet", Selection("clf"))
    assert [row["_request_id"] for row in rows] == [f"q{n}" for n in range(100)]
    groups = pyarrow.parquet.read_metadata(tmp_path / "x.parquet")
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [21, 21, 21, 21, 16]


def test_a_failed_export_leaves_nothing_and_keeps_what_was_there(
    engine: Engine, lookup: Lookup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / "x.parquet"
    with pytest.raises(TableError, match="cannot be written"):
        export(lookup, engine.catalogue.models["clf"], Selection("clf"), path)
    path.parent.mkdir()
    path.write_bytes(b"before")

    def fail(file: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_digest", fail)
    with pytest.raises(TableError, match="No space left"):
        export(lookup, engine.catalogue.models["clf"], Selection("clf"), path)
    assert [p.name for p in path.parent.iterdir()] == ["x.parquet"]
    assert path.read_bytes() == b"before"


def test_the_command_reads_a_folder_and_tells_what_it_left_out(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = write_sample(tmp_path / "plumbline.yaml")
    save_baseline(baseline(), tmp_path / "baselines")
    send(engine, prediction("q"), outcome("q"), prediction("open"))
    path = tmp_path / "x.parquet"
    where = ["--catalogue", str(declared), "--data", str(tmp_path / "data"), "--baselines", str(tmp_path / "baselines")]
    assert run(["export", "clf", str(path), *where]) == 0
    out = capsys.readouterr().out
    assert f"1 rows, sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" in out
    assert "left out: predictions 1 without an outcome" in out
    assert run(["export", "clf", str(path), *where, "--from", "1970-01-02T00:00:00Z", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 0
    assert run(["export", "nope", str(path), *where]) == 2
    assert run(["export", "clf", str(path), *where, "--from", "yesterday"]) == 2
    assert run(["export", "clf", str(path), *where, "--from", "10", "--to", "5"]) == 2


def test_a_baseline_can_be_built_from_the_file_as_the_docs_say(
    engine: Engine, lookup: Lookup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(3)
    for n in range(200):
        made = prediction(f"q{n}", ts=1000.0 + n, features={"x": rng.random(), "c": rng.choice("ab")})
        send(engine, made, outcome(f"q{n}", rng.choice("01")))
    path = tmp_path / "x.parquet"
    export(lookup, engine.catalogue.models["clf"], Selection("clf"), path)
    declared = tmp_path / "plumbline.yaml"
    plain = catalogue().model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    plain["models"]["clf"]["task"] = "binary"
    declared.write_text(yaml.safe_dump(plain))
    where = ["--catalogue", str(declared), "--output", str(tmp_path / "made"), "--model", "clf", "--version", "2"]
    read = ["--time-column", "_ts", "--prediction-column", "_prediction"]
    read += ["--score-column", "_score", "--actual-column", "_actual"]
    assert run(["baseline", "build", str(path), *where, *read]) == 0, capsys.readouterr().err
    assert len(list((tmp_path / "made").glob("*.json"))) == 1


def test_both_stores_give_the_same_file(engine: Engine, lookup: Lookup, tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.new_database()
    other = open_sample(tmp_path / "other", PostgresStore(url))
    try:
        for one in (engine, other):
            send(one, *stream(7), now=1500.0)
            one.tick(1300.0 + 3600.0)
        mine = tmp_path / "embedded.parquet"
        written(engine, lookup, mine, Selection("clf"))
        declared = write_sample(tmp_path / "plumbline.yaml")
        theirs = tmp_path / "postgres.parquet"
        save_baseline(baseline(), tmp_path / "baselines")
        arguments = ["clf", str(theirs), "--catalogue", str(declared), "--store", url]
        assert run(["export", *arguments, "--baselines", str(tmp_path / "baselines")]) == 0
        rows = [pyarrow.parquet.read_table(path).to_pylist() for path in (mine, theirs)]
        assert rows[0] == rows[1]
        assert len(rows[0]) > 50
        told = [json.loads(pyarrow.parquet.read_metadata(path).metadata[METADATA_KEY]) for path in (mine, theirs)]
        assert told[0] == told[1]
    finally:
        other.close()


_MEASURED = """
import resource, sys
from plumbline import export
from plumbline.cli.main import run
export._ROW_GROUP = 2000
code = run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
sys.exit(code)
"""


def test_memory_does_not_grow_with_the_history(engine: Engine, tmp_path: Path) -> None:
    for start in range(0, 16_000, 2000):
        numbers = range(start, start + 2000)
        made = [prediction(f"r{n}", ts=1000.0 + n, features={"x": 0.5, "c": f"{n} " + "c" * 4000}) for n in numbers]
        send(engine, *made, *[outcome(f"r{n}", ts=2000.0 + n) for n in numbers], now=1e9)
    engine.tick(2e9)
    declared = write_sample(tmp_path / "plumbline.yaml")
    peaks = []
    for rows in (3000, 16_000):
        file = tmp_path / f"{rows}.parquet"
        arguments = ["clf", file, "--catalogue", declared, "--data", tmp_path / "data", "--to", 1000 + rows]
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED, "export", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert pyarrow.parquet.read_metadata(file).num_rows == rows
        peaks.append(int(done.stdout.splitlines()[-1]))
    # MiB. The further rows alone take 50.
    assert peaks[1] - peaks[0] < 25, peaks
