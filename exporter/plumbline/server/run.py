"""The exporter's process: a socket, a writer, uvicorn, and an orderly end.

SIGTERM, SIGINT or SIGHUP: no new connections, open requests are answered, the queue is committed, the
store is closed, exit 0. A writing thread that dies takes the process with it (exit 1): an exporter that
accepts nothing must not look alive. kill -9 is safe because nothing is acknowledged before it is durable.
"""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import structlog
import uvicorn

from plumbline.catalogue.model import Catalogue
from plumbline.errors import PlumblineError, UsageError
from plumbline.expose.host import ProcessCollector, host_blocks
from plumbline.expose.registry import Registry
from plumbline.expose.self_metrics import SelfMetrics
from plumbline.hooks.runner import HookRunner
from plumbline.server.app import App
from plumbline.server.body import BODY_BYTES, BodyReader
from plumbline.server.timeouts import Timeouts, limit
from plumbline.server.writer import QUEUE_EVENTS, Committer, Writer
from plumbline.trace.http import TraceRoutes
from plumbline.trace.lookup import Lookup

log = structlog.get_logger(__name__)

_GRACE_SECONDS = 10


def parse_listen(text: str, insecure: bool) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` (IPv6 in brackets).

    Raises:
        UsageError: it is no such text, or is reachable from elsewhere and that was not asked for.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {text!r}: write HOST:PORT, such as 127.0.0.1:9877 or [::1]:9877")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False  # a name may resolve to anything
    if not loopback and not insecure:
        raise UsageError(
            f"--listen {text!r} can be reached from other machines, over plain HTTP and without a password: "
            "listen on 127.0.0.1 behind a proxy, or add --insecure-listen where the network itself is closed"
        )
    return host, int(port)


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 takes a free one.

    Raises:
        PlumblineError: the address is in use, is not this machine's, or needs other rights.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise PlumblineError(f"cannot listen on {host}: {error.strerror}") from error
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
    except OSError as error:
        sock.close()
        advice = ": another process has it; stop that one or choose another port" * (error.errno == errno.EADDRINUSE)
        raise PlumblineError(f"cannot listen on {host}:{port}: {error.strerror}{advice}") from error
    return sock


class _Server(uvicorn.Server):
    """uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._listening()


class Exporter:
    """Everything behind one port.

    Args:
        catalogue: what is declared.
        engine: counts and stores; closed at the end.
        sock: bound already.
        data: folder of the store.
        lookup: answers ``/trace`` and ``/batch``; closed at the end.
        hooks: carries out what alerts set off; started and stopped here.
        queue_events: events that may wait for the store.
        body_bytes: largest request body.
        tick_seconds: how often maturing outcomes are looked for.
        timeouts: how long a peer may take.
        external_url: where the outside world reaches the exporter; default: the catalogue's link to it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        engine: Committer,
        sock: socket.socket,
        *,
        data: Path | None = None,
        lookup: Lookup | None = None,
        hooks: HookRunner | None = None,
        queue_events: int = QUEUE_EVENTS,
        body_bytes: int = BODY_BYTES,
        tick_seconds: float = 1.0,
        timeouts: Timeouts | None = None,
        external_url: str | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._engine = engine
        self._sock = sock
        self._lookup = lookup
        self._hooks = hooks
        self._died = False
        self._server: _Server | None = None
        metrics = SelfMetrics(queue_events, time.time(), data)
        self.writer = Writer(
            engine, metrics, queue_events=queue_events, tick_seconds=tick_seconds, on_death=self._on_death
        )
        collectors = {"engine": engine.blocks, "exporter": metrics.blocks}
        if catalogue.host_metrics:
            collectors["host"] = host_blocks
        if catalogue.processes:
            groups = {name: p.command_contains for name, p in catalogue.processes.items()}
            collectors["process"] = ProcessCollector(groups).blocks
        bodies = BodyReader(body_bytes, self._timeouts)
        outside = catalogue.links.exporter if external_url is None else external_url
        self.app = App(catalogue, self.writer, Registry(collectors), metrics, bodies, url=outside)
        if lookup is not None:
            tasks = {name: model.task for name, model in catalogue.models.items()}
            self.app.more = TraceRoutes(
                lookup, tasks, catalogue.links.grafana, urlsplit(outside).path.rstrip("/")
            ).routes()

    @property
    def url(self) -> str:
        """Where the exporter listens."""
        host, port = self._sock.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self, listening: Callable[[str], None]) -> int:
        """Serve until asked to stop, and return the exit code.

        Args:
            listening: called once with the URL when requests are answered.
        """
        config = uvicorn.Config(
            self.app.asgi(),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # else X-Forwarded-For is believed from loopback
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        limit(config, self._timeouts, self._too_slow)
        self._server = _Server(config, lambda: listening(self.url))
        self._survive_signals()
        self.writer.start()
        try:
            if self._hooks is not None:
                self._hooks.start()
            self._server.run(sockets=[self._sock])
        finally:
            ended = self.writer.stop()
            if self._hooks is not None:
                self._hooks.stop()
            if self._lookup is not None:
                self._lookup.close()
            if ended:
                self._engine.close()
            else:
                log.error("the store did not finish in time; what was not acknowledged may not be stored")
        return 1 if self._died or not ended else 0

    def stop(self) -> None:
        """Ask ``run`` to end, from any thread."""
        if self._server is not None:
            self._server.should_exit = True

    def _survive_signals(self) -> None:
        """Leave the signals to uvicorn, which raises them again when it has ended: then we still clean up.

        SIGHUP, which uvicorn does not know, ends us in the same order: the terminal is gone.
        """

        def ignore(number: int, frame: FrameType | None) -> None:
            return

        def hung_up(number: int, frame: FrameType | None) -> None:
            self.stop()

        try:
            signal.signal(signal.SIGTERM, ignore)
            signal.signal(signal.SIGINT, ignore)
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
                signal.signal(signal.SIGHUP, hung_up)
        except ValueError:  # not the main thread (tests): there no signal arrives
            return

    def _too_slow(self) -> None:
        self.app.metrics.refused.add("too_slow")
        log.warning("a connection is closed: its peer was too slow")

    def _on_death(self) -> None:
        self._died = True
        self.stop()
