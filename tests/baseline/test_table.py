"""Tables: typed columns from CSV and Parquet, and errors that name file, column and row."""

from __future__ import annotations

import gzip
import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.baseline.arrow import BATCH_ROWS
from plumbline.baseline.table import Request, column_names, digest, read_batches
from plumbline.errors import TableError


def numbers(path, column, kind="number") -> list[float]:
    return np.concatenate([b.numbers["k"] for b in read_batches(path, {"k": Request(column, kind)})]).tolist()


def texts(path, column) -> list[str | None]:
    result: list[str | None] = []
    for batch in read_batches(path, {"k": Request(column, "text")}):
        text = batch.texts["k"]
        result += [None if code < 0 else text.levels[code] for code in text.codes.tolist()]
    return result


def failure(path, column, kind) -> str:
    with pytest.raises(TableError) as caught:
        list(read_batches(path, {"k": Request(column, kind)}))
    return str(caught.value).replace(str(path), path.name)


def test_csv_numbers_with_every_spelling_of_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1.5,a\n,b\nNA,c\nnan,d\n -2e3 ,e\ninf,f\n.5,g\n")
    found = numbers(path, "x")
    assert [None if math.isnan(f) else f for f in found] == [1.5, None, None, None, -2000.0, None, 0.5]


def test_na_is_a_text_in_a_text_column_and_only_an_empty_cell_is_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('c,x\nNA,1\n,2\n"a,b",3\n')
    assert texts(path, "c") == ["NA", None, "a,b"]


def test_gzip_is_read(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"x\n1\n2\n"))
    assert numbers(path, "x") == [1.0, 2.0]


def test_parquet_types_are_converted_whatever_the_file_is_called(tmp_path):
    path = tmp_path / "t.csv"
    table = pa.table(
        {
            "i": pa.array([1, None, 3], pa.int32()),
            "b": pa.array([True, False, None]),
            "d": pa.array(["u", None, "u"]).dictionary_encode(),
            "f": pa.array([1.0, 2.0, None], pa.float64()),
            "t": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("ns", tz="UTC")),
            "n": pa.array([datetime(2024, 1, 1, 0, 0, 0, 500000)] * 3, pa.timestamp("us")),  # noqa: DTZ001
        }
    )
    pq.write_table(table, path)
    assert numbers(path, "i")[::2] == [1.0, 3.0]
    assert texts(path, "d") == ["u", None, "u"]
    assert texts(path, "b") == ["true", "false", None]
    assert numbers(path, "t", "time") == [1704067200.0] * 3
    assert numbers(path, "n", "time") == [1704067200.5] * 3


def test_times_are_read_as_rfc_3339_or_epoch_seconds(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n2024-01-01T00:00:00Z,1704067200\n2024-01-01 02:00:00+02:00,1704067200.25\n")
    assert numbers(path, "a", "time") == [1704067200.0, 1704067200.0]
    assert numbers(path, "b", "time") == [1704067200.0, 1704067200.25]


def test_a_column_may_be_read_in_two_kinds(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x\n1\n2\n")
    (batch,) = read_batches(path, {"n": Request("x", "number"), "t": Request("x", "text")})
    assert (batch.numbers["n"].tolist(), batch.texts["t"].levels) == ([1.0, 2.0], ("1", "2"))


def test_a_table_comes_in_batches_and_a_wrong_cell_is_named_by_its_row_in_the_file(tmp_path):
    path = tmp_path / "t.csv"
    rows = [str(i) for i in range(2 * BATCH_ROWS + 10)]
    path.write_text("x\n" + "\n".join(rows) + "\n")
    sizes = [batch.rows for batch in read_batches(path, {"k": Request("x", "number")})]
    assert sum(sizes) == len(rows)
    assert len(sizes) > 2
    assert max(sizes) <= BATCH_ROWS
    rows[BATCH_ROWS + 5] = "12,5".replace(",", "_")
    path.write_text("x\n" + "\n".join(rows) + "\n")
    assert failure(path, "x", "number") == (
        f"t.csv: column 'x', row {BATCH_ROWS + 6}: '12_5' is not a number: correct it, or declare the feature "
        "categorical"
    )


@pytest.mark.parametrize(
    ("content", "column", "kind", "message"),
    [
        ("x,y\n1,2\n", "z", "number", "t.csv: has no column 'z'; its columns are: x, y"),
        (
            "income,y\n1,2\n",
            "incone",
            "number",
            "t.csv: has no column 'incone' (did you mean 'income'?); its columns are: income, y",
        ),
        ("x,x\n1,2\n", "x", "number", "t.csv: column 'x' appears twice: rename one of them"),
        ("x,y\n1,2\n3\n", "x", "number", "every line must have as many cells as the header"),
        ("", "x", "number", "t.csv: not a readable table: Empty CSV file; it needs a header line and rows"),
        (
            "ts\n2024-01-01T00:00:00\n",
            "ts",
            "time",
            "t.csv: column 'ts', row 1: '2024-01-01T00:00:00' is no time ('2024-01-01T00:00:00' has no time zone: append Z or an offset; or say --time-zone)",
        ),
        ("ts\n1704067200000\n", "ts", "time", "milliseconds, perhaps?"),
        ("ts,x\n1704067200,1\n,2\n", "ts", "time", "t.csv: column 'ts', row 2: '' is no time: every row needs one"),
    ],
)
def test_a_broken_table_says_where_and_what_to_do(tmp_path, content, column, kind, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    assert message in failure(path, column, kind)


def test_an_absent_file_a_folder_and_damaged_files_are_table_errors(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        column_names(tmp_path / "none.csv")
    with pytest.raises(TableError, match="cannot be read"):
        column_names(tmp_path)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"x\n" + b"1234567\n" * 9000)[:-500])
    with pytest.raises(TableError, match="not a readable table"):
        list(read_batches(cut, {"k": Request("x", "number")}))
    parquet = tmp_path / "cut.parquet"
    parquet.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(TableError, match="not a readable table"):
        column_names(parquet)
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"x\ncaf\xe9\n")
    with pytest.raises(TableError, match="UTF-8"):
        list(read_batches(latin, {"k": Request("x", "text")}))


def test_nested_and_binary_columns_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": [[1, 2]]}), path)
    assert "it must hold plain values" in failure(path, "x", "number")


def test_the_digest_is_of_the_bytes_of_all_files_in_order(tmp_path):
    for name, content in (("a", b"1"), ("b", b"2"), ("ab", b"12")):
        (tmp_path / name).write_bytes(content)
    assert digest([tmp_path / "a", tmp_path / "b"]) == digest([tmp_path / "ab"])
    assert digest([tmp_path / "b", tmp_path / "a"]) != digest([tmp_path / "ab"])
