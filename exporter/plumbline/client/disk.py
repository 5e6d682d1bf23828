"""The spool and its troubles: a disk that says no is tried again later, and nobody else notices.

Reads and writes a ``Spool`` for the worker and, of a durable client, for its callers; books what changes.
Nothing here raises: an error of the disk makes it unavailable for a while, and is told once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from plumbline.client.account import Account
from plumbline.client.settings import Settings
from plumbline.client.spool import Spool

log = logging.getLogger("plumbline.client")

_ADOPT_EVERY = 60.0  # seconds between looks for spools of processes that ended
_RETRY = 5.0  # seconds after an error of the disk
_SYNC_EVERY = 1.0  # seconds between syncs of what callers have written


class Disk:
    """The spool of one process, opened when it is first needed.

    ``keep`` may be called by any thread, everything else by the worker's alone.

    Args:
        settings: of the client.
        account: where moves are booked.
        bell: rung when a caller has written something to send.
    """

    def __init__(self, settings: Settings, account: Account, bell: threading.Condition) -> None:
        self._settings = settings
        self._account = account
        self._bell = bell
        self._spool: Spool | None = None
        self._opening = threading.RLock()
        self._is_opening = False
        self._ended = False
        self._retry_at = 0.0  # when it may be tried (again)
        self._read_at = 0.0  # when it may be read (again); on a full disk reading still works
        self._adopt_at = 0.0
        self._sync_at = 0.0
        self._told = False

    @property
    def can_take(self) -> bool:
        """Whether lines may be put there now."""
        return self._spool is not None and time.monotonic() >= self._retry_at

    @property
    def count(self) -> int:
        """Lines there that are not acknowledged."""
        return 0 if self._spool is None else self._spool.count

    @property
    def size(self) -> int:
        """Bytes there."""
        return 0 if self._spool is None else self._spool.size

    def keep(self, line: bytes) -> bool:
        """Write a line in the caller's thread; return whether the disk took it.

        It then survives the end of this process, whatever ends it.
        """
        if time.monotonic() < self._retry_at:
            return False
        try:
            spool = self._opened()
            fresh = 0 if spool is None else spool.append((line,), self._account.create_spooled)
        except OSError as error:
            self._failed(error)
            return False
        if fresh in (1, self._settings.batch_events):
            with self._bell:
                self._bell.notify_all()
        return fresh > 0

    def open(self, now: float, may_adopt: bool) -> None:
        """Open the spool, if there is one and its time has come; take over what others left."""
        if self._settings.spool_dir is None or now < self._retry_at:
            return
        try:
            spool = self._opened()
            if spool is not None and may_adopt and now >= self._adopt_at:
                self._adopt_at = now + _ADOPT_EVERY
                spool.adopt()
        except OSError as error:
            self._failed(error)

    def due(self, eager: bool) -> float:
        """Return when what is there may be sent: at once, but new lines of a durable client linger unless ``eager``."""
        spool = self._spool
        if spool is None:
            return float("inf")
        lingers = self._settings.durable and not eager and spool.count <= spool.fresh < self._settings.batch_events
        return max(self._read_at, spool.since + self._settings.linger) if lingers else self._read_at

    def oldest(self, count: int, now: float) -> list[bytes] | None:
        """Return the oldest lines, at most ``count``; None if they cannot be read now."""
        assert self._spool is not None
        try:
            return self._spool.peek(count, self._settings.batch_bytes)
        except OSError as error:
            self._read_at = now + _RETRY
            self._failed(error)
            return None

    def acknowledge(self, count: int) -> None:
        """Forget the oldest lines."""
        self._try(lambda spool: spool.acknowledge(count))

    def append(self, lines: Sequence[bytes], first: bool = False) -> bool:
        """Put lines of the queue behind all others, or before them; return whether the disk took them."""

        def book() -> None:
            self._account.move(len(lines), "queued", "spooled")
            self._told = False

        return self._try(lambda spool: spool.prepend(lines, book) if first else spool.append(lines, book))

    def sync(self, now: float) -> None:
        """Bring what callers have written from the kernel's memory to the disk."""
        settings = self._settings
        if settings.durable and settings.fsync and self._spool is not None and now >= self._sync_at:
            self._sync_at = now + _SYNC_EVERY
            self._try(Spool.sync)

    def _try(self, do: Callable[[Spool], object]) -> bool:
        """Do something with the spool; return whether it was done (``append`` returns 0 where it was not)."""
        assert self._spool is not None
        try:
            return do(self._spool) != 0
        except OSError as error:
            self._failed(error)
            return False

    def end(self) -> None:
        """Open no spool any more."""
        with self._opening:
            self._ended = True

    def close(self) -> None:
        """Let go of the spool; what is in it is the next process's."""
        if self._spool is not None:
            self._spool.close()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files."""
        if self._spool is not None:
            self._spool.abandon()

    def _opened(self) -> Spool | None:
        """Return the spool, opened by whoever needs it first.

        None at the end, and to a signal's handler that comes while its own thread opens the spool.

        Raises:
            OSError: it cannot be opened.
        """
        if self._spool is None:
            settings = self._settings
            assert settings.spool_dir is not None
            with self._opening:
                if self._spool is None and not self._ended and not self._is_opening:
                    # A durable client's callers do not wait for the disk; the worker syncs after them.
                    inline = settings.fsync and not settings.durable
                    self._is_opening = True
                    try:
                        self._spool = Spool(settings.spool_dir, settings.spool_bytes, inline, self._account)
                    finally:
                        self._is_opening = False
        return self._spool

    def _failed(self, error: OSError) -> None:
        self._retry_at = time.monotonic() + _RETRY
        if not self._told:
            self._told = True
            folder = self._settings.spool_dir
            log.warning("the spool in %s fails (%s); events wait in memory", folder, error)
