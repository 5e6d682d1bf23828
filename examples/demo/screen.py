"""What the demo shows: steps, progress and notices; live on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from examples.demo.proof import Check
from examples.demo.receiver import Notice
from plumbline.progress import Advance, progress


class Screen:
    """Prints to a console; safe to be used from several threads."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        """Announce a step of the demo."""
        self.console.print(f"[bold]{self._clock()} {escape(text)}[/bold]")

    def say(self, text: str) -> None:
        """Print a line of detail."""
        self.console.print(f"       {escape(text)}")

    def notice(self, notice: Notice) -> None:
        """Show who was called with what."""
        if notice.status != "firing":
            style, word = "green", "resolved"
        elif notice.kind == "page":
            style, word = "bold red", "PAGE"
        else:
            style, word = "yellow", "ticket"
        subject = notice.labels.get("model") or notice.labels.get("pipeline") or ""
        if feature := notice.labels.get("feature"):
            subject += f" {feature}"
        at = datetime.fromtimestamp(notice.at).astimezone().strftime("%H:%M:%S")
        self.console.print(
            f"       [{style}]{at} {word:8}[/] to [bold]{escape(notice.owner)}[/]: "
            f"{escape(notice.alert)} {escape(subject)} [dim]{escape(notice.summary)}[/]"
        )

    def progress(self, title: str) -> AbstractContextManager[Advance]:
        """Show progress while a block runs; on anything but a terminal a line now and then."""
        return progress(self.console, title)

    def checks(self, checks: list[Check]) -> None:
        """Print the proof as a table."""
        table = Table(title="The proof", show_lines=False, expand=False)
        table.add_column("")
        table.add_column("claim")
        table.add_column("what was seen", overflow="fold")
        for check in checks:
            mark = "[green]yes[/]" if check.passed else "[bold red]NO[/]"
            table.add_row(mark, escape(check.name), escape(check.detail))
        self.console.print(table)

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"[{minutes:02}:{seconds:02}]".replace("[", r"\[")
