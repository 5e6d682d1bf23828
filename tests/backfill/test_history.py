from pathlib import Path

import pytest

from plumbline.backfill.history import read_steps
from plumbline.errors import TableError


def history(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "h.ndjson"
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_lines_are_cut_into_steps_that_end_on_multiples_and_empty_steps_are_kept(tmp_path: Path):
    path = history(tmp_path, '{"ts": 101}', '{"ts": 109}', '{"ts": 110}', '{"ts": "1970-01-01T00:02:10Z"}')
    steps = list(read_steps(path, 10.0, 1000.0))
    assert [(step.time, len(step.lines), step.first_line) for step in steps] == [
        (110.0, 2, 1),
        (120.0, 1, 3),
        (130.0, 0, 4),
        (140.0, 1, 4),
    ]
    assert steps[-1].offset == path.stat().st_size


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"ts": 5}', '{"ts": 4}'], r"h\.ndjson:2: .* sort the file by ts"),
        (['{"ts": 5}', "{}"], r"h\.ndjson:2: .*ts"),
        (['{"ts": 5}', "nonsense"], r"h\.ndjson:2: "),
        (['{"ts": "2013-01-01T00:00:00"}'], r"h\.ndjson:1: .*no time zone"),
        (['{"ts": 5}', '{"ts": 200}'], r"h\.ndjson:2: .*3 hours before now"),
        ([], r"h\.ndjson: no events"),
    ],
)
def test_history_that_cannot_be_used_is_refused_by_file_and_line(
    tmp_path: Path, lines: list[str], message: str
):
    with pytest.raises(TableError, match=message):
        list(read_steps(history(tmp_path, *lines), 10.0, 100.0))


def test_an_absent_file_is_named(tmp_path: Path):
    with pytest.raises(TableError, match=r"absent\.ndjson: cannot be read"):
        list(read_steps(tmp_path / "absent.ndjson", 10.0, 100.0))
