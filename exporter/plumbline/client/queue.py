"""The bounded queue between the callers and the worker, and the bell that wakes the worker."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence


class Queue:
    """Lines waiting in memory, bounded by events and bytes.

    A batch that was taken still counts against the bounds until ``settle``: it is still in memory.

    Attributes:
        bell: notified when the worker has something to do.
    """

    def __init__(self, max_events: int, max_bytes: int, ring_at: int) -> None:
        self.bell = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._ring_at = ring_at
        self._events = 0
        self._bytes = 0
        self._since = 0.0
        self._closed = False

    def put(self, line: bytes, book: Callable[[], None]) -> str | None:
        """Take a line, or return the reason why not. Never waits for more than a moment.

        ``book`` is called before anyone can take the line.
        """
        with self.bell:
            if self._closed:
                return "closed"
            if self._events >= self._max_events or self._bytes + len(line) > self._max_bytes:
                return "queue_full"
            book()
            self._lines.append(line)
            self._events += 1
            self._bytes += len(line)
            waiting = len(self._lines)
            if waiting == 1:
                self._since = time.monotonic()
            if waiting == 1 or waiting == self._ring_at or self._crowded():
                self.bell.notify_all()
            return None

    def close(self) -> None:
        """Take no more lines."""
        with self.bell:
            self._closed = True

    def take(self, count: int, size: int) -> list[bytes]:
        """Return the oldest lines, at most ``count`` and about ``size`` bytes."""
        taken: list[bytes] = []
        with self.bell:
            while self._lines and len(taken) < count:
                size -= len(self._lines[0])
                if taken and size < 0:
                    break
                taken.append(self._lines.popleft())
            self._since = time.monotonic()
        return taken

    def give_back(self, lines: Sequence[bytes]) -> None:
        """Put lines that were taken back in front."""
        with self.bell:
            self._lines.extendleft(reversed(lines))

    def settle(self, lines: Sequence[bytes]) -> None:
        """Forget lines that were taken: they are sent, on disk or dropped."""
        with self.bell:
            self._events -= len(lines)
            self._bytes -= sum(map(len, lines))

    def waiting(self) -> tuple[int, float]:
        """Return how many lines may be taken, and since when (``time.monotonic``) the oldest waits."""
        with self.bell:
            return len(self._lines), self._since

    def crowded(self) -> bool:
        """Whether it is more than half full: time to move lines to the disk."""
        with self.bell:
            return self._crowded()

    def _crowded(self) -> bool:
        return 2 * self._events > self._max_events or 2 * self._bytes > self._max_bytes
