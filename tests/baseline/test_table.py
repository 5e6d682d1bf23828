"""Tables: typed columns from CSV and Parquet, and errors that name file, column and row."""

from __future__ import annotations

import bz2
import gzip
import math
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from plumbline.baseline.arrow import BATCH_ROWS, columns_of, table_files
from plumbline.baseline.table import Filter, Request, digest, read_batches
from plumbline.errors import TableError
from plumbline.units import PLAIN_CLOCK, Clock, parse_time


def numbers(path, column, kind="number", clock=PLAIN_CLOCK) -> list[float]:
    return np.concatenate([b.numbers["k"] for b in read_batches(path, {"k": Request(column, kind, clock)})]).tolist()


def texts(path, column, kind="category") -> list[str | None]:
    result: list[str | None] = []
    for batch in read_batches(path, {"k": Request(column, kind)}):
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


def test_a_clock_says_the_zone_and_the_unit_of_times_that_do_not(tmp_path):
    moments = [datetime(2024, 1, 1, 1), datetime(2024, 7, 1, 2), None]  # noqa: DTZ001
    expected = [1704067200.0, 1719792000.0]
    columns = {
        "naive": pa.array(moments, pa.timestamp("ns")),
        "text": pa.array(["2024-01-01 01:00:00", "2024-07-01T02:00:00", ""]),
        "mixed": pa.array(["2024-01-01 01:00:00", "2024-07-01t00:00:00z", None]),
        "milliseconds": pa.array([1704067200000, 1719792000000, None]),
        "milliseconds_as_text": pa.array(["1704067200000", "1719792000000", " "]),
    }
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    vienna = Clock(ZoneInfo("Europe/Vienna"), 0.001)
    for name in columns:
        found = numbers(path, name, "optional_time", vienna)
        assert found[:2] == expected, name
        assert math.isnan(found[2]), name
    assert "is not a time in epoch seconds (milliseconds, perhaps? --time-unit ms says so)" in failure(
        path, "milliseconds", "time"
    )
    assert "append Z or an offset; or say --time-zone" in failure(path, "text", "time")
    assert "row 3: '' is not a time: every row needs one" in failure(path, "naive", "time")


@pytest.mark.parametrize("text", ["2024-01-01T00:00:00Z", "2024-01-01 02:00:00+02:00", "2024-01-01T00:00:00+0000"])
@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".123456789"])
def test_times_are_read_alike_whole_and_one_by_one(tmp_path, text, fraction):
    text = text[:19] + fraction + text[19:]
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n{text},{text}\n{text},2024-01-01t00:00:00z\n")  # one by one: Arrow knows no small t
    assert numbers(path, "a", "time")[0] == numbers(path, "b", "time")[0] == parse_time(text)


def test_ids_keep_their_digits_and_a_float_column_that_has_lost_them_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    ids = pa.table(
        {
            "f": [12345678901.0, None, 7.0],
            "i": [2**60, 1, None],
            "t": ["1.0x", " a", "007"],
            "lost": [1.0, 2.0**53, 3.0],
        }
    )
    pq.write_table(ids, path)
    assert texts(path, "f", "id") == ["12345678901", None, "7"]
    assert texts(path, "i", "id") == ["1152921504606846976", "1", None]
    assert texts(path, "t", "id") == ["1.0x", " a", "007"]
    assert failure(path, "lost", "id") == (
        "t.parquet: column 'lost', row 2: 9007199254740992.0 is not a usable id: a float column keeps 15 digits; write ids as text "
        "or as whole numbers"
    )
    path = tmp_path / "t.csv"
    path.write_text("id,version\n12345678901.0,1.0\n7.0,2.10\n")  # as pandas writes ids where one is missing
    assert texts(path, "id", "id") == ["12345678901", "7"]
    assert texts(path, "version", "text") == ["1.0", "2.10"]


def test_a_score_past_0_or_1_by_rounding_only_is_0_or_1_and_any_other_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("p,q\n1.0000000000000002,0.5\n-1e-17,1.5\n0.25,\n")
    assert numbers(path, "p", "probability") == [1.0, 0.0, 0.25]
    assert failure(path, "q", "probability") == (
        "t.csv: column 'q', row 2: 1.5 is not a probability: a score must lie between 0 and 1"
    )


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([True, False], "holds bool: write numbers as the service sends them, or declare the feature boolean"),
        (["1.5", "2"], "holds string: write numbers as the service sends them, or declare the feature categorical"),
        ([datetime(2024, 1, 1, tzinfo=UTC)], "or declare the feature categorical"),
    ],
)
def test_what_an_event_could_not_carry_as_a_number_is_no_number_in_a_typed_table(tmp_path, cells, message):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": cells}), path)
    assert message in failure(path, "x", "number")


def test_a_filter_lets_rows_through_before_their_cells_are_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("part,x\nTrue,1\nFalse,tall\nTrue,3\nTrue,wide\n")
    with pytest.raises(TableError, match="row 4: 'wide' is not a number"):
        list(read_batches(path, {"x": Request("x", "number")}, Filter("part", "true")))
    path.write_text("part,x\nTrue,1\nFalse,tall\nTrue,3\n")
    (batch,) = read_batches(path, {"x": Request("x", "number")}, Filter("part", "true"))
    assert (batch.rows, batch.numbers["x"].tolist()) == (2, [1.0, 3.0])


@pytest.mark.parametrize("value", ["True", "true", "1", "1.0"])
@pytest.mark.parametrize("cells", [[True, False], [1, 0], [1.0, 0.0], ["True", "False"], ["1.0", "0.0"]])
def test_a_filter_finds_a_value_however_it_is_spelled(tmp_path, value, cells):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"part": cells, "x": [1.0, 2.0]}), path)
    (batch,) = read_batches(path, {"x": Request("x", "number")}, Filter("part", value))
    assert batch.numbers["x"].tolist() == [1.0]


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
            "t.csv: column 'ts', row 1: '2024-01-01T00:00:00' is not a time ('2024-01-01T00:00:00' has no time zone: append Z or an offset; or say --time-zone)",
        ),
        ("ts\n1704067200000\n", "ts", "time", "milliseconds, perhaps?"),
        ("ts,x\n1704067200,1\n,2\n", "ts", "time", "t.csv: column 'ts', row 2: '' is not a time: every row needs one"),
    ],
)
def test_a_broken_table_says_where_and_what_to_do(tmp_path, content, column, kind, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    assert message in failure(path, column, kind)


TABLE = pa.table({"x": [1, 2, 3], "y, z": ["a;b", "c\td", None]})


def write_text(path, sep=",", code="utf-8", pack=bytes):
    rows = [["x", "y, z"], ["1", "a;b"], ["2", "c\td"], ["3", ""]]
    text = "\n".join(sep.join(f'"{cell}"' if set(cell) & set(",;\t|") else cell for cell in row) for row in rows)
    path.write_bytes(pack(text.encode(code)))


def write_hint(path):
    path.write_text('sep=^\nx^"y, z"\n1^a;b\n2^c\td\n3^\n')


def write_stream(path):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)


FILES = {
    **{f"separated by {sep!r}": partial(write_text, sep=sep) for sep in ",;\t|"},
    **{f"in {code}": partial(write_text, code=code) for code in ("utf-8-sig", "utf-16")},
    "gzip": partial(write_text, pack=gzip.compress),
    "bzip2": partial(write_text, pack=bz2.compress),
    "separated as its first line says": write_hint,
    "Parquet": lambda path: pq.write_table(TABLE, path),
    "Feather": lambda path: feather.write_feather(TABLE, path),
    "Feather, plain": lambda path: feather.write_feather(TABLE, path, compression="uncompressed"),
    "Arrow stream": write_stream,
}


@pytest.mark.parametrize("write", FILES.values(), ids=FILES)
@pytest.mark.parametrize("name", ["t", "T.CSV.GZ", "t.parquet"])
def test_a_table_is_read_by_its_content_whatever_it_is_called(tmp_path, write, name):
    write(tmp_path / name)
    assert columns_of(tmp_path / name) == ["x", "y, z"]
    assert numbers(tmp_path / name, "x") == [1, 2, 3]
    assert texts(tmp_path / name, "y, z") == ["a;b", "c\td", None]


def test_a_folder_is_the_table_of_the_files_in_it_and_of_its_partitions(tmp_path):
    folder = tmp_path / "ref.parquet"
    for era, name in (
        ("train", "part-1"),
        ("train", "part-0"),
        ("a%2Fb", "part-0"),
        ("__HIVE_DEFAULT_PARTITION__", "p"),
    ):
        (folder / f"era={era}").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": [float(len(era)), 1.0]}), folder / f"era={era}" / f"{name}.snappy.parquet")
    for junk in ("_SUCCESS", ".part-0.crc", "_metadata"):
        (folder / junk).write_bytes(b"no table")
    files = table_files([folder])
    assert [file.name[:6] for file in files] == ["p.snap", "part-0", "part-0", "part-1"]
    eras = []
    for file in files:
        assert columns_of(file) == ["x", "era"]
        assert numbers(file, "x")[1] == 1
        eras += texts(file, "era")
    assert eras == [None] * 2 + ["a/b"] * 2 + ["train"] * 4
    # The name of a folder is a text, of which a number can be read, as in CSV.
    (folder / "year=2024").mkdir()
    pq.write_table(pa.table({"x": [1.0]}), folder / "year=2024" / "part")
    assert numbers(folder / "year=2024" / "part", "year") == [2024]


def test_a_folder_without_a_table_and_one_that_needs_its_log_are_refused(tmp_path):
    (tmp_path / "_SUCCESS").write_text("")
    with pytest.raises(TableError, match="holds no table: name the files"):
        table_files([tmp_path])
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(TableError, match="Delta table"):
        table_files([tmp_path])


@pytest.mark.parametrize(
    ("head", "remedy"),
    [
        (b"PK\x03\x04", "save the sheet as CSV"),
        (b"\x89HDF\r\n", "the table as Parquet"),
        (b"\xfd7zXZ\x00", "unpack it first"),
    ],
)
def test_a_file_that_is_no_table_is_named_with_what_to_do(tmp_path, head, remedy):
    (tmp_path / "t.csv").write_bytes(head + bytes(100))
    with pytest.raises(TableError, match=remedy):
        columns_of(tmp_path / "t.csv")


def test_an_absent_file_a_folder_and_damaged_files_are_table_errors(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        columns_of(tmp_path / "none.csv")
    with pytest.raises(TableError, match="cannot be read"):
        columns_of(tmp_path)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"x\n" + b"1234567\n" * 9000)[:-500])
    with pytest.raises(TableError, match="not a readable table"):
        list(read_batches(cut, {"k": Request("x", "number")}))
    parquet = tmp_path / "cut.parquet"
    parquet.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(TableError, match="not a readable table"):
        columns_of(parquet)
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
