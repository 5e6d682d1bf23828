"""Alerts that fired while a request was answered, or while a batch was made."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plumbline.alerts import parse_webhook
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.trace import incidents
from plumbline.trace.lookup import Lookup
from plumbline.trace.model import Trace
from plumbline.trace.records import AlertRecord
from support.alert_samples import alert, open_with_hooks, webhook
from support.samples import body, prediction
from support.trace_scene import log, pipeline


def at(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")


def about(name: str, begin: float, end: float | None = None, number: int = 1, **labels: Any) -> dict[str, Any]:
    """An alert from ``begin`` (to ``end``), about clf unless the labels say otherwise."""
    more = {} if end is None else {"status": "resolved", "endsAt": at(end)}
    labels = {"alertname": name, "model": "clf", "version": "1", **labels}
    return alert(labels=labels, startsAt=at(begin), fingerprint=f"{number:x}", **more)


@pytest.fixture
def told(engine: Engine) -> Callable[..., None]:
    """Store what Alertmanager sends, one notification an alert."""

    def told_(*alerts: dict[str, Any]) -> None:
        for one in alerts:
            parsed = parse_webhook(webhook(one), 1e6)
            assert parsed.rejected == []
            engine.commit([parsed], 1e6)

    return told_


def names_of(found: Trace | None) -> list[str]:
    assert found is not None
    return [one.alertname for one in found.alerts]


def test_exactly_those_that_fired_at_the_time_are_shown(
    send: Callable[..., None], told: Callable[..., None], lookup: Lookup
) -> None:
    told(
        about("Before", 100, number=1),
        about("Before", 100, 999.9, number=1),
        about("Long", 200, number=2),
        about("Other", 500, number=3, model="reg"),
        about("OtherVersion", 600, number=4, version="9"),
    )
    send(prediction("q"))  # at 1000
    told(about("Long", 200, 5000, number=2), about("After", 1000.1, number=5), about("Now", 1000, number=6))
    found = lookup.trace("q")
    assert names_of(found) == ["Long", "OtherVersion", "Now"]
    assert found is not None
    assert not found.alerts_truncated


def test_an_alert_is_told_in_the_words_of_its_page(
    send: Callable[..., None], told: Callable[..., None], lookup: Lookup
) -> None:
    send(prediction("q"))
    told(about("Bad", 900), about("Bad", 900, 1500))
    found = lookup.trace("q")
    assert found is not None
    [one] = found.alerts
    assert (one.severity, one.model, one.version) == ("critical", "clf", "1")
    assert (one.started, one.resolved) == ("1970-01-01T00:15:00.000Z", "1970-01-01T00:25:00.000Z")
    assert (one.summary, one.verdict) == ("s", "Roll back to version 1.")
    assert one.runbook_url == "http://r/ModelQualityCritical.md"
    assert one.dashboard_url == "http://g/d/x"
    assert (one.generator_url, one.alertmanager_url) == ("http://p/graph", "http://am")
    moments = [(m.kind, m.who, m.text, m.offset) for m in found.timeline if m.kind == "alert"]
    assert moments == [("alert", "Bad", "critical fires: s", -100.0), ("alert", "Bad", "resolved", 500.0)]


def test_an_alert_about_the_pipeline_that_made_the_data_is_shown(
    send: Callable[..., None], told: Callable[..., None], lookup: Lookup
) -> None:
    send(pipeline("r", "b"), prediction("q", data_batch_id="b"), prediction("other"))
    told(about("PipelineStale", 700, model=None, version=None, pipeline="feed"))
    assert names_of(lookup.trace("q")) == ["PipelineStale"]
    assert names_of(lookup.trace("other")) == []


def test_a_batch_shows_the_alerts_of_its_pipeline_until_a_while_after_the_run(
    send: Callable[..., None], told: Callable[..., None], lookup: Lookup
) -> None:
    send(pipeline("r", "b", ts=50_000.0))
    late = 50_000 + 6 * 3600
    for number, (name, begin, end) in enumerate(
        [("Gone", 100, 49_000), ("On", 100, None), ("Soon", late - 1, None), ("Late", late + 1, None)]
    ):
        told(about(name, begin, end, number, model=None, version=None, pipeline="feed"))
    batch = lookup.batch("b")
    assert batch is not None
    assert [one.alertname for one in batch.alerts] == ["On", "Soon"]


def test_of_a_flood_the_nearest_are_shown_and_the_rest_is_told(
    send: Callable[..., None], told: Callable[..., None], lookup: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "_NEAR", 3)
    told(*[about(f"Early{n}", 10 + n, 20 + n, n) for n in range(10)], about("Now", 900, number=50))
    send(prediction("q"))
    told(*[about(f"Later{n}", 2000 + n, number=100 + n) for n in range(10)])
    found = lookup.trace("q")
    assert names_of(found) == ["Now"]
    assert found is not None
    assert found.alerts_truncated


def test_what_the_hooks_did_stands_beside_the_alert(tmp_path: Path) -> None:
    engine = open_with_hooks(tmp_path, rollback="http://localhost:9/roll", freeze=False)
    lookup = Lookup(engine.store.reader(), engine.baselines)
    try:
        engine.commit([parse(body(prediction("q", ts=3000.0)), 1e6)], 1e6)
        engine.commit([parse_webhook(webhook(about("ModelQualityCritical", 2500, version="2")), 1e6)], 1e6)
        found = lookup.trace("q")
        assert found is not None
        [one] = found.alerts
        [action] = [action for action in one.actions if action.hook == "rollback"]
        assert action.result == "dry_run"
        [moment] = [m for m in found.timeline if m.kind == "action" and m.who == "hook rollback"]
        assert moment.text.startswith("dry run")
    finally:
        lookup.close()
        engine.close()


def test_warnings_of_the_run_that_made_the_data_are_shown_and_its_chatter_is_not(
    send: Callable[..., None], lookup: Lookup
) -> None:
    send(
        pipeline("r", "b"),
        prediction("q", data_batch_id="b"),
        log("10 rows read", run_id="r"),
        log("a column is empty", level="WARNING", run_id="r"),
        log("elsewhere", level="ERROR", run_id="r2"),
        log("mine", request_id="q", run_id="r", level="ERROR"),
    )
    found = lookup.trace("q")
    assert found is not None
    assert sorted(one.message for one in found.logs) == ["a column is empty", "mine"]
    batch = lookup.batch("b")
    assert batch is not None
    assert sorted(one.message for one in batch.logs) == ["10 rows read", "a column is empty", "mine"]


def test_records_of_alerts_survive_json() -> None:
    import msgspec

    record = AlertRecord(
        "A", "critical", "i", "s", None, None, None, None, None, "", "", None, None, None, None, None, {}, []
    )
    assert msgspec.json.decode(msgspec.json.encode(record), type=AlertRecord) == record
