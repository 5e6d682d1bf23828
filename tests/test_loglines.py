from __future__ import annotations

import io
import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.events.kinds import Log
from plumbline.events.parse import parse_line
from plumbline.events.parsed import Item
from plumbline.ids import bind
from plumbline.logging import IdFilter, JsonFormatter, Resource
from plumbline.loglines import level_name

NOW = 1.8e9


def taken(record: dict[str, Any]) -> Log:
    item = parse_line(json.dumps(record).encode(), NOW)
    assert isinstance(item, Item), item
    assert isinstance(item.event, Log)
    return item.event


@given(
    message=st.text(),
    logger=st.text(min_size=1),
    request=st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=64),
    level=st.sampled_from([10, 20, 30, 40, 50]),
)
def test_every_line_of_plumbline_logging_is_an_event_with_its_ids(
    message: str, logger: str, request: str, level: int
) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter(Resource("svc", "3")))
    handler.addFilter(IdFilter())
    record = logging.LogRecord(logger, level, "app.py", 7, "%s", (message,), None)
    with bind(request_id=request, model="m", version="1", data_batch_id="b", run_id="run", trace_id="a" * 32):
        handler.handle(record)
    line = written.getvalue().encode().strip()
    item = parse_line(line, time.time())
    assert isinstance(item, Item), item
    event = item.event
    assert isinstance(event, Log)
    whole = json.loads(line)
    assert (event.level, event.message, event.logger) == (
        whole["SeverityText"],
        whole["Body"],
        whole["InstrumentationScope"]["Name"] or None,
    )
    assert (event.request_id, event.model, event.version, event.data_batch_id, event.run_id, event.trace_id) == (
        request,
        "m",
        "1",
        "b",
        "run",
        "a" * 32,
    )
    assert event.fields is not None
    assert event.fields["service.name"] == "svc"
    assert abs(item.ts - record.created) < 1e-5
    assert parse_line(line, time.time()).identity == item.identity  # type: ignore[union-attr]


def test_ids_that_no_event_may_have_stay_among_the_fields() -> None:
    event = taken(
        {
            "Timestamp": 1.7e9,
            "SeverityNumber": 17,
            "Body": {"a": [1]},
            "TraceId": "0" * 32,
            "Attributes": {"request_id": "a\nb", "model": 5, "run_id": "x" * 300, "version": "2"},
        }
    )
    assert (event.level, event.message, event.trace_id, event.version) == ("ERROR", '{"a":[1]}', None, "2")
    assert event.fields == {"request_id": "a\nb", "model": 5, "run_id": "x" * 300, "trace_id": "0" * 32}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"Body":"x"}', "missing_field"),
        (b'{"SeverityText":"INFO"}', "missing_field"),
        (b'{"Body":"x","SeverityText":5}', "missing_field"),
        (b'{"Body":"x","SeverityText":"I","Timestamp":"soon"}', "bad_timestamp"),
        (b'{"Body":"x","SeverityText":"I","Attributes":{"a":"\xff"}}', "bad_json"),
        (b'{"Body":' + b"[" * 5000 + b"]" * 5000 + b',"SeverityText":"I"}', "bad_json"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_log_line_is_rejected_as_before(line: bytes, reason: str) -> None:
    found = parse_line(line, NOW)
    assert isinstance(found, tuple)
    assert found[0] == reason


def test_levels_follow_opentelemetrys_ranges() -> None:
    names = [level_name(number) for number in (1, 5, 8, 9, 12, 13, 17, 21, 24, 0)]
    assert names == ["TRACE", "DEBUG", "DEBUG", "INFO", "INFO", "WARNING", "ERROR", "CRITICAL", "CRITICAL", "INFO"]
