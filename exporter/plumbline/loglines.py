"""Log lines in OpenTelemetry's field names, as ``plumbline.logging`` writes them, as ``log`` events.

Reads one JSON line (docs/adr/0008) or the parts of a log record; writes the line of the event. The same line
always gives the same bytes, so that a line that is sent again is known (docs/adr/0003). An id that no event
may have does not cost the line: it stays among the fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

MAX_ID_CHARS = 256
MAX_NAME_CHARS = 128
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_IDS = {
    "request_id": MAX_ID_CHARS,
    "data_batch_id": MAX_ID_CHARS,
    "run_id": MAX_ID_CHARS,
    "model": MAX_NAME_CHARS,
    "version": MAX_NAME_CHARS,
}
# The first number of each range of OpenTelemetry's severities, and the name that Python gives it.
_LEVELS = ((21, "CRITICAL"), (17, "ERROR"), (13, "WARNING"), (9, "INFO"), (5, "DEBUG"), (1, "TRACE"))


class _Scope(msgspec.Struct, rename={"name": "Name"}, frozen=True):
    name: Any = None


class _Record(
    msgspec.Struct,
    rename={
        "timestamp": "Timestamp",
        "severity_text": "SeverityText",
        "severity_number": "SeverityNumber",
        "body": "Body",
        "trace_id": "TraceId",
        "span_id": "SpanId",
        "attributes": "Attributes",
        "resource": "Resource",
        "scope": "InstrumentationScope",
    },
    gc=False,
):
    timestamp: str | float | None = None
    severity_text: str | None = None
    severity_number: int | None = None
    body: Any = msgspec.UNSET
    trace_id: str | None = None
    span_id: str | None = None
    attributes: dict[str, Any] = {}
    resource: dict[str, Any] = {}
    scope: _Scope = _Scope()


_decode_record = msgspec.json.Decoder(_Record).decode
_encode = msgspec.json.Encoder().encode


def event_of_line(line: bytes) -> bytes | None:
    """Return the event of a log line; None if the line is none.

    Raises:
        msgspec.DecodeError: the line is no JSON; UnicodeDecodeError, RecursionError: no sound one.
    """
    try:
        record = _decode_record(line)
    except msgspec.ValidationError:
        return None
    if record.body is msgspec.UNSET or (record.severity_text is None and record.severity_number is None):
        return None
    return log_event(
        ts=record.timestamp,
        body=record.body,
        severity_text=record.severity_text,
        severity_number=record.severity_number or 0,
        logger=record.scope.name,
        trace_id=record.trace_id,
        span_id=record.span_id,
        attributes=record.attributes,
        resource=record.resource,
    )


def log_event(
    *,
    ts: str | float | None,
    body: object,
    severity_text: str | None,
    severity_number: int,
    logger: object,
    trace_id: str | None,
    span_id: str | None,
    attributes: Mapping[str, Any],
    resource: Mapping[str, Any],
) -> bytes:
    """Return the line of a ``log`` event.

    Args:
        ts: as an event's; None is the time of arrival.
        body: the message; what is no text becomes its JSON.
        severity_text: the level's name, or None.
        severity_number: OpenTelemetry's severity, 1 to 24, or 0.
        logger: the logger's name, if it is a text.
        trace_id: 32 lower-case hex digits; anything else is left among the fields.
        span_id: kept beside it.
        attributes: ids that an event knows become its ids, the rest its fields.
        resource: what wrote the line, such as ``service.name``; fields too.
    """
    event: dict[str, Any] = {"type": "log"}
    if ts is not None:
        event["ts"] = ts
    event["level"] = severity_text or level_name(severity_number)
    event["message"] = body if isinstance(body, str) else _encode(body).decode()
    if isinstance(logger, str) and logger:
        event["logger"] = logger
    fields = {**resource, **attributes}
    if trace_id:
        if _TRACE_ID.fullmatch(trace_id):
            event["trace_id"] = trace_id
        else:
            fields["trace_id"] = trace_id
    if span_id:
        event["span_id"] = span_id
    for name, longest in _IDS.items():
        value = fields.get(name)
        if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable():
            event[name] = fields.pop(name)
    if fields:
        event["fields"] = fields
    return _encode(event)


def level_name(severity_number: int) -> str:
    """Return the name of one of OpenTelemetry's severities; INFO for none."""
    return next((name for least, name in _LEVELS if severity_number >= least), "INFO")
