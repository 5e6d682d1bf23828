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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import click
import requests
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from plumbline.cli.follow import follow_files, follow_options
from plumbline.errors import PlumblineError, UsageError
from plumbline.events.lines import MAX_LINE_BYTES, Values, one_a_line
from plumbline.files import GZIP, text_lines
from plumbline.history.open import is_table
from plumbline.names import CONTENT_TYPE_NDJSON, DEFAULT_PORT
from plumbline.trace.show import visible

RETRY_SECONDS = 60.0
_TIMEOUT = (5.0, 120.0)
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


@dataclass(slots=True)
class Sender:
    """Posts batches and waits out pressure.

    Attributes:
        url: of the exporter, without path.
        patience: seconds that one batch may wait for an exporter that is busy or cannot store.
    """

    url: str
    patience: float = RETRY_SECONDS
    session: requests.Session = field(default_factory=requests.Session)

    def send(self, body: bytes) -> tuple[int, int, list[tuple[int, str, str]]]:
        """Return accepted, duplicates, and (line, reason, detail) of each rejected line.

        Raises:
            PlumblineError: the exporter is not there, refuses the request, or stays busy.
        """
        give_up = time.monotonic() + self.patience
        while True:
            try:
                answer = self.session.post(
                    f"{self.url}/v1/events",
                    data=gzip.compress(body, 1),
                    headers={"Content-Type": CONTENT_TYPE_NDJSON, "Content-Encoding": "gzip"},
                    timeout=_TIMEOUT,
                )
            except requests.ConnectionError as error:
                raise PlumblineError(
                    f"no exporter answers at {self.url}: start one with 'plumbline serve', or name another "
                    "by --url; what was sent before is stored, and sending everything again is safe"
                ) from error
            except requests.RequestException as error:
                raise PlumblineError(f"{self.url}: {error}; sending everything again is safe") from error
            if answer.status_code == 200:
                return _read(answer, self.url)
            if answer.status_code in (429, 503):
                wait = _retry_after(answer)
                if time.monotonic() + wait <= give_up:
                    time.sleep(wait)
                    continue
            raise PlumblineError(f"{self.url} answered {answer.status_code}: {_detail(answer)}")


def _read(answer: requests.Response, url: str) -> tuple[int, int, list[tuple[int, str, str]]]:
    try:
        found = answer.json()
        rejected = [(int(r["line"]), str(r["reason"]), str(r["detail"])) for r in found["rejected"]]
        return int(found["accepted"]), int(found["duplicates"]), rejected
    except (ValueError, KeyError, TypeError) as error:
        raise PlumblineError(f"{url} is not a Plumbline exporter: its answer is {answer.text[:80]!r}") from error


def _retry_after(answer: requests.Response) -> float:
    try:
        return max(0.05, float(answer.headers.get("Retry-After", "1")))
    except ValueError:  # a date: allowed, but we never send one
        return 1.0


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


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
            body = b"".join(line if line.endswith(b"\n") else line + b"\n" for _, line in lines)
            accepted, duplicates, rejected = sender.send(body)
            summary.accepted += accepted
            summary.duplicates += duplicates
            summary.rejected += len(rejected)
            for at, reason, detail in rejected:
                click.echo(f"{name}:{lines[at - 1][0]}: {reason}: {visible(detail)}", err=True)
            if advance is not None and task is not None:
                advance.update(task, advance=len(body))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-")
@click.option("--url", default=f"http://127.0.0.1:{DEFAULT_PORT}", show_default=True, help="The exporter.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Lines per request.")
@click.option(
    "--retry-seconds",
    type=click.FloatRange(min=0),
    default=RETRY_SECONDS,
    show_default=True,
    help="How long one batch may wait for an exporter that is busy.",
)
@follow_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def ingest(
    files: tuple[str, ...],
    url: str,
    batch: int,
    retry_seconds: float,
    follow: bool,
    checkpoint: Path | None,
    rotate_wait: float,
    metrics_listen: str | None,
    as_json: bool,
) -> None:
    """Send events, one JSON object per line, to an exporter.

    Reads files (plain or packed; also a JSON array, or objects over several lines) or standard input (-);
    writes nothing here. Sending again is safe: an event
    that is already stored is counted as a duplicate. Exit code 1 if any line was rejected; each is told
    on standard error as FILE:LINE: reason: detail. Log lines as plumbline.logging writes them are events too.

    With --follow it goes on as lines are written, over rotations (rename or copytruncate) and restarts,
    until it is stopped: reads the files and writes to the checkpoint folder what the exporter has
    acknowledged. An exporter that is out is waited for. Lines that are neither events nor JSON log lines are
    counted, the first of each file is told, and never stop it (docs/follow.md).
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--url {url!r}: write it with its scheme, such as http://127.0.0.1:{DEFAULT_PORT}")
    if follow:
        counts = follow_files(files, url, batch, checkpoint, rotate_wait, metrics_listen)
        click.echo(json.dumps(counts) if as_json else ", ".join(f"{n} {what}" for what, n in counts.items()))
        return
    if checkpoint is not None or metrics_listen is not None:
        raise UsageError("--checkpoint and --metrics-listen belong to --follow")
    sender = Sender(url.rstrip("/"), retry_seconds)
    summary = Summary()
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
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
