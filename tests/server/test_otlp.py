"""OpenTelemetry's logs protocol, sent by hand and by OpenTelemetry's own SDK."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import requests

from plumbline import otlp

ATTRIBUTES = {"stringValue": "r-1"}


def record(**fields: Any) -> dict[str, Any]:
    return {"timeUnixNano": "1700000000500000000", "severityNumber": 13, "body": {"stringValue": "hello"}, **fields}


def request(*records: Any) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}
    scopes = [{"scope": {"name": "app"}, "logRecords": list(records)}]
    return {"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]}


def pairs(**values: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def post(server: Any, found: Any, **headers: str) -> requests.Response:
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    return requests.post(
        f"{server.url}/v1/logs", data=body, headers={"Content-Type": "application/json", **headers}, timeout=10
    )


def stored(server: Any) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in server.engine.stored]


def test_any_record_is_a_log_event_and_ids_among_its_attributes_are_its_ids(server: Any) -> None:
    attributes = pairs(
        request_id={"stringValue": "r-1"},
        count={"intValue": "5"},
        share={"doubleValue": 0.5},
        on={"boolValue": True},
        many={"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "x"}, {}]}},
        map={"kvlistValue": {"values": pairs(a={"boolValue": False})}},
    )
    answer = post(server, request(record(attributes=attributes, traceId="A" * 32, spanId="b" * 16, unknown=[1])))
    assert (answer.status_code, answer.json()) == (200, {})
    assert stored(server) == [
        {
            "type": "log",
            "ts": 1700000000.5,
            "level": "WARNING",
            "message": "hello",
            "logger": "app",
            "trace_id": "a" * 32,
            "span_id": "b" * 16,
            "request_id": "r-1",
            "fields": {
                "service.name": "svc",
                "count": 5,
                "share": 0.5,
                "on": True,
                "many": [1, "x", None],
                "map": {"a": False},
            },
        }
    ]


@pytest.mark.parametrize(
    "named",
    [{"eventName": "plumbline.outcome"}, {"attributes": pairs(**{"event.name": {"stringValue": "plumbline.outcome"}})}],
)
@pytest.mark.parametrize(
    "body",
    [
        {
            "kvlistValue": {
                "values": pairs(request_id={"stringValue": "r"}, actual={"intValue": "3"}, more={"stringValue": "kept"})
            }
        },
        {"stringValue": '{"request_id": "r", "actual": 3, "more": "kept"}'},
    ],
)
def test_a_record_named_after_an_event_is_that_event(server: Any, named: dict[str, Any], body: dict[str, Any]) -> None:
    assert post(server, request(record(body=body, traceId="c" * 32, **named))).json() == {}
    assert stored(server) == [
        {"type": "outcome", "request_id": "r", "actual": 3, "more": "kept", "ts": 1700000000.5, "trace_id": "c" * 32}
    ]


def test_fields_may_be_attributes(server: Any) -> None:
    attributes = pairs(
        model={"stringValue": "m"},
        version={"stringValue": "1"},
        kpi={"stringValue": "k"},
        value={"doubleValue": 2.5},
        other={"stringValue": "x"},
    )
    post(server, request({"eventName": "plumbline.kpi", "attributes": attributes}))
    assert stored(server) == [{"type": "kpi", "model": "m", "version": "1", "kpi": "k", "value": 2.5}]


def test_bad_records_are_told_and_cost_no_other(server: Any) -> None:
    nested: dict[str, Any] = {"intValue": 1}
    for _ in range(50):
        nested = {"arrayValue": {"values": [nested]}}
    bad = [
        {"eventName": "plumbline.outcome", "body": {"stringValue": "no json"}},
        {"eventName": "plumbline.kpi"},
        5,
        record(timeUnixNano="soon"),
        record(body=nested),
        record(attributes=5),
        record(attributes=[{}]),
        record(body={"kvlistValue": {"values": [{}]}}),
        record(timeUnixNano="9" * 400),
    ]
    answer = post(server, request(*bad, record()))
    assert answer.status_code == 200
    said = answer.json()["partialSuccess"]
    assert said["rejectedLogRecords"] == "9"
    assert said["errorMessage"].startswith("record 1: bad_field")
    assert [event["message"] for event in stored(server)] == ["hello"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"5",
        b"{",
        b'{"resourceLogs": 5}',
        b'{"resourceLogs": [5]}',
        b'{"resourceLogs": [{"resource": {"attributes": [5]}}]}',
    ],
)
def test_what_is_no_export_request_is_refused_whole(server: Any, body: bytes) -> None:
    answer = post(server, body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_encoding")


def test_an_empty_request_and_gzip_are_fine(server: Any) -> None:
    assert post(server, {}).json() == {}
    assert (
        post(server, gzip.compress(json.dumps(request(record())).encode()), **{"Content-Encoding": "gzip"}).json() == {}
    )
    assert len(stored(server)) == 1


def test_a_resend_is_recognised(server: Any) -> None:
    for _ in range(2):
        post(server, request(record(), record(body={"stringValue": "other"})))
    assert len(stored(server)) == 2


def test_without_the_extra_protobuf_is_refused_with_the_remedy(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "has_protobuf", lambda: False)
    answer = post(server, b"\x0a", **{"Content-Type": "application/x-protobuf"})
    assert answer.status_code == 415
    assert "plumbline[otlp]" in answer.json()["detail"]


def test_a_damaged_protobuf_body_is_refused(server: Any) -> None:
    pytest.importorskip("opentelemetry.proto")
    assert post(server, b"\xff\xff", **{"Content-Type": "application/x-protobuf"}).status_code == 400


def test_pressure_is_answered_as_otlps_senders_expect(start: Callable[..., Any], engine: Any) -> None:
    server = start(queue_events=3)
    assert post(server, request(*[record()] * 4)).status_code == 413
    from plumbline.errors import StoreError

    engine.error = StoreError("planted")
    answer = post(server, request(record()))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    engine.error = None
    assert post(server, request(record())).status_code == 200


def test_records_beyond_what_the_queue_holds_are_not_even_looked_at() -> None:
    looked_at = []

    class Record(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            looked_at.append(self["n"])
            return super().get(key, default)

    with pytest.raises(otlp.TooMany):
        otlp._parse(request(*(Record(n=n) for n in range(1000))), 1.8e9, 3, str)
    assert set(looked_at) == {0, 1, 2}


def test_opentelemetrys_own_sdk_sends_events_and_log_lines(server: Any) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = LoggerProvider(Resource({"service.name": "scorer"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{server.url}/v1/logs")))
    tracer = TracerProvider().get_tracer("t")
    logger = provider.get_logger("scoring")
    with tracer.start_as_current_span("request") as span:
        body = {"request_id": "r", "model": "m", "version": "1", "features": {"x": 1.5, "s": "t"}, "prediction": "1"}
        logger.emit(event_name="plumbline.prediction", body=body)
        logger.emit(
            body="slow", attributes={"request_id": "r"}, severity_text="WARN", timestamp=1_700_000_000_000_000_000
        )
    provider.shutdown()
    prediction, line = stored(server)
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert {name: prediction[name] for name in body} == body
    assert prediction["type"] == "prediction"
    assert (prediction["trace_id"], line["trace_id"]) == (trace_id, trace_id)
    assert (line["level"], line["message"], line["request_id"], line["ts"]) == ("WARN", "slow", "r", 1.7e9)
    assert line["fields"]["service.name"] == "scorer"
    logging.getLogger("opentelemetry").handlers.clear()
