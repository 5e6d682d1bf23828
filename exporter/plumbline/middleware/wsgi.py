"""WSGI: Flask, Django, Bottle. Add it outermost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any

from plumbline.ids import bind_ids
from plumbline.middleware.arrival import Arrival, arrive

StartResponse = Callable[..., Callable[[bytes], object]]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class WSGIMiddleware:
    """Binds a request's ids while it is served, its body's generator included, and writes its access line.

    Args:
        app: the application.
        access_log: whether to write the line (logger ``plumbline.access``).
    """

    def __init__(self, app: App, *, access_log: bool = True) -> None:
        self._app = app
        self._access_log = access_log

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        arrival = _arrive(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            arrival.status = int(status[:3])
            ours = arrival.answer_headers()
            names = {name.lower() for name, _ in ours}
            kept = [header for header in headers if header[0].lower() not in names]
            more = () if exc_info is None else (exc_info,)
            return start_response(status, [*kept, *ours], *more)

        # The body is iterated after this call returns, perhaps between those of other requests: the ids
        # live in a context of the request's own.
        context = copy_context()
        context.run(bind_ids, **arrival.ids())
        body = _Body(arrival, context, self._access_log)
        body.open(self._app, environ, start)
        return body


class _Body:
    """The application's body, iterated and closed in the request's context."""

    def __init__(self, arrival: Arrival, context: Context, access_log: bool) -> None:
        self._arrival = arrival
        self._context = context
        self._to_write = access_log
        self._inner: Iterable[bytes] = ()
        self._parts: Iterator[bytes] = iter(())

    def open(self, app: App, environ: dict[str, Any], start: StartResponse) -> None:
        try:
            self._inner = self._context.run(app, environ, start)
            self._parts = self._context.run(iter, self._inner)
        except BaseException as error:
            self._write(error)
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            part = self._context.run(next, self._parts)
        except StopIteration:
            raise
        except BaseException as error:
            self._write(error)
            raise
        self._arrival.size += len(part)
        return part

    def close(self) -> None:
        """End the request; servers call this whatever happened."""
        try:
            close = getattr(self._inner, "close", None)
            if close is not None:
                self._context.run(close)
        finally:
            self._write(None)

    def _write(self, error: BaseException | None) -> None:
        if self._to_write:
            self._to_write = False
            self._context.run(self._arrival.write, error)


def _arrive(environ: dict[str, Any]) -> Arrival:
    def header(name: str) -> list[str]:
        return [environ[name]] if environ.get(name) else []

    return arrive(
        request_ids=header("HTTP_X_REQUEST_ID"),
        traceparents=header("HTTP_TRACEPARENT"),
        tracestates=header("HTTP_TRACESTATE"),
        method=environ.get("REQUEST_METHOD", ""),
        path=environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
        client=environ.get("REMOTE_ADDR", ""),
        user_agent=environ.get("HTTP_USER_AGENT", ""),
    )
