"""What every template of a command is promised, whatever it says."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from plumbline.terminal import show
from plumbline.trace.model import Batch
from plumbline.trace.records import LogRecord
from plumbline.trace.show import visible

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
