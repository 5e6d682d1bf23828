"""The present request's ids in the headers of the calls that it makes."""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from plumbline.ids import current_ids
from plumbline.logging.record import present_ids
from plumbline.tracecontext import Trace

S = TypeVar("S")


def propagation_headers() -> dict[str, str]:
    """Return ``X-Request-ID``, ``traceparent`` and ``tracestate`` of here and now, as far as bound."""
    ids = present_ids()
    headers: dict[str, str] = {}
    if "request_id" in ids:
        headers["X-Request-ID"] = ids["request_id"]
    if "trace_id" in ids and "span_id" in ids:
        trace = Trace(ids["trace_id"], ids["span_id"], ids.get("trace_flags", "01"))
        headers["traceparent"] = trace.traceparent
        # Only with the trace it came with; OpenTelemetry's span may belong to another.
        if "tracestate" in ids and current_ids().get("trace_id") == trace.trace_id:
            headers["tracestate"] = ids["tracestate"]
    return headers


def propagate(session: S, hosts: Collection[str] | None = None) -> S:
    """Make a ``requests.Session``, ``httpx.Client`` or ``httpx.AsyncClient`` send the ids along.

    A header that a call sets itself stays as it is.

    Args:
        session: what makes the calls; changed in place and returned.
        hosts: send ids to these only (also after a redirect); None sends them to all.

    Raises:
        TypeError: for anything else.
    """
    allowed = None if hosts is None else frozenset(host.lower() for host in hosts)
    if isinstance(session, requests.Session):
        for prefix, adapter in list(session.adapters.items()):
            inner = adapter.inner if isinstance(adapter, _Adapter) else adapter  # the last call counts
            session.mount(prefix, _Adapter(inner, allowed))
        return session
    hooks = getattr(session, "event_hooks", None)
    if isinstance(hooks, dict):
        # httpx is not imported for this: a client of its with asynchronous hooks has `aclose`.
        hook = _async_hook(allowed) if hasattr(session, "aclose") else _hook(allowed)
        session.event_hooks = {**hooks, "request": [*hooks.get("request", ()), hook]}  # type: ignore[attr-defined]
        return session
    raise TypeError(f"propagate takes a requests.Session or an httpx client, not a {type(session).__name__}")


def _add(headers: MutableMapping[str, Any], host: str | None, allowed: frozenset[str] | None) -> None:
    if allowed is None or (host or "").lower() in allowed:
        for name, value in propagation_headers().items():
            headers.setdefault(name, value)


class _Adapter(BaseAdapter):
    """A session's adapter with the ids added; here, because every hop of a redirect comes by."""

    def __init__(self, inner: BaseAdapter, allowed: frozenset[str] | None) -> None:
        super().__init__()
        self.inner = inner
        self._allowed = allowed

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        host = urlsplit(request.url or "").hostname
        if self._allowed is not None and (host or "").lower() not in self._allowed:
            # A redirect copies the headers of the hop before.
            for name, value in propagation_headers().items():
                if request.headers.get(name) == value:
                    del request.headers[name]
        _add(request.headers, host if isinstance(host, str) else None, self._allowed)
        return self.inner.send(request, *args, **options)

    def close(self) -> None:
        self.inner.close()


def _hook(allowed: frozenset[str] | None) -> Callable[[Any], None]:
    def add(request: Any) -> None:
        _add(request.headers, request.url.host, allowed)

    return add


def _async_hook(allowed: frozenset[str] | None) -> Callable[[Any], Any]:
    async def add(request: Any) -> None:
        _add(request.headers, request.url.host, allowed)

    return add
