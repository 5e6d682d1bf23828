"""What a request says about itself: its id and trace, taken where well formed and made where not."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from plumbline.tracecontext import (
    Trace,
    active_span,
    new_request_id,
    new_trace,
    parse_traceparent,
    well_formed_request_id,
)

log = logging.getLogger("plumbline.access")

_PATH_CHARS = 1024


@dataclass(slots=True)
class Arrival:
    """One request under way.

    Attributes:
        request_id: its id.
        trace: the trace it belongs to, and our span in it.
        method: HTTP method.
        path: without the query, which may hold what must not be logged.
        client: address of the peer.
        user_agent: what it calls itself.
        status: of the answer; 0 before there is one.
        size: bytes of the answer's body so far.
    """

    request_id: str
    trace: Trace
    method: str
    path: str
    client: str
    user_agent: str
    status: int = 0
    size: int = 0
    _start: float = field(default_factory=time.perf_counter)

    def ids(self) -> dict[str, str | None]:
        """Return what to bind."""
        return {
            "request_id": self.request_id,
            "trace_id": self.trace.trace_id,
            "span_id": self.trace.span_id,
            "trace_flags": self.trace.flags,
            "tracestate": self.trace.state or None,
        }

    def answer_headers(self) -> tuple[tuple[str, str], ...]:
        """Return what to answer with."""
        return (("X-Request-ID", self.request_id), ("traceparent", self.trace.traceparent))

    def write(self, error: BaseException | None = None) -> None:
        """Write the one access line of this request."""
        fields: dict[str, object] = {
            "http.request.method": self.method,
            "url.path": self.path[:_PATH_CHARS],
            "http.response.body.size": self.size,
            "http.server.request.duration": round(time.perf_counter() - self._start, 6),
            "client.address": self.client,
            "user_agent.original": self.user_agent,
        }
        status = self.status or (500 if isinstance(error, Exception) else 0)
        if status:
            fields["http.response.status_code"] = status
        if error is not None:
            fields["error.type"] = type(error).__qualname__
        level = logging.ERROR if status >= 500 else logging.INFO
        end = str(status or "no answer")
        log.log(level, "%s %s %s", self.method, self.path[:_PATH_CHARS], end, extra=fields)


def arrive(
    *,
    request_ids: Sequence[str],
    traceparents: Sequence[str],
    tracestates: Sequence[str],
    method: str,
    path: str,
    client: str,
    user_agent: str,
) -> Arrival:
    """Return the request with its ids. A header that comes twice says nothing: one is made."""
    request_id = request_ids[0] if len(request_ids) == 1 else None
    if request_id is None or not well_formed_request_id(request_id):
        request_id = new_request_id()
    trace = active_span()  # of an instrumentation around us, which has read the header already
    if trace is None:
        parent = traceparents[0] if len(traceparents) == 1 else None
        found = parse_traceparent(parent, ",".join(tracestates))
        trace = new_trace() if found is None else found.child()
    return Arrival(request_id, trace, method, path, client, user_agent)
