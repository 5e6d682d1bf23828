from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline import keys, names
from plumbline.events.checks import MAX_INPUTS
from plumbline.events.kinds import Prediction
from plumbline.events.lines import TooMany, stored_json
from plumbline.events.parse import parse, parse_line
from plumbline.events.parsed import Item
from plumbline.keys import request_key

GOOD = {"type": "prediction", "request_id": "r", "model": "m", "version": "1", "features": {"a": 1.5}, "prediction": 1}


def line(**changes: object) -> bytes:
    return json.dumps({k: v for k, v in {**GOOD, **changes}.items() if v is not ...}).encode()


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        (b"{", "bad_json", "at character 2; send one JSON object a line"),
        (b'{"a": ' + b"1" * 5000 + b", bad", "bad_json", "a number of thousands of digits"),
        (line(ts="+43 660 123 45 67"), "bad_timestamp", "ts: a text is not a time"),
        (b"\xff\xfe", "bad_json", "byte 1 is not UTF-8: send UTF-8"),
        (b'{"type":"log","level":"x","message":"m","other":"\xff"}', "bad_json", "byte 50 is not UTF-8"),
        (b'{"type":"log","level":"x","message":"\\ud800"}', "bad_json", ""),
        (line(features={"a": 1.5}).replace(b"1.5", b"nan"), "bad_json", "expecting value at character 91"),
        (b'{"type":"log","level":"a","message":"b","fields":' + b'{"a":' * 9999 + b"1" + b"}" * 10000, "bad_json", ""),
        (b"[1]", "bad_field", "the line is a list: it must be an object"),
        (line(type="guess"), "unknown_type", "type is a text: write one of prediction, outcome"),
        (line(type=...), "missing_field", "the field 'type' is missing: add it"),
        (line(request_id=...), "missing_field", "the field 'request_id' is missing: add it"),
        (line(prediction=...), "missing_field", "the field 'prediction' is missing: add it"),
        (line(features={"a": [1]}), "bad_field", "features['a'] is a list: it must be"),
        (line(latency=-1), "bad_field", "latency is -1.0: it must be from 0"),
        (line(score=1.01), "bad_field", "score is 1.01: it must be from 0 to 1"),
        (line(scores={"a": 1, "b": 1e200}), "bad_field", "scores['b'] is 1e+200: it must be from 0 to 1"),
        (line(prediction=1e101), "bad_field", "prediction is 1e+101: it must be from"),
        (line(prediction=10**400), "bad_field", "…: it must be from -1e+100 to 1e+100"),
        (line(model=""), "bad_field", "model must have 1 to 128"),
        (line(model="x" * 129), "bad_field", "model must have 1 to 128"),
        (line(request_id=""), "bad_id", "1 to 256 characters, not 0"),
        (line(request_id="a\nb"), "bad_id", "control or unprintable"),
        (line(request_id="a\u2028b"), "bad_id", "control or unprintable"),
        (line(event_id="\x00"), "bad_id", "event_id"),
        (line(trace_id="0" * 32), "bad_id", "trace_id must be 32"),
        (line(trace_id="ABC"), "bad_id", "trace_id must be 32"),
        (line(ts="yesterday"), "bad_timestamp", "ts: a text is not a time"),
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


PIPELINE = {"type": "pipeline", "pipeline": "p", "stage": "s", "run_id": "1", "status": "failed"}
TWICE = b'{"type":"log","level":[1],"message":"m","level":"x"}'


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (line(features={"x": 1, "age": {"years": 41}}), "features['age'] is an object: it must be"),
        (line(features={"x": 1}).replace(b"1}", b"1e400}"), "features['x'] is beyond what a number can hold"),
        (line(slices={"shop": ["a"]}), "slices['shop'] is a list"),
        (line(scores={"a": None}), "scores['a'] is null: it must be a number"),
        (line(score="0.5"), "score is '0.5': it must be a number or null; write it without quotes"),
        (line(score="Erika Mustermann"), "score is a text: it must be a number or null"),
        (line(request_id=7), "request_id is 7: it must be a text; write it in quotes"),
        (line(status="OK"), "status is 'OK' (did you mean 'ok'?): write one of ok, error"),
        (line(status=5), "status is 5: write one of ok, error"),
        (line(type="Prediction"), "type is 'Prediction' (did you mean 'prediction'?): write one of prediction,"),
        (line(request_id=..., requestId="r"), "'request_id' is missing (is it what you call 'requestId'?): add it"),
        (json.dumps({**PIPELINE, "status": "SUCCESS"}).encode(), "(did you mean 'succeeded'?): write one of started,"),
        (json.dumps({**PIPELINE, "rows_in": 1.5}).encode(), "rows_in is 1.5: it must be a whole number or null"),
        (json.dumps({**PIPELINE, "checks": [{"name": "c"}]}).encode(), "'passed' of checks.0 is missing: add it"),
        (json.dumps({**PIPELINE, "inputs": ["a", 1]}).encode(), "inputs[1] is 1: it must be a text"),
        (json.dumps({**PIPELINE, "data_ts": "soon"}).encode(), "data_ts: "),
        (b"{'type': 'log'}", "expecting property name enclosed in double quotes at character 2"),
        (b'{"type":"outcome","request_id":"r","actual":NaN}', "actual is null: it must be true or false, a number"),
        (b'{"type":"outcome","request_id":"r","actual":NaN}', "(NaN and infinities are taken as null)"),
        (b'{"type":"log","level":"x","message":"' + b"9" * 5000 + b'","a":' + b"9" * 5000 + b',"level":5}', "level"),
        (TWICE, "level"),
        (b'{"type":"pipeline","pipeline":"p","stage":"s","run_id":"1","status":"Erika Mustermann","type":"x"}', "once"),
        (line(version=3, commit=1), "version is 3: it must be a text; write it in quotes"),
    ],
)
def test_a_refusal_names_the_field_and_says_what_to_write(text: bytes, detail: str) -> None:
    got = parse_line(text, 1.0)
    assert not isinstance(got, Item)
    assert detail in got[1]
    assert "Mustermann" not in got[1]
    assert len(got[1]) <= 350


@pytest.mark.parametrize(
    ("sent", "stored"),
    [(b"NaN", b"null"), (b"-Infinity", b"null"), (b'"NaN, \\"NaN\\" and Infinity"', b'"NaN, \\"NaN\\" and Infinity"')],
)
def test_what_pythons_json_writes_for_no_number_is_a_missing_value(sent: bytes, stored: bytes) -> None:
    text = line(score=1.25).replace(b"1.5", sent).replace(b"1.25", b"NaN")
    got = parse_line(text, 1.0)
    assert isinstance(got, Item)
    assert got.raw == line(score=None).replace(b"1.5", stored)  # what is stored is JSON


@pytest.mark.parametrize("number", ["1e400", "-1e999", "9" * 5000], ids=len)
def test_a_number_beyond_a_float_in_a_field_of_the_senders_own_can_be_read_again(number: str) -> None:
    got = parse_line(line()[:-1] + f', "own": [{number}]}}'.encode(), 1.0)
    assert isinstance(got, Item)
    assert stored_json(got.raw)["own"] == [number]
    assert stored_json(line()) == GOOD


NESTED = {"pretty": {"indent": 2}, "plain": {}}


@pytest.mark.parametrize("form", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "mark"])
def test_an_array_and_objects_over_several_lines_are_events(form: dict[str, int], mark: bytes) -> None:
    events = [{**GOOD, "request_id": f'r{i} ],{{ "'} for i in range(3)]
    array = json.dumps(events, **form)
    objects = "\n".join(json.dumps(e, **form) for e in events)
    for text in (array, objects, array.replace("}, {", "},{"), f"\n\r\n{array}\r\n"):
        parsed = parse(mark + text.encode(), 1.0)
        assert not parsed.rejected
        assert [i.event.request_id for i in parsed.events if isinstance(i.event, Prediction)] == [
            e["request_id"] for e in events
        ]
        assert not any(b"\n" in i.raw for i in parsed.events)


def test_a_wrong_value_of_an_array_is_named_by_its_line_and_the_others_are_taken() -> None:
    text = json.dumps([GOOD, {"type": "guess"}, 7, GOOD], indent=1).encode()
    parsed = parse(text, 1.0)
    lines = text.split(b"\n")
    assert len(parsed.events) == 2
    assert [r.line for r in parsed.rejected] == [lines.index(b'  "type": "guess"'), lines.index(b" 7,") + 1]


def test_an_array_that_does_not_end_is_told() -> None:
    parsed = parse(b"[" + line() + b',{"type":', 1.0)
    assert (len(parsed.events), [r.reason for r in parsed.rejected]) == (1, ["bad_json"])
    assert [r.reason for r in parse(b"[", 1.0).rejected] == ["bad_json"]


def test_utf_16_with_its_mark_is_read() -> None:
    text = "\r\n".join(json.dumps({**GOOD, "model": "é𝕏"}, ensure_ascii=False) for _ in range(2))
    assert len(parse(text.encode("utf-16"), 1.0).events) == 2


@pytest.mark.parametrize("text", [b"1\n" * 5, b"[{},1,1,1,1]", b"[{},,,,,", b'{\n"a":1}' * 5])
def test_more_than_are_taken_at_once_are_refused_whole(text: bytes) -> None:
    with pytest.raises(TooMany):
        parse(text, 1.0, 4)


@pytest.mark.parametrize("text", [b'{\n"' + b'\\"' * 400_000, b'"' + b'\\"' * 400_000 + b"NaN", b"[" * 8_000_000])
def test_taking_a_hostile_text_apart_takes_time_in_its_length_only(text: bytes) -> None:
    start = time.process_time()
    parse(text, 1.0)
    assert time.process_time() - start < 5  # measured: 0.1; minutes if a quote is looked for from each backslash


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
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n\x0b\x0c").startswith((b"[", b"{", b"\xff\xfe", b"\xfe\xff")):
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


def test_a_bad_element_of_an_array_does_not_take_the_others_with_it() -> None:
    parsed = parse(b"[\n{bad},\n" + line() + b",\n" + line(request_id="other") + b"\n]", 5000.0)
    assert len(parsed.events) == 2
    assert [(one.line, one.reason) for one in parsed.rejected] == [(2, "bad_json")]


@pytest.mark.parametrize("first", [b"[2024-01-01 10:00:00,123] INFO started", b"[main] starting {pool", b"[1,2,3]"])
def test_a_line_of_another_log_is_one_bad_line(first: bytes) -> None:
    parsed = parse(first + b"\n" + line() + b"\n", 5000.0)
    assert [one.line for one in parsed.rejected] == [1]
    assert len(parsed.events) == 1


@pytest.mark.parametrize("torn", [b"{\n", b'[{"type\n', b'{ \n"x": 1e,\n'])
def test_a_first_line_that_was_cut_off_does_not_take_the_others_with_it(torn: bytes) -> None:
    parsed = parse(torn + line() + b"\n" + line(request_id="other") + b"\n", 5000.0)
    assert [item.event.request_id for item in parsed.events if isinstance(item.event, Prediction)] == ["r", "other"]
    assert {rejected.reason for rejected in parsed.rejected} == {"bad_json"}
    assert parsed.lines == torn.count(b"\n") + 2
