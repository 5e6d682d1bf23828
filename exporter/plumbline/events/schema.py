"""The events' JSON Schema, for senders in any language, for a schema registry, for Kafka and contracts.

Reads the structs of ``plumbline.events.kinds`` and the bounds that its checks demand; writes
``docs/events.schema.json`` (by ``plumbline generate``). A test holds schema and parser against each other.
The parser is stricter in what a schema cannot say: see ``docs/events.md``.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from plumbline.events.checks import HUGE, MAX_INPUTS
from plumbline.events.kinds import Event
from plumbline.generated import GeneratedFile
from plumbline.loglines import MAX_ID_CHARS, MAX_NAME_CHARS
from plumbline.names import CONTROLS
from plumbline.values import ROUNDING

PATH = "docs/events.schema.json"
# What Python calls unprintable, as far as a regular expression without Unicode classes can say it.
_PRINTABLE = "^[^\\u0000-\\u001f\\u007f-\\u00a0\\u00ad\\u2028\\u2029]*$"
_ID = {"minLength": 1, "maxLength": MAX_ID_CHARS, "pattern": _PRINTABLE}
_NAME = {"minLength": 1, "maxLength": MAX_NAME_CHARS, "pattern": f"^[^{CONTROLS}]*$"}


def _between(low: float, high: float) -> dict[str, float]:
    return {"minimum": low, "maximum": high}


_ALL: dict[str, dict[str, Any]] = {
    "ts": {"description": "RFC 3339 or epoch seconds, at most a day ahead; absent: the time of arrival"},
    "event_id": {**_ID, "description": "makes a resend recognisable; docs/adr/0003 says what else does"},
    "trace_id": {"pattern": "^(?!0{32})[0-9a-f]{32}$", "description": "of W3C trace context"},
    "request_id": _ID,
    "data_batch_id": _ID,
    "run_id": _ID,
    "model": _NAME,
    "version": _NAME,
}
_ROWS = _between(0, 1e15)
# By struct; ``_ALL`` holds for each that has the field.
_BOUNDS: dict[str, dict[str, dict[str, Any]]] = {
    "Prediction": {
        "prediction": _between(-HUGE, HUGE),
        "score": _between(-ROUNDING, 1 + ROUNDING),
        "latency": _between(0, 1e6),
        "scores": {"additionalProperties": _between(-ROUNDING, 1 + ROUNDING)},
    },
    "Outcome": {"actual": _between(-HUGE, HUGE)},
    "PipelineEvent": {
        "pipeline": _NAME,
        "stage": _NAME,
        "duration": _between(0, 1e9),
        "rows_in": _ROWS,
        "rows_out": _ROWS,
        "rows_rejected": _ROWS,
        "inputs": {"maxItems": MAX_INPUTS, "items": {"type": "string", **_ID}},
    },
    "Deployment": {"commit": _NAME, "baseline": _NAME},
    "Kpi": {"kpi": _NAME, "value": _between(-HUGE, HUGE)},
}
_LOG_LINE = {
    "title": "LogLine",
    "description": "A log line in OpenTelemetry's field names (docs/adr/0008); taken as a log event.",
    "type": "object",
    "properties": {
        "Timestamp": {"type": ["string", "number", "null"]},
        "SeverityText": {"type": ["string", "null"]},
        "SeverityNumber": {"type": ["integer", "null"]},
        "Body": True,
        "TraceId": {"type": ["string", "null"]},
        "SpanId": {"type": ["string", "null"]},
        "Attributes": {"type": "object"},
        "Resource": {"type": "object"},
        "InstrumentationScope": {"type": "object"},
    },
    "required": ["Body"],
    "anyOf": [
        {"required": ["SeverityText"], "properties": {"SeverityText": {"type": "string"}}},
        {"required": ["SeverityNumber"], "properties": {"SeverityNumber": {"type": "integer"}}},
    ],
    "not": {"required": ["type"]},
}


def schema() -> dict[str, Any]:
    """Return the schema of one event, JSON Schema 2020-12."""
    made = msgspec.json.schema(Event)
    definitions = made["$defs"]
    for name, definition in definitions.items():
        for field, stated in definition["properties"].items():
            stated.update({**_ALL.get(field, {}), **_BOUNDS.get(name, {}).get(field, {})})
    definitions["Prediction"]["anyOf"] = [
        {"required": ["status"], "properties": {"status": {"const": "error"}}},
        {"required": ["prediction"], "properties": {"prediction": {"not": {"type": "null"}}}},
    ]
    definitions["LogLine"] = _LOG_LINE
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Plumbline event",
        "description": "One line of POST /v1/events. Fields that are not named here are kept in the store.",
        "anyOf": [*made["anyOf"], {"$ref": "#/$defs/LogLine"}],
        "$defs": definitions,
    }


def generated() -> GeneratedFile:
    """Return the schema's file. It depends on this version of Plumbline only."""
    return GeneratedFile(PATH, json.dumps(schema(), indent=2, sort_keys=True) + "\n")
