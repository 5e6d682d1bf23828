from pathlib import Path

import pytest

from plumbline.errors import TableError
from plumbline.evaluate.incidents import read_incidents


def write(folder: Path, text: str) -> Path:
    path = folder / "incidents.csv"
    path.write_text(text)
    return path


def test_start_and_end_are_enough_and_order_is_by_start(tmp_path: Path):
    path = write(
        tmp_path,
        "start,end\n1970-01-01T01:00:00Z,1970-01-01T02:00:00Z\n1970-01-01 00:00:00+00:00,1970-01-01T00:00:09Z\n",
    )
    assert [(i.start, i.end, i.model, i.metric, i.sustained) for i in read_incidents(path)] == [
        (0.0, 9.0, "", "", None),
        (3600.0, 7200.0, "", "", None),
    ]


def test_optional_columns_are_read_and_others_ignored(tmp_path: Path):
    path = write(
        tmp_path,
        "metric,first_chunk,start,end,sustained,model\nmae,001,1970-01-01T00:00:00Z,1970-01-02T00:00:00Z,1,m\n",
    )
    (one,) = read_incidents(path)
    assert (one.metric, one.sustained, one.model, one.line) == ("mae", True, "m", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("begin,end\n", "incidents.csv:1: no column start; an incidents file needs"),
        ("start,end\n1970-01-01T00:00:00Z,soon\n", "incidents.csv:2: end: "),
        ("start,end\n1970-01-01T00:00:00,1970-01-02T00:00:00Z\n", "incidents.csv:2: start: .*no time zone"),
        ("start,end\n1970-01-02T00:00:00Z,1970-01-01T00:00:00Z\n", "incidents.csv:2: the incident ends before"),
        (
            "start,end,sustained\n1970-01-01T00:00:00Z,1970-01-02T00:00:00Z,maybe\n",
            "incidents.csv:2: sustained: 'maybe'",
        ),
        ("start,end\n1970-01-01T00:00:00Z\n", "incidents.csv:2: end: "),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(TableError, match=message):
        read_incidents(write(tmp_path, text))


def test_a_missing_file_is_one_message(tmp_path: Path):
    with pytest.raises(TableError, match="cannot be read"):
        read_incidents(tmp_path / "none.csv")
