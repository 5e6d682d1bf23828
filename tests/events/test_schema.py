"""Schema and parser against each other: what one takes the other takes, but for what a schema cannot say."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from plumbline.events.parse import parse_line
from plumbline.events.parsed import Item
from plumbline.events.schema import PATH, schema
from support.search import examples

ROOT = Path(__file__).parents[2]
NOW = 1.8e9
SCHEMA = schema()
VALIDATOR = Draft202012Validator(SCHEMA)

WHOLE: list[dict[str, Any]] = [
    {
        "type": "prediction",
        "ts": 1.7e9,
        "event_id": "e",
        "trace_id": "a" * 32,
        "request_id": "r",
        "model": "m",
        "version": "1",
        "features": {"x": 1.5, "n": 2, "s": "t", "b": True, "z": None},
        "prediction": "yes",
        "score": 0.5,
        "scores": {"yes": 0.5},
        "latency": 0.01,
        "status": "ok",
        "slices": {"region": "north"},
        "data_batch_id": "b",
    },
    {"type": "outcome", "ts": "2026-11-25T10:00:00Z", "request_id": "r", "actual": 3, "correction": True},
    {
        "type": "pipeline",
        "pipeline": "p",
        "stage": "load",
        "run_id": "run",
        "status": "succeeded",
        "data_batch_id": "b",
        "duration": 3.5,
        "rows_in": 5,
        "rows_out": 4,
        "rows_rejected": 1,
        "data_ts": 1.7e9,
        "inputs": ["a", "b"],
        "checks": [{"name": "c", "passed": True}],
    },
    {
        "type": "deployment",
        "model": "m",
        "version": "1",
        "stage": "production",
        "commit": "c",
        "training_data": "t",
        "config": {"any": [1]},
        "baseline": "d",
    },
    {"type": "kpi", "model": "m", "version": "1", "kpi": "k", "value": -2.5, "request_id": "r"},
    {
        "type": "log",
        "level": "INFO",
        "message": "m",
        "logger": "l",
        "request_id": "r",
        "model": "m",
        "version": "1",
        "data_batch_id": "b",
        "run_id": "run",
        "fields": {"a": {"b": []}},
    },
    {"type": "recomputed", "request_id": "r", "features": {"x": 1.5, "s": None}, "model": "m", "version": "1"},
    {
        "Timestamp": "2026-11-25T10:00:00Z",
        "SeverityText": "INFO",
        "SeverityNumber": 9,
        "Body": {"a": 1},
        "TraceId": "a" * 32,
        "SpanId": "b" * 16,
        "Attributes": {"request_id": "r"},
        "Resource": {"service.name": "s"},
        "InstrumentationScope": {"Name": "l"},
    },
]
ODD = [
    None,
    "",
    "x",
    "x" * 128,
    "x" * 129,
    "x" * 256,
    "x" * 257,
    "a\nb",
    "a\x00",
    "a\u2028b",
    "é",
    "ok",
    "error",
    "0" * 32,
    "F" * 32,
    0,
    1,
    -1,
    2,
    0.5,
    1.5,
    -0.1,
    3.0,
    1e101,
    -1e101,
    1e100,
    2e15,
    2e6,
    True,
    False,
    [],
    {},
    ["a", ""],
    ["x"] * 1001,
    [1],
    {"a": 0.5},
    {"a": 1.5},
    {"a": "t"},
    {"a": None},
    {"a": {}},
    {"a": []},
    [{"name": "n", "passed": True}],
    [{"name": "n"}],
    [{"name": 1, "passed": 1}],
    {"Name": 5},
]


def is_integral(event: Any) -> bool:
    """Whether a log line's number is written as 3.0."""
    return isinstance(event, dict) and isinstance(event.get("SeverityNumber"), float)


def agree(event: Any) -> None:
    found = parse_line(json.dumps(event).encode(), NOW)
    takes = VALIDATOR.is_valid(event)
    if isinstance(found, Item):
        assert takes, (event, [e.message for e in VALIDATOR.iter_errors(event)])
    elif found[0] != "bad_timestamp" and "must be a whole number" not in found[1] and not is_integral(event):
        # Times are in no schema; to a schema 3.0 is an integer, to the parser it is none.
        assert not takes, (event, found)


@pytest.mark.parametrize("event", WHOLE, ids=lambda e: e.get("type", "log line"))
def test_every_field_of_every_kind_with_every_odd_value(event: dict[str, Any]) -> None:
    agree(event)
    assert VALIDATOR.is_valid(event)
    names = list(event)
    for name in names:
        without = {key: value for key, value in event.items() if key != name}
        agree(without)
        for value in ODD:
            agree({**event, name: value})
    agree({**event, "unknown": {"kept": [1]}})


@settings(max_examples=examples(200))
@given(
    base=st.sampled_from(WHOLE),
    other=st.sampled_from(WHOLE),
    changes=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(ODD)), max_size=3),
    mix=st.booleans(),
)
def test_several_changes_at_once(base: dict[str, Any], other: dict[str, Any], changes: list[Any], mix: bool) -> None:
    event = copy.deepcopy({**other, **base} if mix else base)
    for at, value in changes:
        event[list(event)[at % len(event)]] = value
    agree(event)


@pytest.mark.parametrize("event", [None, 5, "x", [], {}, {"type": "nonsense"}, {"type": 5}, {"type": "alert"}])
def test_what_is_no_event_is_neithers(event: Any) -> None:
    agree(event)
    assert not VALIDATOR.is_valid(event)


def test_the_schema_is_sound_and_the_file_is_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads((ROOT / PATH).read_text()) == SCHEMA


def test_the_documents_examples_are_events() -> None:
    text = (ROOT / "docs" / "events.md").read_text()
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith('{"type"')]
    assert len(examples) >= 6
    for example in examples:
        assert VALIDATOR.is_valid(json.loads(example)), example
        assert isinstance(parse_line(example.encode(), NOW), Item), example
