"""OpenTelemetry's logs protocol (OTLP/HTTP) as events: what a collector or an SDK's exporter sends.

Reads the body of ``POST /v1/logs``, as JSON or, where ``opentelemetry-proto`` is installed, as protobuf;
writes ``Parsed``. A log record whose event name is ``plumbline.prediction``, ``plumbline.outcome`` and so on
is that event, with its fields in the body or among the attributes; any other record is a ``log`` event.

Source: https://opentelemetry.io/docs/specs/otlp/ and https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import msgspec

from plumbline.events.kinds import KIND_OF, Event
from plumbline.events.lines import TooMany, mended
from plumbline.events.parse import parse_line
from plumbline.events.parsed import Item, Parsed, Rejected
from plumbline.loglines import log_event

CONTENT_TYPE_PROTOBUF = "application/x-protobuf"
_PREFIX = "plumbline."
_FIELDS = {KIND_OF[kind]: frozenset(kind.__struct_fields__) for kind in get_args(Event)}
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_MAX_DEPTH = 20


class OtlpError(Exception):
    """The body is no export request."""


def has_protobuf() -> bool:
    """Whether protobuf bodies can be read here."""
    try:
        return importlib.util.find_spec("opentelemetry.proto") is not None
    except ModuleNotFoundError:
        return False


def parse_json(body: bytes, now: float, most: int) -> Parsed:
    """Return the events of a JSON export request of at most ``most`` records.

    Raises:
        OtlpError: it is none.
        TooMany: it holds more.
    """
    try:
        request = _decode(mended(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OtlpError(f"no JSON object: {error}") from error
    return _parse(request, now, most, lambda text: text.lower())


def parse_protobuf(body: bytes, now: float, most: int) -> Parsed:
    """Return the events of a protobuf export request of at most ``most`` records.

    Raises:
        OtlpError: it is none.
        TooMany: it holds more.
    """
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise OtlpError(f"no export request: {error}") from error
    # In protobuf's own JSON bytes are base64; in OTLP's JSON ids are hexadecimal.
    return _parse(MessageToDict(request), now, most, _hex)


def answer(parsed: Parsed, protobuf: bool) -> bytes:
    """Return the body of the answer: nothing to say, or how many records were rejected and why the first."""
    rejected = len(parsed.rejected)
    first = parsed.rejected[0] if rejected else None
    message = "" if first is None else f"record {first.line}: {first.reason}: {first.detail}"
    if protobuf:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

        response = ExportLogsServiceResponse()
        if rejected:
            response.partial_success.rejected_log_records = rejected
            response.partial_success.error_message = message
        return bytes(response.SerializeToString())
    said = {"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": message}}
    return _encode(said if rejected else {})


def _parse(request: Mapping[str, Any], now: float, most: int, as_id: Callable[[str], str]) -> Parsed:
    events: list[Item] = []
    rejected: list[Rejected] = []
    number = 0
    for record, resource, scope in _records(request):
        number += 1
        if number > most:  # before more is made of them: bad records cost a hundred times their bytes
            raise TooMany
        try:
            line = _line(record, resource, scope, as_id)
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
            rejected.append(Rejected(number, "bad_field", f"no log record of OTLP's: {error}"[:300]))
            continue
        item = parse_line(line, now)
        if isinstance(item, Item):
            events.append(item)
        else:
            rejected.append(Rejected(number, *item))
    return Parsed(events, rejected, number)


def _records(request: Mapping[str, Any]) -> Iterator[tuple[Any, dict[str, Any], object]]:
    """Yield each log record with its resource's attributes and its scope's name."""
    try:
        for by_resource in request.get("resourceLogs") or ():
            resource = _pairs((by_resource.get("resource") or {}).get("attributes"))
            for by_scope in by_resource.get("scopeLogs") or ():
                scope = (by_scope.get("scope") or {}).get("name")
                for record in by_scope.get("logRecords") or ():
                    yield record, resource, scope
    except (AttributeError, TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise OtlpError(f"no export request of OTLP's: {error}") from error


def _line(record: Mapping[str, Any], resource: dict[str, Any], scope: object, as_id: Callable[[str], str]) -> bytes:
    attributes = _pairs(record.get("attributes"))
    name = record.get("eventName") or attributes.get("event.name") or ""
    nanoseconds = int(record.get("timeUnixNano") or 0) or int(record.get("observedTimeUnixNano") or 0)
    ts = nanoseconds / 1e9 if nanoseconds else None
    trace_id = as_id(record["traceId"]) if record.get("traceId") else None
    body = _value(record.get("body") or {})
    kind = str(name).removeprefix(_PREFIX)
    if kind in _FIELDS and str(name).startswith(_PREFIX):
        return _event(kind, body, attributes, ts, trace_id)
    span_id = as_id(record["spanId"]) if record.get("spanId") else None
    number = record.get("severityNumber") or 0
    if not isinstance(number, int):  # protobuf's JSON names it: SEVERITY_NUMBER_WARN2
        number = _severity(str(number))
    return log_event(
        ts=ts,
        body=body,
        severity_text=record.get("severityText") or None,
        severity_number=number,
        logger=scope,
        trace_id=trace_id,
        span_id=span_id,
        attributes=attributes,
        resource=resource,
    )


def _event(kind: str, body: object, attributes: dict[str, Any], ts: float | None, trace_id: str | None) -> bytes:
    """Return the event that a record carries; what the body says goes before attributes and record."""
    if isinstance(body, str):
        body = msgspec.json.decode(body or "{}")
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise TypeError(f"the body of a plumbline.{kind} is a map of its fields, or their JSON")
    event = {name: value for name, value in attributes.items() if name in _FIELDS[kind]}
    event |= {name: value for name, value in (("ts", ts), ("trace_id", trace_id)) if value is not None}
    return _encode({**event, **body, "type": kind})


def _pairs(pairs: Any) -> dict[str, Any]:
    return {str(pair["key"]): _value(pair.get("value") or {}) for pair in pairs or ()}


def _value(value: Mapping[str, Any], depth: int = 0) -> Any:
    """Return OTLP's AnyValue as JSON's own."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"values are nested deeper than {_MAX_DEPTH}")
    for kind, content in value.items():
        if kind == "intValue":
            return int(content)
        if kind == "doubleValue":
            return float(content)  # also "NaN" and "Infinity", which become null
        if kind == "arrayValue":
            return [_value(one, depth + 1) for one in content.get("values") or ()]
        if kind == "kvlistValue":
            return {str(p["key"]): _value(p.get("value") or {}, depth + 1) for p in content.get("values") or ()}
        if kind in ("stringValue", "boolValue", "bytesValue"):
            return content
    return None


def _severity(name: str) -> int:
    ranges = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}
    plain = name.removeprefix("SEVERITY_NUMBER_")
    return ranges.get(plain.rstrip("234"), 0)


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()
