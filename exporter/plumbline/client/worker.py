"""The thread that decides where each batch goes; a second one does nothing but wait for the exporter.

One batch is under way at a time. It comes from the spool as long as there is one (in order: what is older
goes first), otherwise from the queue. If it fails, the exporter counts as out: the batch and the queue
move to the spool, and the oldest batch is tried again after a growing, jittered pause. While an exporter
hangs, a queue that is more than half full moves to the spool too.

Of a durable client every event comes by way of the spool: the caller writes it there itself
(``Disk.keep``), and the queue holds only what the disk would not take.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass

from plumbline.client.account import Account, Place
from plumbline.client.disk import Disk
from plumbline.client.post import Answer, post
from plumbline.client.queue import Queue
from plumbline.client.settings import BACKOFF_CAP, Settings

log = logging.getLogger("plumbline.client")

_SPOOL_CHUNK = 256 * 1024  # bytes written at once


@dataclass(slots=True)
class _UnderWay:
    lines: list[bytes]
    source: Place
    answer: Answer | None = None


class Worker:
    """Moves events from the queue to the exporter, by way of the spool if need be.

    ``start`` starts both threads; ``stop`` ends them within the given time. All else is private to them.
    """

    def __init__(self, settings: Settings, queue: Queue, account: Account) -> None:
        self._settings = settings
        self._queue = queue
        self._account = account
        self._bell = queue.bell
        self.disk = Disk(settings, account, queue.bell)
        self._under_way: _UnderWay | None = None
        self._failures = 0
        self._try_at = 0.0
        self._limit = settings.batch_events
        self._rejection_told = False
        self._hurry = False
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="plumbline-client", daemon=True)
        self._poster = threading.Thread(target=self._post, name="plumbline-client-post", daemon=True)

    def start(self) -> None:
        """Start the threads.

        Raises:
            RuntimeError: the system gives no thread now.
        """
        if not self._poster.is_alive():
            self._poster.start()
        self._thread.start()

    def is_ours(self, ident: int) -> bool:
        """Whether a thread is one of this worker's."""
        return ident in (self._thread.ident, self._poster.ident)

    def hurry(self) -> None:
        """Send what waits without lingering, once."""
        with self._bell:
            self._hurry = True
            self._bell.notify_all()

    def stop(self, timeout: float) -> None:
        """Send until ``timeout``, spool what is left, end. Returns in about that time, come what may."""
        with self._bell:
            self._stop_at = time.monotonic() + timeout
            self._bell.notify_all()
        if self._thread.ident is None:
            self._finish()  # there never was a thread, for want of events or of threads
        else:
            self._thread.join(timeout + 5.0)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files; its threads are not here."""
        self.disk.abandon()

    # --- the posting thread ---

    def _post(self) -> None:
        session = self._settings.connection.open()
        with session:
            while True:
                with self._bell:
                    while self._under_way is None or self._under_way.answer is not None:
                        if self._stop_at is not None and not self._thread.is_alive():
                            return
                        self._bell.wait(1.0)
                    batch = self._under_way
                answer = post(session, self._settings.connection, batch.lines)
                with self._bell:
                    batch.answer = answer
                    self._bell.notify_all()

    # --- the deciding thread ---

    def _run(self) -> None:
        while True:
            now = time.monotonic()
            self._settle(now)
            self.disk.open(now, may_adopt=self._under_way is None)
            self._to_spool()
            self.disk.sync(now)
            if self._stop_at is not None and (now >= self._stop_at or self._is_safe()):
                break
            self._begin(now)
            with self._bell:
                if self._under_way is None or self._under_way.answer is None:
                    self._bell.wait(self._pause(time.monotonic()))
        self._finish()

    def _is_safe(self) -> bool:
        """Whether waiting any longer would be in vain: all is sent, or on disk while the exporter is out."""
        if self._failures and self.disk.count:
            return self._under_way is None and self._queue.waiting()[0] == 0
        return self._account.waiting() == 0

    def _pause(self, now: float) -> float:
        """Return for how long nothing needs doing unless the bell rings. The bell is held."""
        pause = 1.0
        if self._stop_at is not None:
            pause = min(pause, self._stop_at - now)
        if self._under_way is None:
            waiting, since = self._queue.waiting()
            due = since + (0.0 if self._eager else self._settings.linger) if waiting else now + pause
            if self.disk.count:
                due = min(due, self.disk.due(self._eager))
            pause = min(pause, max(due, self._try_at) - now)
        elif self.disk.can_take and self._queue.waiting()[0] and self._queue.crowded():
            return 0.0
        return max(pause, 0.0)

    @property
    def _eager(self) -> bool:
        """Whether nothing waits for others to share its request."""
        return bool(self._hurry or self._stop_at is not None or self._failures)

    def _begin(self, now: float) -> None:
        """Put the next batch under way, if it is time."""
        if self._under_way is not None or now < self._try_at:
            return
        settings = self._settings
        lines: list[bytes] = []
        source: Place = "spooled"
        if now >= self.disk.due(self._eager):
            found = self.disk.oldest(self._limit, now)
            if found is None:
                return
            lines = found
        if not lines:
            waiting, since = self._queue.waiting()
            ready = waiting >= settings.batch_events or now - since >= settings.linger
            if not waiting and not self.disk.count:
                self._hurry = False
            elif not waiting:
                pass  # the spool's new lines linger
            elif ready or self._eager or self._queue.crowded():
                lines, source = self._queue.take(self._limit, settings.batch_bytes), "queued"
        if lines:
            with self._bell:
                self._under_way = _UnderWay(lines, source)
                self._bell.notify_all()

    def _settle(self, now: float) -> None:
        """Book the answer to the batch under way."""
        with self._bell:
            batch = self._under_way
            if batch is None or batch.answer is None:
                return
            self._under_way = None
        answer = batch.answer
        if answer.result == "stored":
            self._stored(batch, answer)
        elif answer.result == "split" and len(batch.lines) > 1:
            self._limit = max(1, len(batch.lines) // 2)
            if batch.source == "queued":
                self._queue.give_back(batch.lines)
        elif answer.result == "split":
            log.warning(
                "an event of %d bytes is too large for the exporter and is lost: %s", len(batch.lines[0]), answer.detail
            )
            self._done(batch)
            self._account.drop(1, batch.source, "too_large")
        else:
            self._failed(batch, answer, now)

    def _stored(self, batch: _UnderWay, answer: Answer) -> None:
        if self._failures:
            log.warning("the exporter answers again after %d attempts", self._failures)
        self._failures, self._try_at = 0, 0.0
        self._limit = min(self._settings.batch_events, 2 * self._limit)
        self._done(batch)
        self._account.send(len(batch.lines) - answer.rejected, batch.source)
        if answer.rejected:
            self._account.drop(answer.rejected, batch.source, "rejected")
            if not self._rejection_told:
                self._rejection_told = True
                log.warning(
                    "the exporter rejected %d of %d events, the first: %s (further ones are only counted)",
                    answer.rejected,
                    len(batch.lines),
                    answer.detail,
                )

    def _failed(self, batch: _UnderWay, answer: Answer, now: float) -> None:
        if not self._failures:
            log.warning("the exporter does not take events: %s; they are kept and sent later", answer.detail)
        self._failures += 1
        pause = min(BACKOFF_CAP, self._settings.backoff * 2 ** min(self._failures - 1, 20))
        # Jitter of a half, so that the clients of one exporter do not all come back at once.
        pause *= 0.5 + random.random() / 2  # noqa: S311 - no secret
        self._try_at = now + max(pause, answer.retry_after)
        if batch.source == "queued":
            self._keep(batch.lines)

    def _done(self, batch: _UnderWay) -> None:
        if batch.source == "queued":
            self._queue.settle(batch.lines)
        else:
            self.disk.acknowledge(len(batch.lines))

    def _keep(self, lines: list[bytes]) -> None:
        """Keep lines that were taken from the queue and not sent, before everything newer."""
        if self.disk.can_take and self.disk.append(lines, first=self.disk.count > 0):
            self._queue.settle(lines)
        else:
            self._queue.give_back(lines)

    def _to_spool(self) -> None:
        """Move the queue to disk while the exporter is out, or the queue fills behind a slow one."""
        while self.disk.can_take and (
            self._failures
            or self._settings.durable
            or (self._queue.crowded() and (self._under_way is not None or self.disk.count))
        ):
            lines = self._queue.take(self._settings.batch_events, _SPOOL_CHUNK)
            if not lines:
                return
            if not self.disk.append(lines):
                self._queue.give_back(lines)
                return
            self._queue.settle(lines)

    def _finish(self) -> None:
        """The time is up: what is left goes to disk or, where there is none, is lost and counted."""
        self._queue.close()
        self.disk.end()
        with self._bell:
            batch, self._under_way = self._under_way, None
        if batch is not None and batch.source == "queued":
            # Its answer may still come; the next process sends it again, and the exporter knows it then.
            self._keep(batch.lines)
        while lines := self._queue.take(self._settings.batch_events, _SPOOL_CHUNK):
            if not (self.disk.can_take and self.disk.append(lines)):
                self._account.drop(len(lines), "queued", "closed")
            self._queue.settle(lines)
        self.disk.close()
