"""From the tails to the exporter: a batch at a time, again and again until it is acknowledged.

Reads tails and a checkpoint, writes requests, then the checkpoint, then what was done (``Counts``). An
exporter that is out, busy or full is waited for; nothing is read on meanwhile, so memory is bounded.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import requests

from plumbline.client.post import Answer, Connection, post
from plumbline.events.lines import mended
from plumbline.follow.checkpoint import Checkpoint
from plumbline.follow.tail import Chunk, Tail

POLL_SECONDS = 0.25
_BACKOFF = (0.5, 30.0)


class _Shape(msgspec.Struct, gc=False):
    """What tells an event, and a log line in OpenTelemetry's names, from any other JSON object."""

    type: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    Body: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_shape = msgspec.json.Decoder(_Shape).decode


def is_event(line: bytes) -> bool:
    """Whether a line is for the exporter to judge; another line of a log file is none of its business."""
    try:
        shape = _decode_shape(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return shape.type is not msgspec.UNSET or shape.Body is not msgspec.UNSET


@dataclass(slots=True)
class Counts:
    """What has become of the lines; each is in exactly one count.

    Attributes:
        accepted: stored by the exporter, now or before.
        rejected: refused by it; it counts and logs the reason.
        unparsable: no events and no log lines, left out.
        gaps: times at which content may have been lost between two readings.
        acknowledged: when the exporter last took a batch, epoch seconds; 0 if never.
    """

    accepted: int = 0
    rejected: int = 0
    unparsable: int = 0
    gaps: int = 0
    acknowledged: float = 0.0


@dataclass(slots=True)
class Follower:
    """Follows paths until it is told to stop.

    Attributes:
        paths: absolute.
        checkpoint: what was acknowledged.
        connection: to the exporter.
        tell: told what a person should know, in one line.
        batch: most lines in one request.
        rotate_wait: see ``Tail``.
        counts: what was done so far.
        stop: set to end; what is under way is then sent again by the next process.
    """

    paths: Sequence[Path]
    checkpoint: Checkpoint
    connection: Connection
    tell: Callable[[str], None]
    batch: int = 1000
    rotate_wait: float = 5.0
    counts: Counts = field(default_factory=Counts)
    stop: threading.Event = field(default_factory=threading.Event)
    _tails: list[Tail] = field(default_factory=list)
    _session: requests.Session | None = None
    _told: set[Path] = field(default_factory=set)
    _failures: int = 0

    def run(self) -> None:
        """Follow until ``stop`` is set.

        Raises:
            PlumblineError: the checkpoint cannot be written.
        """
        self._tails = [Tail(p, self.checkpoint.get(p), self.rotate_wait, self._gap) for p in self.paths]
        with self.connection.open() as self._session:
            while not self.stop.is_set():
                if not any([self._step(tail) for tail in self._tails]):  # noqa: C419 - each has its turn
                    self.stop.wait(POLL_SECONDS)
        for tail in self._tails:
            tail.close()

    def behind(self) -> int:
        """Return the bytes of the present files that were not read yet."""
        return sum(tail.behind() for tail in self._tails)

    def _step(self, tail: Tail) -> bool:
        """Send what one path has; return whether it had anything."""
        try:
            chunk = tail.read(self.batch)
        except OSError as error:
            self._once(tail.path, f"{tail.path}: cannot be read: {error.strerror}; trying again")
            return False
        if chunk is None:
            return False
        if self._send(chunk):
            self.checkpoint.put(tail.path, chunk.position)
        return True

    def _send(self, chunk: Chunk) -> bool:
        """Return whether the chunk is acknowledged; it is not only if we are to stop."""
        if chunk.too_long:
            self.tell(f"{chunk.path}: {chunk.too_long} lines longer than any event may be are left out")
        left_out = chunk.too_long
        lines = []
        for offset, line in chunk.lines:
            line = mended(line.strip())
            if not line:
                continue
            if is_event(line):
                lines.append(line)
                continue
            left_out += 1
            self._once(
                chunk.path,
                f"{chunk.path}: the line at byte {offset} is no event and no JSON log line: "
                f"{line[:80].decode(errors='replace')!r} (further ones are only counted)",
            )
        if not self._deliver(lines):
            return False
        self.counts.unparsable += left_out
        return True

    def _deliver(self, lines: list[bytes]) -> bool:
        assert self._session is not None
        while lines:
            answer = post(self._session, self.connection, lines)
            if answer.result == "stored":
                self._stored(answer, len(lines))
                return True
            if answer.result == "split" and len(lines) > 1:
                half = len(lines) // 2
                return self._deliver(lines[:half]) and self._deliver(lines[half:])
            if answer.result == "split":
                self.tell(f"a line of {len(lines[0])} bytes is too large for the exporter: {answer.detail}")
                self.counts.rejected += 1
                return True
            if not self._wait(answer):
                return False
        return True

    def _stored(self, answer: Answer, sent: int) -> None:
        if self._failures:
            self.tell(f"the exporter answers again after {self._failures} attempts")
            self._failures = 0
        self.counts.accepted += sent - answer.rejected
        self.counts.acknowledged = time.time()
        if answer.rejected:
            if not self.counts.rejected:
                self.tell(f"the exporter rejects lines, the first: {answer.detail}")
            self.counts.rejected += answer.rejected

    def _wait(self, answer: Answer) -> bool:
        """Wait as the exporter asks, or longer from time to time; return whether to go on."""
        if not self._failures:
            self.tell(f"the exporter does not take lines: {answer.detail}; waiting, nothing is lost")
        self._failures += 1
        first, most = _BACKOFF
        pause = min(most, first * 2 ** min(self._failures - 1, 10))
        pause *= 0.5 + random.random() / 2  # noqa: S311 - no secret: clients shall not come in step
        return not self.stop.wait(max(pause, answer.retry_after))

    def _gap(self, text: str) -> None:
        self.counts.gaps += 1
        self.tell(text)

    def _once(self, about: Path, text: str) -> None:
        """Tell the first of many such things about a file."""
        if about not in self._told:
            self._told.add(about)
            self.tell(text)
