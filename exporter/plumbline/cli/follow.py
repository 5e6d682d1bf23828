"""The part of ``plumbline ingest`` that follows files: its options, its signals, its metrics."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from prometheus_client import CollectorRegistry, start_http_server

from plumbline.cli.options import PathType, duration_seconds
from plumbline.client.post import Connection
from plumbline.errors import PlumblineError, UsageError
from plumbline.follow.checkpoint import Checkpoint
from plumbline.follow.metrics import FollowCollector
from plumbline.follow.run import Follower
from plumbline.trace.show import show_count

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--follow", is_flag=True, help="Go on as lines are written, until stopped."),
    click.option("--checkpoint", type=PathType, help="Folder that remembers what was sent; needed by --follow."),
    click.option(
        "--rotate-wait",
        default="5s",
        show_default=True,
        callback=duration_seconds,
        help="How long a file that was moved away must be quiet before the new one is read.",
    ),
    click.option("--metrics-listen", metavar="HOST:PORT", help="Serve the follower's own /metrics there."),
)


def follow_options(command: F) -> F:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def follow_files(
    files: Sequence[str], url: str, batch: int, checkpoint: Path | None, rotate_wait: float, metrics_listen: str | None
) -> dict[str, int]:
    """Follow files until SIGTERM, SIGINT or SIGHUP and return the counts of lines.

    Raises:
        UsageError: the options do not go together.
        PlumblineError: the checkpoint cannot be used.
    """
    if "-" in files:
        raise UsageError("--follow reads files; standard input (-) is read as it comes without it")
    if checkpoint is None:
        raise UsageError("--follow needs --checkpoint FOLDER, to go on after a restart where it was")
    for name in files:
        if name.endswith(".gz"):
            raise UsageError(f"--follow {name!r}: name the file that is written; rotated ones are found")
    paths = list(dict.fromkeys(Path(name).absolute() for name in files))
    remembered = Checkpoint(checkpoint)
    try:
        follower = Follower(paths, remembered, Connection(url.rstrip("/")), _tell, batch, rotate_wait)
        with _signals(follower), _metrics(follower, metrics_listen):
            _tell(f"following {show_count(len(paths), 'file')}; stop with Ctrl-C or SIGTERM")
            follower.run()
    finally:
        remembered.close()
    counts = follower.counts
    return {
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "unparsable": counts.unparsable,
        "gaps": counts.gaps,
    }


def _tell(text: str) -> None:
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    click.echo(f"plumbline: {plain}", err=True)


@contextlib.contextmanager
def _signals(follower: Follower) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        follower.stop.set()

    try:
        before = {
            number: signal.signal(number, stop)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN  # nohup
        }
    except ValueError:  # not the main thread (tests): there no signal arrives
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _metrics(follower: Follower, listen: str | None) -> Iterator[None]:
    if listen is None:
        yield
        return
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--metrics-listen {listen!r}: write HOST:PORT, such as 127.0.0.1:9878")
    registry = CollectorRegistry()
    registry.register(FollowCollector(follower))
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise PlumblineError(f"cannot listen on {listen}: {error.strerror}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
