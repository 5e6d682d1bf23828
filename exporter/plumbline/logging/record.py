"""One log line as JSON: OpenTelemetry's field names, bounded in size, valid whatever is logged.

Reads levels, messages, ids and values of any kind; writes one line of ASCII. Line breaks, control
characters and U+2028 are escaped, lone surrogates become U+FFFD, NaN and infinities become texts (as in
protobuf's JSON), long texts are clipped with a mark, deep or wide values are cut.

Source: https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from plumbline.guard import guarded
from plumbline.ids import ID_NAMES, current_ids
from plumbline.tracecontext import active_span

TEXT_CHARS = 16_384
_DEPTH = 6
_ITEMS = 100
_VALUES = 1_000  # in one record altogether
_FIELD_CHARS = 128


@dataclass(frozen=True, slots=True)
class Resource:
    """What writes the lines; the same in each.

    Attributes:
        service: name of the service (``service.name``).
        version: its version (``service.version``).
        attributes: further ones.
    """

    service: str = ""
    version: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the Resource field of a record."""
        made: dict[str, Any] = {"host.name": socket.gethostname(), "process.pid": os.getpid()}
        if self.service:
            made["service.name"] = self.service
        if self.version:
            made["service.version"] = self.version
        return {**made, **self.attributes}


def severity_number(level: int) -> int:
    """Return OpenTelemetry's severity (1 to 24) of a level of the standard library."""
    for threshold, number in ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5)):
        if level >= threshold:
            return number
    return 1


def present_ids() -> dict[str, str]:
    """Return the ids of here and now; the trace of OpenTelemetry's active span goes before a bound one."""
    ids = dict(current_ids())
    span = active_span()
    if span is not None:
        ids["trace_id"], ids["span_id"], ids["trace_flags"] = span.trace_id, span.span_id, span.flags
    return ids


def build(
    *,
    time: float,
    level: int,
    level_name: str,
    body: str,
    logger: str,
    ids: Mapping[str, str],
    attributes: Mapping[str, Any],
    resource: Mapping[str, Any],
) -> dict[str, Any]:
    """Return one record with clean values, in the data model's names. Ids are attributes, the trace's not."""
    left = [_VALUES]
    own = {name: ids[name] for name in ID_NAMES if name in ids and name != "trace_id"}
    record: dict[str, Any] = {
        "Timestamp": datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "SeverityText": level_name,
        "SeverityNumber": severity_number(level),
        "Body": clean(body, left),
    }
    for name, theirs in (("TraceId", "trace_id"), ("SpanId", "span_id"), ("TraceFlags", "trace_flags")):
        if theirs in ids:
            record[name] = ids[theirs]
    record["Attributes"] = clean({**attributes, **own}, left)
    record["Resource"] = dict(resource)
    record["InstrumentationScope"] = {"Name": clean(logger, left)}
    return record


def line(record: Mapping[str, Any]) -> str:
    """Return a built record as one line, without line feed."""
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str)


def clean(value: object, left: list[int] | None = None, depth: int = 0) -> Any:
    """Return JSON's own types for any value, bounded in depth, width and length."""
    left = [_VALUES] if left is None else left
    left[0] -= 1
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clip(value)
    if isinstance(value, int):
        # Beyond 64 bits other readers of JSON lose digits or fail; and huge ones cannot even be printed.
        return int(value) if -(2**63) <= value < 2**64 else f"<int of {value.bit_length()} bits>"
    if isinstance(value, float):
        return (
            float(value) if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
        )
    if depth >= _DEPTH or left[0] <= 0:
        return "<cut>"
    return guarded(lambda: _clean_other(value, left, depth), lambda error: _unreadable(value, error))


def _clean_other(value: object, left: list[int], depth: int) -> Any:
    if isinstance(value, Mapping):
        made: dict[str, Any] = {}
        for number, (key, item) in enumerate(value.items()):
            if number >= _ITEMS or left[0] <= 0:
                made["<cut>"] = len(value) - number
                break
            made[clip(str(key), _FIELD_CHARS)] = clean(item, left, depth + 1)
        return made
    if isinstance(value, bytes | bytearray):
        return clip(bytes(value[:TEXT_CHARS]).decode("utf-8", "backslashreplace"))
    if isinstance(value, Sequence | set | frozenset):
        items: list[Any] = []
        for number, item in enumerate(value):
            if number >= _ITEMS or left[0] <= 0:
                items.append(f"<cut: {len(value) - number} more>")
                break
            items.append(clean(item, left, depth + 1))
        return items
    if type(value).__module__.partition(".")[0] == "numpy" and getattr(value, "ndim", 1) == 0:
        return clean(value.item(), left, depth + 1)  # type: ignore[attr-defined]
    return clip(str(value))


def _unreadable(value: object, error: Exception) -> str:
    return f"<{type(value).__name__} cannot be shown: {type(error).__name__}>"


def clip(text: str, limit: int = TEXT_CHARS) -> str:
    """Return a text without lone surrogates, with a mark where it was cut."""
    if len(text) > limit:
        text = f"{text[:limit]}…[{len(text) - limit} characters cut]"
    if text.isascii():
        return str(text)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
