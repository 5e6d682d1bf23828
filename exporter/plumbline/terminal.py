"""What commands print: coloured and aligned on a terminal, plain lines in a pipe.

Reads ``templates/*.txt.j2``. A template is rich markup, and `` | `` between two parts of a line makes it a row of a
table, whose last column wraps. A cell that begins with ``[right]`` is set to the right. Values are text: no part of
them is ever markup or a column's end.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby

import click
from markupsafe import Markup
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from plumbline.pages import environment
from plumbline.trace.show import visible

_PIPE_WIDTH = 4000  # nothing is wrapped or cut for grep
_EIGHTHS = " ▏▎▍▌▋▊▉"
# Visible text has no control character, so these stand for what would be markup until the markup is read. Escaping
# each value with rich would not do: "[red" in one and "]" in the next one make a tag.
_HIDDEN = {"[": "\1", "\\": "\2", "|": "\3", "\n": "\4"}
_HIDE, _REVEAL = str.maketrans(_HIDDEN), str.maketrans({stand_in: c for c, stand_in in _HIDDEN.items()})


def _text(value: object, *, lines: bool = False) -> Markup:
    if isinstance(value, Markup):
        return value
    text = "" if value is None else visible(str(value), lines=lines)
    return Markup(text.expandtabs().translate(_HIDE))  # noqa: S704  it goes to a terminal, not into HTML


def bar(share: float, largest: float, width: int) -> str:
    """Return a bar of block characters; the largest share fills it, a share above 0 is never invisible."""
    if share <= 0.0 or largest <= 0.0:
        return ""
    eighths = max(round(share / largest * width * 8), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _cut(text: str, width: int) -> str:
    found = Text(visible(text))
    found.truncate(width, overflow="ellipsis")
    return found.plain


_environment = environment.overlay(finalize=_text)
_environment.filters = environment.filters | {
    "bar": bar,
    "cells": cell_len,
    "cut": _cut,
    "lines": lambda text: _text(text, lines=True),
}


def show(template: str, **data: object) -> None:
    """Print a template in ``templates/``, which also gets the ``width`` in letters."""
    console = Console()
    plain = not console.is_terminal
    if plain:
        console = Console(file=io.StringIO(), width=_PIPE_WIDTH, no_color=True, legacy_windows=False)
    text = _environment.get_template(template).render(data, width=console.width)
    with console.capture() as capture:
        console.print(*_parts(text), sep="\n")
    for line in capture.get().splitlines():
        click.echo(line.rstrip() if plain else line, color=True)


def _parts(text: str) -> Iterator[RenderableType]:
    for tabular, lines in groupby(text.rstrip("\n").split("\n"), lambda line: " | " in line):
        if not tabular:
            yield from (
                Padding(_cell(line.lstrip(" ") or " "), (0, 0, 0, _indent(line)), expand=False) for line in lines
            )
            continue
        table = Table(box=None, show_header=False, pad_edge=False)
        first, *others = lines
        for _ in range(first.count(" | ")):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for line in (first, *others):
            table.add_row(*map(_cell, line[_indent(first) :].split(" | ")))
        yield Padding(table, (0, 0, 0, _indent(first)), expand=False)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _cell(markup: str) -> Text:
    right = markup.startswith("[right]")
    text = Text.from_markup(markup.removeprefix("[right]"), emoji=False, justify="right" if right else None)
    text.plain = text.plain.translate(_REVEAL)
    return text
