"""How the exporter logs: for people on a terminal, as JSON otherwise; always to standard error.

A log line never raises and never blocks: a full disk or a pipe that nobody reads must not cost an event.
"""

from __future__ import annotations

import atexit
import logging
import queue
import sys
import threading
import time
from typing import Literal, TextIO

import structlog

Format = Literal["auto", "json", "console"]

QUEUED_LINES = 1000
_END_SECONDS = 2.0


class BackgroundStream:
    """A text stream that hands what is written to a thread, and drops what the thread cannot write.

    Attributes:
        dropped: lines that were lost because the stream failed or did not take them in time.
    """

    def __init__(self, stream: TextIO, lines: int = QUEUED_LINES) -> None:
        self.dropped = 0
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(lines)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="plumbline-log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue a line, or count it as dropped where the queue is full."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._drop()
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as the stream takes it."""

    def close(self, seconds: float = _END_SECONDS) -> None:
        """Write what is queued, for so long at most."""
        deadline = time.monotonic() + seconds
        try:
            self._lines.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(deadline - time.monotonic())

    def _run(self) -> None:
        torn = ""  # after a failure: half a line may stand there
        while (text := self._lines.get()) is not None:
            try:
                self._stream.write(torn + text)
                self._stream.flush()
                torn = ""
            except (OSError, ValueError):  # full, closed at the other end, or closed here
                torn = "\n"
                self._drop()

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1


def configure_logging(form: Format = "auto", debug: bool = False) -> BackgroundStream:
    """Set up structlog, let the standard library's warnings through the same way, and return where lines go.

    Args:
        form: ``auto`` writes for people where standard error is a terminal.
        debug: also one line per ingest request.
    """
    stream = BackgroundStream(sys.stderr)
    atexit.register(stream.close)
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if console
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),  # type: ignore[arg-type] # all it needs is write and flush
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    return stream
