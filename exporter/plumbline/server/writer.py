"""The one thread that writes: waiting requests are committed together, and time moves the engine.

Reads parsed bodies from a bounded queue, writes through the engine, and answers each request by its
future only once the commit is durable.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

import structlog

from plumbline.errors import Overloaded, StoreError
from plumbline.events.parsed import Parsed
from plumbline.expose.block import Block
from plumbline.expose.self_metrics import SelfMetrics

log = structlog.get_logger(__name__)

QUEUE_EVENTS = 50_000
BATCH_EVENTS = 5_000  # a commit takes waiting requests until it has as many


class Committer(Protocol):
    """What the server asks of the engine."""

    def commit(self, batches: Sequence[Parsed], now: float) -> list[int]:
        """Store and count, durably; return the duplicates of each batch."""

    def tick(self, now: float) -> None:
        """Count what time has made countable."""

    def blocks(self) -> list[Block]:
        """Return the committed counters."""

    def close(self) -> None:
        """Release the store."""


class Writer:
    """Owns the writing thread and the queue before it.

    Args:
        engine: commits and ticks, only from this thread.
        metrics: where durations and the queue are counted.
        queue_events: events that may wait; a request that would exceed it is refused whole.
        tick_seconds: how often the engine ticks.
        on_death: called from the dying thread if it ends by an error that nobody foresaw.
    """

    def __init__(
        self,
        engine: Committer,
        metrics: SelfMetrics,
        *,
        queue_events: int = QUEUE_EVENTS,
        tick_seconds: float = 1.0,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.queue_events = queue_events
        self._engine = engine
        self._metrics = metrics
        self._tick_seconds = tick_seconds
        self._on_death = on_death
        self._waiting: deque[tuple[Parsed, Future[int]]] = deque()
        self._queued = 0
        self.dead = False  # the thread ended by an error that nobody foresaw
        self._stopping = False
        self._ticked = False
        self._failed: dict[str, str] = {}  # what failed last time: "commit", "tick" -> why
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="plumbline-writer", daemon=True)
        metrics.queued = lambda: self._queued

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float = 60.0) -> bool:
        """Take no more requests, commit what waits, and end; return whether it ended in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def submit(self, parsed: Parsed) -> Future[int]:
        """Queue a body and return the future of its number of duplicates.

        The future raises StoreError if the commit failed; nothing of the body was stored then.

        Raises:
            Overloaded: the queue is full or closed, or the thread is dead; nothing was taken.
        """
        future: Future[int] = Future()
        with self._condition:
            if self.dead:
                raise Overloaded("the writing thread is dead; the exporter must be restarted")
            if self._stopping:
                raise Overloaded("the exporter is shutting down; send this again in a moment")
            if self._queued + parsed.lines > self.queue_events:
                raise Overloaded(
                    f"{self._queued} events already wait for the store and the queue holds "
                    f"{self.queue_events}; send this again later"
                )
            self._queued += parsed.lines
            self._waiting.append((parsed, future))
            self._condition.notify()
        return future

    def not_ready(self) -> str | None:
        """Return why requests should go elsewhere, or None if all is well."""
        if self.dead or not self._thread.is_alive():
            return "the writing thread is not running"
        if not self._ticked:
            return "the store is being caught up"
        failed = dict(self._failed)
        return "; ".join(f"last {what} failed: {why}" for what, why in failed.items()) or None

    # --- in the thread ---

    def _run(self) -> None:
        try:
            self._loop()
        except Exception:
            self.dead = True
            self._die()
            log.critical("the writing thread died; the exporter ends", exc_info=True)

    def _loop(self) -> None:
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                self._tick()
                due = time.monotonic() + self._tick_seconds
            with self._condition:
                if not self._waiting and not self._stopping:
                    self._condition.wait(max(0.0, due - time.monotonic()))
                if not self._waiting:
                    if self._stopping:
                        return
                    continue
                batch = self._take()
            self._commit(batch)

    def _take(self) -> list[tuple[Parsed, Future[int]]]:
        batch: list[tuple[Parsed, Future[int]]] = []
        events = 0
        while self._waiting and (not batch or events + self._waiting[0][0].lines <= BATCH_EVENTS):
            parsed, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                batch.append((parsed, future))
                events += parsed.lines
            else:  # its sender is gone before we began: it was never acknowledged
                self._queued -= parsed.lines
        return batch

    def _commit(self, batch: list[tuple[Parsed, Future[int]]]) -> None:
        if not batch:
            return
        start = time.perf_counter()
        done = False
        try:
            duplicates = self._engine.commit([parsed for parsed, _ in batch], time.time())
            done = True
        except StoreError as error:
            self._note("commit", error)
            for _, future in batch:
                future.set_exception(error)
            done = True
        else:
            self._metrics.commit.observe(time.perf_counter() - start)
            self._note("commit", None)
            for (_, future), count in zip(batch, duplicates, strict=True):
                future.set_result(count)
        finally:
            with self._condition:
                self._queued -= sum(parsed.lines for parsed, _ in batch)
            if not done:
                _refuse(batch)

    def _tick(self) -> None:
        try:
            self._engine.tick(time.time())
        except StoreError as error:
            self._note("tick", error)
        else:
            self._note("tick", None)
            self._ticked = True

    def _note(self, what: str, error: StoreError | None) -> None:
        """Log a change between working and failing, not every attempt."""
        if error is None:
            if self._failed.pop(what, None) is not None:
                log.info("the store works again", what=what)
            return
        if self._failed.get(what) != str(error):
            log.warning("the store failed; nothing of it was acknowledged", what=what, problem=str(error))
        self._failed[what] = str(error)

    def _die(self) -> None:
        with self._condition:
            self._stopping = True
            left = [entry for entry in self._waiting if entry[1].set_running_or_notify_cancel()]
            self._waiting.clear()
            self._queued = 0
        _refuse(left)
        self._on_death()


def _refuse(batch: list[tuple[Parsed, Future[int]]]) -> None:
    for _, future in batch:
        future.set_exception(StoreError("the writing thread ended"))
