"""What every template of a command is promised, whatever it says."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from rich.cells import cell_len

from plumbline.terminal import show
from plumbline.trace.model import Batch
from plumbline.trace.records import LogRecord
from plumbline.trace.show import visible
from support.samples import baseline

markup = st.text(st.sampled_from("[]/\\|: ab#@\t\n\x1b\u202e") | st.characters(), max_size=12)


@given(st.lists(st.tuples(markup, markup), min_size=1, max_size=4))
@example([("[red", "]"), ("[bold]", "[/]"), ("\\", "\\[red]"), ("a | b", ":bell:")])
def test_no_part_of_a_value_is_markup_or_a_column(values: list[tuple[str, str]]) -> None:
    logs = [LogRecord("T", "info", text, f"s{who}", None, None, None, None, None, {}) for who, text in values]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        show("batch.txt.j2", batch=Batch("b", [], [], [], [], False, 0, [], 0, logs, False, [], False))
    lines = printed.getvalue().rpartition("\nLog\n")[2].split("\n")
    assert lines[:-1] == [f"  T  {visible(f's{who}')}  info: {visible(text)}".rstrip() for who, text in values]


def test_a_name_that_a_template_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="batch"):
        show("batch.txt.j2")


@pytest.mark.parametrize("width", [80, 100])
def test_a_bar_keeps_its_line_beside_names_of_wide_letters(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", str(width))):
        monkeypatch.setenv(name, value)
    rows = [("00 " + "\u6f22" * 30, 0.5), ("01 [x] | y", 0.25), ("02 \x1b", 0.25)]
    show("baseline.txt.j2", baseline=baseline(), levels=lambda bins: rows)
    drawn = [line for line in capsys.readouterr().out.splitlines() if "█" in line]
    assert all("%" in line for line in drawn)
    assert all(cell_len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= width for line in drawn)
    longest, *others = (line.count("█") for line in drawn[-3:])
    assert others == pytest.approx([longest / 2] * 2, abs=1)
