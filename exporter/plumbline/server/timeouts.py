"""How long a peer may take: to send the head of a request, to send its body, to read the answer.

A peer that sends one byte a second, or reads none, would hold a connection and its buffers for ever; uvicorn
bounds only the pause between two requests. ``limit`` puts a protocol before uvicorn's that bounds head and
answer; ``BodyReader`` bounds the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

_ANSWER = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits, in seconds and bytes per second.

    Attributes:
        head: from the connection, or from a request's first byte, to the end of its headers.
        body: that a body may take, however small,
        body_bytes_per_second: and what it must bring on average beyond that.
        answer: that a peer may leave a part of an answer unread.
    """

    head: float = 10.0
    body: float = 20.0
    body_bytes_per_second: float = 16 * 1024
    answer: float = 60.0

    def body_due(self, received: int) -> float:
        """Return how many seconds after its begin a body may be without its next part."""
        return self.body + received / self.body_bytes_per_second


def limit(config: uvicorn.Config, timeouts: Timeouts, on_slow: Callable[[], None]) -> None:
    """Make a server close the connections whose peer is too slow.

    Args:
        config: of the server; not loaded yet.
        timeouts: to keep.
        on_slow: called when a request or its reader was too slow, and the connection is closed for it.
    """
    app: Any = config.app

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        with scope["state"]["connection"]:
            await app(scope, receive, send)

    config.app = answer
    config.load()
    make: Callable[..., asyncio.Protocol] = config.http_protocol_class

    class Connection(asyncio.Protocol):
        """Hands everything on to uvicorn's protocol. As a context: while the application answers a request."""

        def __init__(self, app_state: dict[str, Any], **given: Any) -> None:
            self._protocol = make(app_state={**app_state, "connection": self}, **given)
            self._spoke = False
            self._requests = 0
            # One for each: a peer that asks again while it reads no answer must not stop the answer's clock.
            self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}

        def connection_made(self, transport: Any) -> None:
            self._transport = transport
            self._start(timeouts.head, self._head_is_late)
            self._protocol.connection_made(transport)
            transport.set_write_buffer_limits(1, 0)  # any part of an answer that is not read pauses writing

        def data_received(self, data: bytes) -> None:
            self._spoke = True
            if not self._requests:
                self._start(timeouts.head, self._head_is_late)
            self._protocol.data_received(data)

        def __enter__(self) -> None:
            self._requests += 1
            self._stop(self._head_is_late)

        def __exit__(self, *error: object) -> None:
            self._requests -= 1

        def pause_writing(self) -> None:
            self._start(timeouts.answer, self._reader_is_late)
            self._protocol.pause_writing()

        def resume_writing(self) -> None:
            self._stop(self._reader_is_late)
            self._protocol.resume_writing()

        def eof_received(self) -> bool | None:
            return self._protocol.eof_received()

        def connection_lost(self, exc: Exception | None) -> None:
            for late in list(self._timers):
                self._stop(late)
            self._protocol.connection_lost(exc)

        def _start(self, seconds: float, late: Callable[[], None]) -> None:
            if late not in self._timers:
                self._timers[late] = asyncio.get_running_loop().call_later(seconds, late)

        def _stop(self, late: Callable[[], None]) -> None:
            if late in self._timers:
                self._timers.pop(late).cancel()

        def _head_is_late(self) -> None:
            if self._spoke:  # one that never said anything is just closed
                on_slow()
                self._transport.write(_ANSWER)
            self._transport.close()

        def _reader_is_late(self) -> None:
            on_slow()
            self._transport.abort()

    config.http_protocol_class = Connection
