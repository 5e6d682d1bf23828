from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline import keys, names
from plumbline.events.checks import MAX_INPUTS
from plumbline.events.kinds import Prediction
from plumbline.events.parse import parse, parse_line
from plumbline.events.parsed import Item
from plumbline.keys import request_key

GOOD = {"type": "prediction", "request_id": "r", "model": "m", "version": "1", "features": {"a": 1.5}, "prediction": 1}


def line(**changes: object) -> bytes:
    return json.dumps({k: v for k, v in {**GOOD, **changes}.items() if v is not ...}).encode()


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        (b"{", "bad_json", "truncated"),
        (b"\xff\xfe", "bad_json", "malformed"),
        (b'{"type":"log","level":"x","message":"m","other":"\xff"}', "bad_json", "utf-8"),
        (b'{"type":"log","level":"x","message":"\\ud800"}', "bad_json", ""),
        (line(prediction=...).replace(b"1.5", b"NaN"), "bad_json", "malformed"),
        (b'{"type":"log","level":"a","message":"b","fields":' + b'{"a":' * 9999 + b"1" + b"}" * 10000, "bad_json", ""),
        (b"[1]", "bad_field", "Expected `object`"),
        (line(type="guess"), "unknown_type", "'guess'"),
        (line(type=...), "missing_field", "`type`"),
        (line(request_id=...), "missing_field", "`request_id`"),
        (line(prediction=...), "missing_field", "`prediction`"),
        (line(features={"a": [1]}), "bad_field", "$.features[...]"),
        (line(latency=-1), "bad_field", "latency must be from 0"),
        (line(score=1.01), "bad_field", "score must be from 0 to 1"),
        (line(scores={"a": 1, "b": 1e200}), "bad_field", "scores['b'] must be from 0 to 1"),
        (line(prediction=1e101), "bad_field", "prediction must be from"),
        (line(prediction=10**400), "bad_field", "prediction must be from"),
        (line(model=""), "bad_field", "model must have 1 to 128"),
        (line(model="x" * 129), "bad_field", "model must have 1 to 128"),
        (line(request_id=""), "bad_id", "1 to 256 characters, not 0"),
        (line(request_id="a\nb"), "bad_id", "control or unprintable"),
        (line(request_id="a\u2028b"), "bad_id", "control or unprintable"),
        (line(event_id="\x00"), "bad_id", "event_id"),
        (line(trace_id="0" * 32), "bad_id", "trace_id must be 32"),
        (line(trace_id="ABC"), "bad_id", "trace_id must be 32"),
        (line(ts="yesterday"), "bad_timestamp", "yesterday"),
        (line(ts="2013-04-01T09:00:00"), "bad_timestamp", "no time zone"),
        (line(ts=1700000000000), "bad_timestamp", "milliseconds, perhaps?"),
        (line(ts=90_000), "bad_timestamp", "more than a day ahead"),
        (line(padding="x" * 1_100_000), "line_too_long", "at most 1048576"),
    ],
)
def test_a_bad_line_is_rejected_with_its_reason(text: bytes, reason: str, detail: str) -> None:
    got = parse_line(text, 1.0)
    assert not isinstance(got, Item)
    assert got[0] == reason
    assert got[0] in names.REJECT_REASONS
    assert detail in got[1]


def test_only_the_bad_line_is_rejected_and_named_by_its_number() -> None:
    parsed = parse(b"\n".join([line(request_id="a"), b"", b"oops", line(request_id="b")]) + b"\r\n", 7.0)
    assert [i.event.request_id for i in parsed.events if isinstance(i.event, Prediction)] == ["a", "b"]
    assert [(r.line, r.reason) for r in parsed.rejected] == [(3, "bad_json")]
    assert parsed.lines == 3


@pytest.mark.parametrize(
    ("ts", "seconds"),
    [
        ("2013-04-01T09:00:00Z", 1364806800.0),
        ("2013-04-01T05:00:00-04:00", 1364806800.0),
        (12.5, 12.5),
        (None, 1.4e9),
        (1.4e9 + 60, 1.4e9),
    ],
)
def test_times_are_rfc_3339_or_epoch_seconds_and_default_to_now(ts: object, seconds: float) -> None:
    assert parse(line(ts=ts), 1.4e9).events[0].ts == seconds


def test_the_same_request_of_another_version_is_another_event() -> None:
    one, same, other = (parse(line(version=v), 0.0).events[0] for v in ("1", "1", "2"))
    assert one.identity == same.identity != other.identity
    assert one.key == same.key == other.key == request_key("r")


def test_an_event_id_decides_what_a_resend_is() -> None:
    a, b = (parse(line(event_id="e", latency=x), 0.0).events[0] for x in (1, 2))
    assert a.identity == b.identity
    assert a.explicit


@given(st.binary(max_size=300))
def test_any_bytes_are_answered_line_by_line(data: bytes) -> None:
    parsed = parse(data, 0.0)
    assert parsed.lines == sum(1 for text in data.split(b"\n") if text.strip())
    assert len(parsed.events) + len(parsed.rejected) == parsed.lines


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_answered(value: object) -> None:
    parse(json.dumps({"type": "prediction", "features": value}).encode(), 0.0)
    parse(json.dumps(value).encode(), 0.0)


def item(**event: object) -> Item:
    found = parse_line(json.dumps(event).encode(), 1.0)
    assert isinstance(found, Item), found
    return found


def test_an_event_is_found_under_everything_it_belongs_to() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    run = {"type": "pipeline", "pipeline": "p", "stage": "s", "run_id": "u", "status": "succeeded"}
    assert item(**GOOD).links == ()
    assert item(**GOOD, data_batch_id="b").links == (keys.batch_key("b"),)
    assert item(**run, data_batch_id="b", inputs=["i", "j", "i"]).links == (
        keys.run_key("u"),
        keys.made_key("b"),
        keys.input_key("i"),
        keys.input_key("j"),
    )
    deployed = item(type="deployment", model="m", version="1", stage="canary")
    assert deployed.links == (keys.model_key("m"),)
    line = item(type="log", level="i", message="m", request_id="r", trace_id=trace, run_id="u", data_batch_id="b")
    assert line.links == (
        keys.request_log_key("r"),
        keys.trace_log_key(trace),
        keys.batch_log_key("b"),
        keys.run_log_key("u"),
    )


def test_log_lines_do_not_crowd_the_key_of_their_request() -> None:
    line = item(type="log", level="i", message="m", request_id="r")
    assert line.key == line.identity
    assert line.key != request_key("r")


def test_an_events_own_id_is_a_link_where_it_is_not_the_key() -> None:
    known = item(**GOOD, event_id="e", data_batch_id="b")
    assert known.links == (keys.batch_key("b"), known.identity)
    alone = item(type="log", level="i", message="m", event_id="e")
    assert (alone.key, alone.links) == (alone.identity, ())


@pytest.mark.parametrize(
    ("inputs", "reason"), [(["x"] * (MAX_INPUTS + 1), "bad_field"), (["a\nb"], "bad_id"), ([""], "bad_id")]
)
def test_inputs_of_a_run_are_ids_and_not_too_many(inputs: list[str], reason: str) -> None:
    run = {"type": "pipeline", "pipeline": "p", "stage": "s", "run_id": "u", "status": "succeeded"}
    found = parse_line(json.dumps({**run, "inputs": inputs}).encode(), 1.0)
    assert isinstance(found, tuple)
    assert found[0] == reason
