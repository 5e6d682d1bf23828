"""``plumbline ingest``: events from files or standard input to an exporter."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from plumbline.cli.options import json_option, url_option
from plumbline.client.post import Sender
from plumbline.errors import PlumblineError, UsageError
from plumbline.events.lines import MAX_LINE_BYTES, Values, one_a_line
from plumbline.files import GZIP, text_lines
from plumbline.history.open import is_table
from plumbline.names import DEFAULT_PORT
from plumbline.trace.show import visible

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

    def send(self, sender: Sender, lines: Sequence[tuple[object, bytes]], prefix: str = "") -> None:
        """Send lines, each with its place, and add what came of them; what is rejected is told with its place."""
        answer = sender.send([line.rstrip(b"\n") for _, line in lines])
        self.accepted += answer.accepted
        self.rejected += answer.rejected
        self.duplicates += answer.duplicates
        for at, reason, detail in answer.rejections:
            click.echo(f"{prefix}{lines[at - 1][0]}: {reason}: {visible(detail)}", err=True)


def _batches(file: IO[bytes], name: str, batch: int) -> Iterator[list[tuple[int, bytes]]]:
    """Yield numbered lines in groups of at most ``batch``; of a pipe or terminal, as they come."""
    try:
        streams = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError):  # no file of the system's
        streams = False
    if not streams:
        lines = one_a_line(enumerate(text_lines(file, name), 1))
        while some := list(itertools.islice(lines, batch)):
            yield some
        return
    values, number = Values(), 0
    for came in _streamed(file.fileno(), batch):
        found: list[tuple[int, bytes]] = []
        for line in came:
            number += 1
            found += values.take(number, line)
        for at in range(0, len(found), batch):
            yield found[at : at + batch]
    if rest := list(values.rest()):
        yield rest


def _streamed(descriptor: int, batch: int) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    begun = b""  # the line that has no end yet
    due = 0.0
    first = True
    while True:
        wait = max(0.0, due - time.monotonic()) if lines else None
        if not select.select([descriptor], [], [], wait)[0]:
            yield lines
            lines = []
            continue
        data = os.read(descriptor, 65_536)
        if first and data.startswith(GZIP):
            raise UsageError("what comes in is gzip: unpack it first, as by gunzip -c FILE | plumbline ingest -")
        first = False
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
        task = advance.add_task(escape(name), total=Path(name).stat().st_size if known else None)
    if Path(name).is_file() and is_table(Path(name)):
        raise UsageError(f"{name} is a table: load it by 'plumbline backfill', or send it by 'plumbline replay'")
    with contextlib.ExitStack() as stack:
        try:
            file = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise PlumblineError(f"{name}: cannot be read: {error.strerror}") from error
        for lines in _batches(file, name, batch):
            summary.send(sender, lines, f"{name}:")
            if advance is not None and task is not None:
                advance.update(task, advance=sum(len(line) for _, line in lines))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-")
@url_option
@click.option("--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Lines per request.")
@click.option(
    "--retry-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long one batch may wait for an exporter that is busy or restarts.",
)
@json_option
def ingest(files: tuple[str, ...], url: str, batch: int, retry_seconds: float, as_json: bool) -> None:
    """Send events, one JSON object per line, to an exporter.

    Reads files (plain or packed; also a JSON array, or objects over several lines) or standard input (-);
    writes no files. Sending again is safe: an event that is already stored is counted as a duplicate. Exit code
    1 if any line was rejected; each rejected line is reported on standard error as FILE:LINE: reason: detail.
    Log lines as plumbline.logging writes them are events too.

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
        click.echo(json.dumps(asdict(summary)))
    else:
        click.echo(
            f"{summary.accepted} accepted ({summary.duplicates} of them stored before), {summary.rejected} rejected"
        )
    if summary.rejected:
        sys.exit(1)
