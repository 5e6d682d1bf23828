"""The thread that decides where each batch goes; a second one does nothing but wait for the exporter.

One batch is under way at a time. It comes from the spool as long as there is one (in order: what is older
goes first), otherwise from the queue. If it fails, the exporter counts as out: the batch and the queue
move to the spool, and the oldest batch is tried again after a growing, jittered pause. While an exporter
hangs, a queue that is more than half full moves to the spool too.

Of a durable client every event comes by way of the spool: the caller writes it there itself (``keep``), and
the queue holds only what the disk would not take.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.client.account import Account, Place
from plumbline.client.post import Answer, post
from plumbline.client.queue import Queue
from plumbline.client.settings import BACKOFF_CAP, Settings
from plumbline.client.spool import Spool

log = logging.getLogger("plumbline.client")

_SPOOL_CHUNK = 256 * 1024  # bytes written at once
_ADOPT_EVERY = 60.0  # seconds between looks for spools of processes that ended
_SPOOL_RETRY = 5.0  # seconds after an error of the disk
_SYNC_EVERY = 1.0  # seconds between syncs of what callers have written


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
        self._spool: Spool | None = None
        self._opening = threading.Lock()
        self._ended = False
        self._sync_at = 0.0
        self._spool_at = 0.0  # when the spool may be tried (again)
        self._read_at = 0.0  # when it may be read (again); on a full disk reading still works
        self._spool_told = False
        self._adopt_at = 0.0
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

    def keep(self, line: bytes) -> bool:
        """Write a line to the disk in the caller's thread; return whether the disk took it.

        It then survives the end of this process, whatever ends it.
        """
        if time.monotonic() < self._spool_at:
            return False
        try:
            spool = self._the_spool()
            kept = None if spool is None else spool.append_one(line, self._account.create_spooled)
        except OSError as error:
            self._spool_failed(error)
            return False
        if kept is None:
            return False
        dropped, fresh = kept
        if dropped:
            self._account.drop(dropped, "spooled", "spool_full")
        if fresh in (1, self._settings.batch_events):
            with self._bell:
                self._bell.notify_all()
        return True

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
        if self._spool is not None:
            self._spool.abandon()

    @property
    def spool_bytes(self) -> int:
        """Size of the spool on disk."""
        return 0 if self._spool is None else self._spool.size

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
            self._open_spool(now)  # now, because adopting waits for a moment with nothing under way
            self._to_spool()
            self._sync(now)
            if self._stop_at is not None and (now >= self._stop_at or self._is_safe()):
                break
            self._begin(now)
            with self._bell:
                if self._under_way is None or self._under_way.answer is None:
                    self._bell.wait(self._pause(time.monotonic()))
        self._finish()

    def _is_safe(self) -> bool:
        """Whether waiting any longer would be in vain: all is sent, or on disk while the exporter is out."""
        if self._failures and self._spool_count():
            return self._under_way is None and self._queue.waiting()[0] == 0
        return self._account.waiting() == 0

    def _pause(self, now: float) -> float:
        """Return for how long nothing needs doing unless the bell rings. The bell is held."""
        pause = 1.0
        if self._stop_at is not None:
            pause = min(pause, self._stop_at - now)
        if self._under_way is None:
            waiting, since = self._queue.waiting()
            eager = self._hurry or self._stop_at is not None or self._failures
            due = since + (0.0 if eager else self._settings.linger) if waiting else now + pause
            if self._spool_count() and now >= self._read_at:
                due = min(due, self._lingers_until(now))
            pause = min(pause, max(due, self._try_at) - now)
        elif self._spool_can_take() and self._queue.waiting()[0] and self._queue.crowded():
            return 0.0
        return max(pause, 0.0)

    def _lingers_until(self, now: float) -> float:
        """Return when the spool may be sent: at once, but for new lines of a durable client."""
        spool = self._spool
        if spool is None or not self._settings.durable:
            return now
        if self._hurry or self._stop_at is not None or self._failures:
            return now
        if spool.fresh >= self._settings.batch_events or spool.count > spool.fresh:
            return now
        return spool.since + self._settings.linger

    def _begin(self, now: float) -> None:
        """Put the next batch under way, if it is time."""
        if self._under_way is not None or now < self._try_at:
            return
        settings = self._settings
        lines: list[bytes] = []
        source: Place = "spooled"
        if self._spool is not None and now >= max(self._read_at, self._lingers_until(now)):
            try:
                lines, lost = self._spool.peek(self._limit, settings.batch_bytes)
            except OSError as error:
                self._read_at = now + _SPOOL_RETRY
                self._spool_failed(error)
                return
            if lost:
                self._account.drop(lost, "spooled", "spool_damaged")
                log.warning("%d spooled events cannot be read again and are lost", lost)
        if not lines:
            waiting, since = self._queue.waiting()
            ready = waiting >= settings.batch_events or now - since >= settings.linger
            if not waiting and not self._spool_count():
                self._hurry = False
            elif not waiting:
                pass  # the spool's new lines linger
            elif ready or self._hurry or self._failures or self._stop_at is not None or self._queue.crowded():
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
            log.warning("an event of %d bytes is too large for the exporter and is lost: %s",
                        len(batch.lines[0]), answer.detail)  # fmt: skip
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
                    answer.rejected, len(batch.lines), answer.detail,
                )  # fmt: skip

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
        elif self._spool is not None:
            try:
                self._spool.acknowledge(len(batch.lines))
            except OSError as error:
                self._spool_failed(error)

    def _keep(self, lines: list[bytes]) -> None:
        """Keep lines that were taken from the queue and not sent, before everything newer."""
        if self._spool_can_take():
            assert self._spool is not None
            if not self._spool.count:
                if self._append(lines):
                    return
            else:
                try:
                    self._spool.prepend(lines)
                except OSError as error:
                    self._spool_failed(error)
                else:
                    self._moved(lines)
                    return
        self._queue.give_back(lines)

    def _to_spool(self) -> None:
        """Move the queue to disk while the exporter is out, or the queue fills behind a slow one."""
        while self._spool_can_take() and (
            self._failures
            or self._settings.durable
            or (self._queue.crowded() and (self._under_way is not None or self._spool_count()))
        ):
            lines = self._queue.take(self._settings.batch_events, _SPOOL_CHUNK)
            if not lines:
                return
            if not self._append(lines):
                self._queue.give_back(lines)

    def _append(self, lines: Sequence[bytes]) -> bool:
        assert self._spool is not None
        protected = self._under_way is not None and self._under_way.source == "spooled"
        try:
            dropped = self._spool.append(lines, spare_first=protected)
        except OSError as error:
            self._spool_failed(error)
            return False
        self._spool_told = False
        self._moved(lines)
        if dropped:
            self._account.drop(dropped, "spooled", "spool_full")
        return True

    def _moved(self, lines: Sequence[bytes]) -> None:
        self._queue.settle(lines)
        self._account.move(len(lines), "queued", "spooled")

    # --- the spool's troubles ---

    def _spool_count(self) -> int:
        return 0 if self._spool is None else self._spool.count

    def _spool_can_take(self) -> bool:
        return self._spool is not None and time.monotonic() >= self._spool_at

    def _open_spool(self, now: float) -> None:
        root = self._settings.spool_dir
        if root is None or now < self._spool_at:
            return
        try:
            if self._the_spool() is None:
                return
            assert self._spool is not None
            if now >= self._adopt_at and self._under_way is None:
                self._adopt_at = now + _ADOPT_EVERY
                self._spool.adopt(self._account.adopt)
        except OSError as error:
            self._spool_failed(error)

    def _the_spool(self) -> Spool | None:
        """Return the spool, opened by whoever needs it first; None at the end.

        Raises:
            OSError: it cannot be opened.
        """
        if self._spool is None:
            settings = self._settings
            assert settings.spool_dir is not None
            with self._opening:
                if self._spool is None and not self._ended:
                    # A durable client's callers do not wait for the disk; the worker syncs after them.
                    inline = settings.fsync and not settings.durable
                    self._spool = Spool(settings.spool_dir, settings.spool_bytes, inline)
        return self._spool

    def _sync(self, now: float) -> None:
        """Bring what callers have written from the kernel's memory to the disk."""
        settings = self._settings
        if settings.durable and settings.fsync and self._spool is not None and now >= self._sync_at:
            self._sync_at = now + _SYNC_EVERY
            try:
                self._spool.sync()
            except OSError as error:
                self._spool_failed(error)

    def _spool_failed(self, error: OSError) -> None:
        self._spool_at = time.monotonic() + _SPOOL_RETRY
        if not self._spool_told:
            self._spool_told = True
            log.warning("the spool in %s fails (%s); events wait in memory", self._settings.spool_dir, error)

    def _finish(self) -> None:
        """The time is up: what is left goes to disk or, where there is none, is lost and counted."""
        self._queue.close()
        with self._opening:
            self._ended = True
        with self._bell:
            batch, self._under_way = self._under_way, None
        if batch is not None and batch.source == "queued":
            # Its answer may still come; the next process sends it again, and the exporter knows it then.
            self._keep(batch.lines)
        while lines := self._queue.take(self._settings.batch_events, _SPOOL_CHUNK):
            if not (self._spool_can_take() and self._append(lines)):
                self._queue.settle(lines)
                self._account.drop(len(lines), "queued", "closed")
        if self._spool is not None:
            self._spool.close()
