"""ASGI: FastAPI, Starlette, Quart, Django. Add it outermost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from plumbline.ids import bind
from plumbline.middleware.arrival import Arrival, arrive

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_STARTS = ("http.response.start", "websocket.accept")


class ASGIMiddleware:
    """Binds a request's ids while it is served and writes its access line.

    Args:
        app: the application.
        access_log: whether to write the line (logger ``plumbline.access``); switch off uvicorn's then.
    """

    def __init__(self, app: App, *, access_log: bool = True) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        arrival = _arrive(scope)

        async def send_with_ids(message: Message) -> None:
            if message["type"] in _STARTS:
                arrival.status = message.get("status", 101)
                message["headers"] = _with_ids(message.get("headers") or (), arrival)
            elif message["type"] == "http.response.body":
                arrival.size += len(message.get("body", b""))
            await send(message)

        with bind(**arrival.ids()):
            try:
                await self._app(scope, receive, send_with_ids)
            except BaseException as error:  # cancellation too ends a request, and its line says so
                self._write(arrival, error)
                raise
            self._write(arrival, None)

    def _write(self, arrival: Arrival, error: BaseException | None) -> None:
        if self._access_log:
            arrival.write(error)


def _arrive(scope: MutableMapping[str, Any]) -> Arrival:
    def all_of(name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]

    client = scope.get("client")
    return arrive(
        request_ids=all_of(b"x-request-id"),
        traceparents=all_of(b"traceparent"),
        tracestates=all_of(b"tracestate"),
        method=scope.get("method", "WEBSOCKET"),
        path=scope["path"],
        client=str(client[0]) if client else "",
        user_agent=" ".join(all_of(b"user-agent")),
    )


def _with_ids(headers: Any, arrival: Arrival) -> list[tuple[bytes, bytes]]:
    ours = [(name.lower().encode(), value.encode("latin-1")) for name, value in arrival.answer_headers()]
    names = {name for name, _ in ours}
    return [(name, value) for name, value in headers if name.lower() not in names] + ours
