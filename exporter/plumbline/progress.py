"""Progress of long work: a live bar on a terminal, a plain line now and then otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_PLAIN_SECONDS = 10.0


class Advance(Protocol):
    """Moves a progress display."""

    def __call__(self, done: float, total: float, what: str) -> None:
        """Show that ``done`` of ``total`` is done, and what is being done; total 0 = not known."""


@contextmanager
def progress(console: Console, title: str) -> Iterator[Advance]:
    """Show progress while the block runs."""
    if console.is_terminal:
        columns = (TextColumn("       {task.description:<10}"), BarColumn(40), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[what]}"), console=console) as display:
            task = display.add_task(title, total=None, what="")

            def live(done: float, total: float, what: str) -> None:
                display.update(task, completed=done, total=total or None, what=what)

            yield live
        return
    last = time.monotonic()

    def plain(done: float, total: float, what: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _PLAIN_SECONDS:
            last = time.monotonic()
            share = f"{done / total:.0%} " if total else ""
            console.print(f"       {escape(title)}: {share}{escape(what)}")

    yield plain
