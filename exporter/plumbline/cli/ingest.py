"""``plumbline ingest``: events from files or standard input to an exporter."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import select
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.progress import Progress

from plumbline.client.post import Answer, Sender
from plumbline.errors import PlumblineError, UsageError
from plumbline.events.parse import MAX_LINE_BYTES
from plumbline.names import DEFAULT_PORT

_LINGER_SECONDS = 1.0  # how long a line from a pipe may wait for others to share its request


@dataclass(slots=True)
class Summary:
    """What became of the lines sent.

    Attributes:
        accepted: lines that the exporter holds; ``duplicates`` of them it held before.
        rejected: lines that it refused, each told on standard error.
        duplicates: resent events; not counted again.
    """

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0

    def add(self, answer: Answer) -> None:
        """Add what came of a batch."""
        self.accepted += answer.accepted
        self.rejected += answer.rejected
        self.duplicates += answer.duplicates


@contextlib.contextmanager
def _open(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with gzip.open(name, "rb") if name.endswith(".gz") else Path(name).open("rb") as file:
            yield file  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PlumblineError(f"{name}: is damaged or cut off: {error}") from error
    except OSError as error:
        raise PlumblineError(f"{name}: cannot be read: {error.strerror}") from error


def _batches(file: IO[bytes], batch: int) -> Iterator[list[bytes]]:
    """Yield the lines in groups of at most ``batch``; of a pipe or terminal, as they come."""
    try:
        descriptor = file.fileno()
        streams = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    except (OSError, ValueError):  # no file of the system's
        streams = False
    if streams:
        yield from _streamed(descriptor, batch)
    else:
        while lines := list(itertools.islice(file, batch)):
            yield lines


def _streamed(descriptor: int, batch: int) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    begun = b""  # the line that has no end yet
    due = 0.0
    while True:
        wait = max(0.0, due - time.monotonic()) if lines else None
        if not select.select([descriptor], [], [], wait)[0]:
            yield lines
            lines = []
            continue
        data = os.read(descriptor, 65_536)
        *whole, begun = (begun + data).split(b"\n")
        # A line beyond what is taken goes on its way in pieces, to be rejected, and memory stays bounded.
        if begun and (not data or len(begun) > MAX_LINE_BYTES):
            whole.append(begun)
            begun = b""
        if not lines:
            due = time.monotonic() + _LINGER_SECONDS
        lines += [line + b"\n" for line in whole]
        while len(lines) >= batch or (lines and not data):
            yield lines[:batch]
            lines = lines[batch:]
        if not data:
            return


def ingest_file(name: str, sender: Sender, batch: int, summary: Summary, advance: Progress | None = None) -> None:
    """Send one file and add to the summary; rejected lines are told as FILE:LINE: reason: detail.

    Raises:
        PlumblineError: the file cannot be read, or the exporter cannot take it.
    """
    task = None
    if advance is not None:
        known = name != "-" and not name.endswith(".gz") and Path(name).is_file()
        task = advance.add_task(name, total=Path(name).stat().st_size if known else None)
    before = 0
    with _open(name) as file:
        for lines in _batches(file, batch):
            answer = sender.send([line.rstrip(b"\n") for line in lines])
            summary.add(answer)
            for line, reason, detail in answer.rejections:
                click.echo(f"{name}:{before + line}: {reason}: {_one_line(detail)}", err=True)
            before += len(lines)
            if advance is not None and task is not None:
                advance.update(task, advance=sum(map(len, lines)))


def _one_line(text: str) -> str:
    """Return text that cannot move the cursor or fake a second line: it quotes what others sent."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-")
@click.option("--url", default=f"http://127.0.0.1:{DEFAULT_PORT}", show_default=True, help="The exporter.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Lines per request.")
@click.option(
    "--retry-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long one batch may wait for an exporter that is busy or restarts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def ingest(files: tuple[str, ...], url: str, batch: int, retry_seconds: float, as_json: bool) -> None:
    """Send events, one JSON object per line, to an exporter.

    Reads files (plain or .gz) or standard input (-); writes nothing here. Sending again is safe: an event
    that is already stored is counted as a duplicate. Exit code 1 if any line was rejected; each is told
    on standard error as FILE:LINE: reason: detail. Log lines as plumbline.logging writes them are events too.

    Lines from a pipe are sent as they come, at the latest after a second: tail -F FILE | plumbline ingest -
    (docs/collectors.md).
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--url {url!r}: write it with its scheme, such as http://127.0.0.1:{DEFAULT_PORT}")
    summary = Summary()
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        sender = stack.enter_context(Sender(url, retry_seconds))
        bar = stack.enter_context(Progress(console=console, transient=True)) if console.is_terminal else None
        for name in files:
            ingest_file(name, sender, batch, summary, bar)
    if as_json:
        counts = {"accepted": summary.accepted, "rejected": summary.rejected, "duplicates": summary.duplicates}
        click.echo(json.dumps(counts))
    else:
        click.echo(
            f"{summary.accepted} accepted ({summary.duplicates} of them stored before), {summary.rejected} rejected"
        )
    if summary.rejected:
        sys.exit(1)
