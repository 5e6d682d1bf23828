import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.errors import TableError, UsageError
from plumbline.history.open import is_table, open_history
from plumbline.history.records import JsonLines


def history(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_lines_come_with_their_time_and_the_place_they_stand_at(tmp_path: Path) -> None:
    a = history(tmp_path / "a.ndjson", '{"ts": 101}', "", '{"ts": "1970-01-01T00:02:10Z", "x": 1}')
    b = tmp_path / "b.ndjson.gz"
    b.write_bytes(gzip.compress(b'{"ts": 7}\r\n'))
    source = JsonLines([a, b])
    found = [(r.ts, r.line, source.where(r.place)) for r in source.records()]
    assert found == [
        (101.0, b'{"ts": 101}', f"{a}:1"),
        (130.0, b'{"ts": "1970-01-01T00:02:10Z", "x": 1}', f"{a}:3"),
        (7.0, b'{"ts": 7}', f"{b}:1"),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"ts": 5}', "{}"], r"h\.ndjson:2: field 'ts': .*ts"),
        (['{"ts": 5}', "nonsense"], r"h\.ndjson:2: "),
        (['{"ts": "2013-01-01T00:00:00"}'], r"h\.ndjson:1: .*no time zone"),
    ],
)
def test_a_line_without_a_usable_time_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        list(JsonLines([history(tmp_path / "h.ndjson", *lines)]).records())


def test_a_file_that_is_absent_or_cut_off_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"absent\.ndjson: cannot be read"):
        list(JsonLines([tmp_path / "absent.ndjson"]).records())
    cut = tmp_path / "cut.ndjson.gz"
    cut.write_bytes(gzip.compress(b"".join(b'{"ts": %d}\n' % i for i in range(1000)))[:-20])
    with pytest.raises(TableError, match=r"cut\.ndjson\.gz: is damaged or cut off"):
        list(JsonLines([cut]).records())


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
def test_events_are_read_in_any_packing_and_form(tmp_path: Path, pack: Callable[[bytes], bytes], code: str) -> None:
    events = [{"ts": 1, "x": "\u2028é"}, {"ts": 2}]
    lines = "\n".join(json.dumps(e, ensure_ascii=False) for e in events)
    for text in (lines, json.dumps(events), json.dumps(events, indent=2)):
        file = tmp_path / "events"
        file.write_bytes(pack(text.encode(code)))
        source, _ = open_history([file], {})
        assert [json.loads(r.line) for r in source.records()] == events
        assert next(source.where(r.place) for r in source.records()) in (f"{file}:1", f"{file}:2")


def test_a_table_is_known_by_its_content_or_its_name(tmp_path: Path) -> None:
    for name, content, table in (
        ("a", b"ts,x\n1,2\n", True),
        ("b", gzip.compress(b"ts;x\n1;2\n"), True),
        ("C.CSV", b"ts\n1\n", True),
        ("d.parquet", b"PAR1", True),
        ("e", b'{"ts": 1}\n', False),
        ("f.ndjson", b"broken, line\n", False),
        ("g.JSON.GZ", gzip.compress(b"[]"), False),
        ("h", b"", False),
    ):
        (tmp_path / name).write_bytes(content)
        assert is_table(tmp_path / name) is table, name


def test_files_of_both_kinds_and_options_for_the_other_kind_are_refused(tmp_path: Path) -> None:
    events, table = history(tmp_path / "e.ndjson", json.dumps({"ts": 1})), history(tmp_path / "t.csv", "ts", "1")
    with pytest.raises(UsageError, match="either all files hold events"):
        open_history([events, table], {})
    with pytest.raises(UsageError, match="events say it themselves"):
        open_history([events], {}, version="1")
    with pytest.raises(UsageError, match=r"absent\.csv: no such file"):
        open_history([tmp_path / "absent.csv"], {})
