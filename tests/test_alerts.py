from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.alerts import MAX_ALERTS, WebhookError, parse_webhook
from plumbline.events.kinds import Alert
from plumbline.events.parse import parse
from plumbline.keys import incident_key, model_alert_key, pipeline_alert_key
from plumbline.units import parse_time
from support.alert_samples import START, alert, webhook

NOW = 1_800_000_000.0


def only(*alerts: dict[str, Any], **changes: Any) -> Alert:
    parsed = parse_webhook(webhook(*alerts, **changes), NOW)
    assert not parsed.rejected
    (item,) = parsed.events
    assert isinstance(item.event, Alert)
    return item.event


def rejected(one: dict[str, Any]) -> tuple[str, str]:
    parsed = parse_webhook(webhook(alert(fingerprint="aa"), one), NOW)
    assert len(parsed.events) == 1
    (line,) = parsed.rejected
    assert line.line == 2
    return line.reason, line.detail


def test_a_firing_alert_becomes_an_event_at_its_start() -> None:
    item = parse_webhook(webhook(alert()), NOW).events[0]
    event = item.event
    assert isinstance(event, Alert)
    assert item.ts == pytest.approx(parse_time(START))
    assert (event.status, event.alertname, event.model, event.version) == ("firing", "ModelQualityCritical", "clf", "2")
    assert event.ends_at is None
    stored = json.loads(item.raw)
    assert stored["type"] == "alert"
    assert stored["labels"]["metric"] == "accuracy"
    assert stored["annotations"]["rollback_version"] == "1"


def test_a_resolved_alert_is_an_event_of_the_same_incident_at_its_end() -> None:
    firing = only(alert())
    resolved = only(alert(status="resolved", endsAt="2026-01-05T11:00:00Z"))
    assert resolved.incident == firing.incident
    assert resolved.ts == parse_time("2026-01-05T11:00:00Z")


def test_alerts_are_found_by_incident_model_and_pipeline() -> None:
    item = parse_webhook(webhook(alert()), NOW).events[0]
    assert isinstance(item.event, Alert)
    assert item.links == (incident_key(item.event.incident), model_alert_key("clf"))
    labels = {"alertname": "PipelineFailed", "pipeline": "feed", "model": None, "version": None}
    item = parse_webhook(webhook(alert(labels=labels)), NOW).events[0]
    assert pipeline_alert_key("feed") in item.links


def test_repetitions_have_one_identity_and_changes_have_another() -> None:
    def identity(**changes: Any) -> int:
        return parse_webhook(webhook(alert(**changes)), NOW).events[0].identity

    first = identity()
    assert identity(annotations={"summary": "other numbers"}) == first
    assert identity(endsAt="2026-01-05T10:04:00Z") == first
    others = {
        identity(fingerprint="fedcba9876543210"),
        identity(startsAt="2026-01-05T10:00:01Z"),
        identity(status="resolved", endsAt="2026-01-05T11:00:00Z"),
        identity(status="resolved", endsAt="2026-01-05T12:00:00Z"),
    }
    assert len(others | {first}) == 5


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"status": "maybe"}, "bad_field", "status"),
        ({"labels": {"alertname": ""}}, "missing_field", "alertname"),
        ({"labels": {"alertname": None}}, "missing_field", "alertname"),
        ({"fingerprint": "../../etc"}, "bad_id", "fingerprint"),
        ({"fingerprint": ""}, "bad_id", "fingerprint"),
        ({"startsAt": "yesterday"}, "bad_timestamp", "yesterday"),
        ({"startsAt": "2999-01-01T00:00:00Z"}, "bad_timestamp", "future"),
        ({"status": "resolved"}, "bad_timestamp", ""),
        ({"labels": {"x": "y" * 8193}}, "bad_field", "too long"),
        ({"annotations": {f"a{n}": "" for n in range(70)}}, "bad_field", "at most 64"),
        ({"labels": {"model": 3}}, "bad_field", "str"),
    ],
)
def test_a_bad_alert_is_rejected_alone(change: dict[str, Any], reason: str, words: str) -> None:
    found, detail = rejected(alert(**change))
    assert found == reason
    assert words in detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no webhook"),
        (b"[]", "no webhook"),
        (b"{}", "missing required field"),
        (b"\xff", "no webhook"),
        (webhook(version="3"), "version 4"),
        (webhook(alerts=7), "no webhook"),
        (webhook(groupKey="k" * 9000), "groupKey"),
        (webhook(truncatedAlerts=-1), "truncatedAlerts"),
        (b'{"version":"4","alerts":' + b"[" * 100_000, "no webhook"),
    ],
)
def test_what_is_no_webhook_is_refused_whole(text: bytes, words: str) -> None:
    with pytest.raises(WebhookError, match=words):
        parse_webhook(text, NOW)


def test_a_group_beyond_the_bound_is_refused_with_the_remedy() -> None:
    with pytest.raises(WebhookError, match="max_alerts"):
        parse_webhook(b'{"version":"4","alerts":[' + b"1," * MAX_ALERTS + b"1]}", NOW)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_else(text: bytes) -> None:
    try:
        parse_webhook(text, NOW)
    except WebhookError:
        return


_json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(alert())), _json)
def test_any_value_in_any_field_is_an_event_or_a_rejection(field: str, value: object) -> None:
    parsed = parse_webhook(webhook({**alert(), field: value}), NOW)
    assert len(parsed.events) + len(parsed.rejected) == parsed.lines == 1


def test_events_of_the_exporters_own_kinds_are_not_taken_from_senders() -> None:
    item = parse_webhook(webhook(alert()), NOW).events[0]
    parsed = parse(item.raw, NOW)
    assert [r.reason for r in parsed.rejected] == ["unknown_type"]
