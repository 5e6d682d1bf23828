"""W3C Trace Context: ``traceparent`` read, made and written; OpenTelemetry's active span where there is one.

Source: https://www.w3.org/TR/trace-context/ sections 3.2 and 3.3.
"""

from __future__ import annotations

import importlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE_CHARS = 512
REQUEST_ID_CHARS = 256

_otel: ModuleType | None = None
with suppress(ImportError):  # where the extra plumbline[otel] is not installed
    _otel = importlib.import_module("opentelemetry.trace")


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in a trace we are.

    Attributes:
        trace_id: 32 lower-case hex digits, not all zero.
        span_id: 16 lower-case hex digits, not all zero.
        flags: 2 hex digits; ``01`` is sampled.
        state: the ``tracestate`` that came with it, untouched; empty if none did.
    """

    trace_id: str
    span_id: str
    flags: str = "01"
    state: str = ""

    @property
    def traceparent(self) -> str:
        """The header's value, version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def child(self) -> Trace:
        """Return a new span of the same trace."""
        return Trace(self.trace_id, new_span_id(), self.flags, self.state)


def new_trace_id() -> str:
    """Return a random trace id."""
    return _nonzero_hex(16)


def new_span_id() -> str:
    """Return a random span id."""
    return _nonzero_hex(8)


def _nonzero_hex(size: int) -> str:
    while True:
        drawn = os.urandom(size)
        if any(drawn):
            return drawn.hex()


def new_trace() -> Trace:
    """Return the start of a new, sampled trace."""
    return Trace(new_trace_id(), new_span_id())


def parse_traceparent(value: str | None, state: str = "") -> Trace | None:
    """Return what the header says, or None if it says nothing that may be relied on.

    A higher version is read by the rule for version 00, as the standard demands: its first four fields,
    the end or a dash after them. Of the flags only ``sampled`` is kept, the one we know.
    """
    if value is None:
        return None
    found = _PARENT.fullmatch(value.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    if len(state) > _STATE_CHARS or not (state.isascii() and state.isprintable()):
        state = ""
    return Trace(trace_id, span_id, f"{int(flags, 16) & 1:02x}", state)


def active_span() -> Trace | None:
    """Return OpenTelemetry's active span; None without one or without OpenTelemetry."""
    if _otel is None:
        return None
    context = _otel.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Trace(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        f"{int(context.trace_flags) & 1:02x}",
        context.trace_state.to_header(),
    )


def well_formed_request_id(value: str | None) -> bool:
    """Whether a request id from outside may be taken: 1 to 256 printable ASCII characters."""
    return (
        value is not None
        and 0 < len(value) <= REQUEST_ID_CHARS
        and value.isascii()
        and value.isprintable()
        and value == value.strip()
    )


def new_request_id() -> str:
    """Return a random request id."""
    return os.urandom(16).hex()
