"""How long a peer may take: for its request's head, between the parts of a body, to read an answer.

A peer that sends one byte a second, or reads none, would hold a connection and its buffers for ever; uvicorn
bounds only the pause between two requests. ``Patience`` holds the limits; ``patient`` makes uvicorn's HTTP
protocol keep those of the head and the answer, ``BodyReader`` keeps that of the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ANSWER = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits, in seconds and bytes per second.

    Attributes:
        head: from the connection, or a request's first byte, to the end of its headers.
        body: that a body may take, however small,
        body_bytes_per_second: and what it must bring on average beyond that.
        answer: that a peer may leave a full send buffer unread.
    """

    head: float = 10.0
    body: float = 20.0
    body_bytes_per_second: float = 16 * 1024
    answer: float = 60.0

    def body_due(self, received: int) -> float:
        """Return how many seconds after its begin a body may be without its next part."""
        return self.body + received / self.body_bytes_per_second


def patient(limits: Patience, on_slow: Callable[[], None]) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with limits.

    Args:
        limits: to keep.
        on_slow: called when a request or its reader was too slow, and the connection is closed for it.
    """

    class PatientProtocol(HttpToolsProtocol):
        # One for each: a peer that asks again while it reads no answer must not stop the answer's clock.
        _head_timer: asyncio.TimerHandle | None = None
        _answer_timer: asyncio.TimerHandle | None = None
        _begun = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_head(limits.head)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._begun = True
            self._expect_head(limits.head)

        def on_headers_complete(self) -> None:
            self._begun = False
            self._expect_head(None)
            super().on_headers_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._expect_reader(limits.answer)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._expect_reader(None)

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect_head(None)
            self._expect_reader(None)
            super().connection_lost(exc)

        def _expect_head(self, seconds: float | None) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
            self._head_timer = None if seconds is None else self.loop.call_later(seconds, self._head_is_late)

        def _expect_reader(self, seconds: float | None) -> None:
            if self._answer_timer is not None:
                self._answer_timer.cancel()
            late = self._reader_is_late
            self._answer_timer = None if seconds is None else self.loop.call_later(seconds, late)

        def _head_is_late(self) -> None:
            if self._begun:  # one that never said anything is just closed
                on_slow()
                self.transport.write(_ANSWER)
            self.transport.close()

        def _reader_is_late(self) -> None:
            on_slow()
            self.transport.abort()

    return PatientProtocol
