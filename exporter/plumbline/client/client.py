"""``Client``: what a service calls. Every call returns at once and raises nothing."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.registry import Collector

from plumbline.client.account import Account, Stats
from plumbline.client.encode import EventIds, encode
from plumbline.client.metrics import COLLECTOR
from plumbline.client.post import Connection
from plumbline.client.queue import Queue
from plumbline.client.settings import Settings
from plumbline.client.worker import Worker
from plumbline.errors import InvalidEvent
from plumbline.guard import guarded
from plumbline.ids import current_ids
from plumbline.names import DEFAULT_PORT
from plumbline.tracecontext import new_request_id

log = logging.getLogger("plumbline.client")

_live: weakref.WeakSet[Client] = weakref.WeakSet()
_live_lock = threading.Lock()


class Client:
    """Ships events from a service to an exporter: never blocks or fails a prediction.

    Threads may share one. A forked child starts with an empty queue, threads, account and spool folder of
    its own; what the parent had queued stays the parent's. Bad events of the caller's are counted as
    ``dropped["invalid"]`` and the first is logged.

    Args:
        url: the exporter's address.
        spool_dir: where events wait on disk while the exporter is out, shared by all processes of the
            service; None keeps them in memory only.
        spool_bytes: most bytes on disk, per process; beyond it the oldest events are dropped.
        fsync: whether spooled events survive loss of power (otherwise only the end of the process).
        durable: write every event to the spool before the call returns, so that it survives kill -9 of
            this process; the next one sends it. Costs a write to a file per event (docs/client.md).
        queue_events: most events in memory.
        queue_bytes: most bytes of events in memory.
        batch_events: most events in one request.
        batch_bytes: about the most bytes in one request.
        linger: seconds an event may wait for others to share its request.
        backoff: seconds before the first retry; it doubles up to 30 s, and is jittered.
        close_timeout: seconds that ``close`` and the end of the process may take for sending.
        timeout: seconds to connect, and between two bytes of an answer.
        auth: user and password for basic authentication.
        verify: as in requests: whether, or by which authorities' file, the certificate is checked.
        cert: as in requests: the client's certificate.
        headers: sent with every request.
        strict: raise ``InvalidEvent`` for what would be rejected. For tests.

    Raises:
        UsageError: settings that cannot work; only here, when the service starts.
    """

    def __init__(
        self,
        url: str = f"http://127.0.0.1:{DEFAULT_PORT}",
        *,
        spool_dir: str | os.PathLike[str] | None = None,
        spool_bytes: int = 256 * 1024 * 1024,
        fsync: bool = True,
        durable: bool = False,
        queue_events: int = 20_000,
        queue_bytes: int = 32 * 1024 * 1024,
        batch_events: int = 500,
        batch_bytes: int = 1024 * 1024,
        linger: float = 0.5,
        backoff: float = 0.5,
        close_timeout: float = 5.0,
        timeout: tuple[float, float] = (3.05, 10.0),
        auth: tuple[str, str] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        strict: bool = False,
    ) -> None:
        self._settings = Settings(
            connection=Connection(url.rstrip("/"), timeout, auth, verify, cert, headers),
            spool_dir=None if spool_dir is None else Path(spool_dir),
            spool_bytes=spool_bytes,
            fsync=fsync,
            durable=durable,
            queue_events=queue_events,
            queue_bytes=queue_bytes,
            batch_events=batch_events,
            batch_bytes=batch_bytes,
            linger=linger,
            backoff=backoff,
            close_timeout=close_timeout,
        )
        self._strict = strict
        self._closed = False
        self._reset()
        with _live_lock:
            _live.add(self)
        if spool_dir is not None:
            self._ensure_started()  # what an earlier process left is sent even if this one says nothing

    def _reset(self) -> None:
        """Everything that a process has of its own."""
        settings = self._settings
        self._account = Account()
        self._ids = EventIds()
        self._queue = Queue(settings.queue_events, settings.queue_bytes, settings.batch_events)
        self._worker = Worker(settings, self._queue, self._account)
        self._start_lock = threading.RLock()
        self._started = False

    # --- events ---

    def send(self, event: Mapping[str, Any]) -> None:
        """Take over one event of the contract (DESIGN: ``type`` and its fields).

        ``ts`` is now if absent; ids bound by ``plumbline.logging.bind`` are added where absent.
        """
        line = guarded(lambda: encode(event, self._ids), self._invalid)
        if not line:
            return
        # What the disk does not take waits in memory, as everything of a client that is not durable does.
        kept = self._settings.durable and self._worker.disk.keep(line)
        reason = None if kept else self._queue.put(line, self._account.create)
        if reason is not None:
            self._dropped(reason, "no room in memory" if reason == "queue_full" else "the client has ended")
        elif not self._started:
            self._ensure_started()

    def prediction(
        self,
        *,
        features: Mapping[str, Any] | None = None,
        prediction: object = None,
        request_id: str | None = None,
        model: str | None = None,
        version: str | None = None,
        score: float | None = None,
        scores: Mapping[str, float] | None = None,
        latency: float | None = None,
        status: str = "ok",
        slices: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> str:
        """Record that a model answered; return the request id to report the outcome under.

        Args:
            features: what the model saw, by name.
            prediction: its answer, a class or a number; absent if ``status`` is error.
            request_id: of the request; the bound one if absent, else a new one.
            model: its name; the bound one if absent.
            version: its version; the bound one if absent.
            score: probability of the positive class.
            scores: probability of each class.
            latency: seconds it took.
            status: ``ok`` or ``error``.
            slices: values of the declared slices.
            more: further fields, e.g. ``data_batch_id``, ``ts``; unknown ones are kept in the store.
        """
        request_id = request_id or current_ids().get("request_id") or new_request_id()
        self._send(
            "prediction",
            more,
            request_id=request_id,
            model=model,
            version=version,
            features=features,
            prediction=prediction,
            score=score,
            scores=scores,
            latency=latency,
            status=status,
            slices=slices,
        )
        return request_id

    def outcome(self, *, actual: object, request_id: str | None = None, correction: bool = False, **more: Any) -> None:
        """Record what turned out to be true about a request (``ts`` = when it became known)."""
        self._send("outcome", more, request_id=request_id, actual=actual, correction=correction or None)

    def pipeline(self, *, pipeline: str, stage: str, status: str, run_id: str | None = None, **more: Any) -> None:
        """Record that a stage of a pipeline started, succeeded or failed.

        ``more``: data_batch_id, duration, rows_in, rows_out, rows_rejected, data_ts, inputs, checks.
        """
        self._send("pipeline", more, pipeline=pipeline, stage=stage, run_id=run_id, status=status)

    def deployment(self, *, stage: str, model: str | None = None, version: str | None = None, **more: Any) -> None:
        """Record that a model version entered a stage. ``more``: commit, training_data, config, baseline."""
        self._send("deployment", more, model=model, version=version, stage=stage)

    def kpi(self, *, kpi: str, value: float, model: str | None = None, version: str | None = None, **more: Any) -> None:
        """Record a business outcome, in the KPI's own unit."""
        self._send("kpi", more, model=model, version=version, kpi=kpi, value=value)

    def log(
        self,
        message: str,
        *,
        level: str = "INFO",
        logger: str | None = None,
        fields: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Record a log line; ``plumbline.logging`` does so for a service's own."""
        self._send("log", more, level=level, message=message, logger=logger, fields=fields)

    def _send(self, kind: str, more: dict[str, Any], **fields: Any) -> None:
        event = {**more, "type": kind}
        event.update((name, value) for name, value in fields.items() if value is not None)
        self.send(event)

    # --- the account ---

    def stats(self) -> Stats:
        """Return what has become of every event so far; it always adds up."""
        return self._account.snapshot()

    def collector(self) -> Collector:
        """Return a collector for ``prometheus_client.REGISTRY.register``.

        It adds up the accounts of all clients of this process that were asked for it.
        """
        COLLECTOR.add(self)
        return COLLECTOR

    def spool_size(self) -> int:
        """Return the bytes that the spool holds."""
        return self._worker.disk.size

    # --- the end ---

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything is sent, or for ``timeout`` seconds; return whether it is."""
        end = time.monotonic() + timeout
        if self._account.waiting():
            self._ensure_started()
        while self._account.waiting():
            self._worker.hurry()
            if time.monotonic() >= end:
                return False
            time.sleep(0.005)
        return True

    def close(self, timeout: float | None = None) -> None:
        """Send for up to ``timeout`` seconds, keep the rest on disk or drop it, and end.

        Later events are dropped and counted. Called at the end of the process by itself.
        """
        with self._start_lock:
            if self._closed:
                return
            self._closed = True
        self._worker.stop(self._settings.close_timeout if timeout is None else timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def owns_this_thread(self) -> bool:
        """Whether this runs in one of the client's threads; what they log must not become events."""
        return self._worker.is_ours(threading.get_ident())

    # --- inside ---

    def _ensure_started(self) -> None:
        with self._start_lock:
            if self._started or self._closed:
                return
            try:
                self._worker.start()
            except RuntimeError as error:
                # No thread to be had (a limit, or the interpreter is ending): the next event tries again.
                log.debug("plumbline.Client cannot start its thread: %s", error)
                return
            self._started = True

    def _invalid(self, error: Exception) -> bytes:
        if self._strict:
            raise InvalidEvent(f"{error}") from error
        self._dropped("invalid", f"{type(error).__name__}: {error}")
        return b""

    def _dropped(self, reason: str, detail: str) -> None:
        if self._account.create_dropped(reason):
            log.warning("an event is dropped (%s): %s; further ones are only counted", reason, detail)

    def _after_fork(self) -> None:
        self._worker.abandon()
        self._reset()


@atexit.register
def _close_all() -> None:
    """Close the clients one after the other; each takes its ``close_timeout`` at most."""
    with _live_lock:
        clients = list(_live)
    for client in clients:
        client.close()


def _before_fork() -> None:
    _live_lock.acquire()


def _after_fork_in_parent() -> None:
    _live_lock.release()


def _after_fork_in_child() -> None:
    _live_lock.release()
    for client in list(_live):
        client._after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
