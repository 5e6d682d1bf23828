"""What the engine decides about alerts, in the transaction that stores them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.alerts import parse_webhook
from plumbline.cli.export import export
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.keys import incident_key
from plumbline.units import parse_time
from support.alert_samples import alert, deployments, open_with_hooks, webhook
from support.samples import values

NOW = parse_time("2026-01-05T10:01:00Z")
ROLLBACK = {"rollback": "http://ci/rollback", "dry_run": False}


@pytest.fixture
def open_(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def open_one(**hooks: Any) -> Engine:
        for engine in engines:
            engine.close()
        engines[:] = [open_with_hooks(tmp_path / "data", **hooks)]
        return engines[-1]

    yield open_one
    for engine in engines:
        engine.close()


def send(engine: Engine, *alerts: dict[str, Any], now: float = NOW, **group: Any) -> int:
    return engine.commit([parse_webhook(webhook(*alerts, **group), now)], now)[0]


def calls(engine: Engine) -> dict[tuple[str, ...], float]:
    found = values(engine.blocks())
    return {k[1:]: v for k, v in found.items() if k[0] == "plumbline_hook_calls_total" and v}


def stored(engine: Engine, kind: str) -> list[dict[str, Any]]:
    reader = engine.store.reader()
    try:
        return [json.loads(e.raw) for e in reader.scan(kind, 0, 4e9)]
    finally:
        reader.close()


def test_an_alert_is_stored_and_counted_once_however_often_it_comes(open_: Callable[..., Engine]) -> None:
    engine = open_()
    assert send(engine, alert()) == 0
    assert send(engine, alert(), alert()) == 2
    found = values(engine.blocks())
    assert found["plumbline_alerts_total", "critical", "firing"] == 1
    assert found["plumbline_events_total", "alert"] == 1
    assert found["plumbline_events_duplicate_total", "alert"] == 2
    assert len(stored(engine, "alert")) == 1


def test_severities_outside_the_closed_list_share_one_label(open_: Callable[..., Engine]) -> None:
    engine = open_()
    for at in range(3):
        send(engine, alert(fingerprint=f"{at}", labels={"severity": f"made-up-{at}"}))
    found = values(engine.blocks())
    assert found["plumbline_alerts_total", "other", "firing"] == 3
    assert not any("made-up-1" in key for key in found)


def test_the_account_of_lines_holds_with_actions(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert(), alert(fingerprint="!"))
    send(engine, alert())
    found = values(engine.blocks())
    total = {
        name: sum(v for k, v in found.items() if k[0] == f"plumbline_{name}_total")
        for name in ("lines", "events", "events_duplicate", "events_rejected")
    }
    assert total["events_rejected"] == 1
    assert total["lines"] == total["events"] + total["events_duplicate"] + total["events_rejected"]


def test_a_page_with_the_verdict_to_roll_back_is_decided_with_the_alert(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    told: list[str] = []
    engine.actions.listener = told.append
    send(engine, alert())
    (action,) = stored(engine, "action")
    assert told == [action["action_id"]] == list(engine.actions.book.open)
    payload = action["payload"]
    assert payload["rollback_version"] == "1"
    assert (payload["model"], payload["version"], payload["hook"]) == ("clf", "2", "rollback")
    assert payload["verdict"] == "Roll back to version 1."
    assert payload["alert"]["labels"]["metric"] == "accuracy"
    assert payload["links"]["dashboard"] == "http://g/d/x"


def test_an_incident_is_one_lookup(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert())
    send(engine, alert(status="resolved", endsAt="2026-01-05T11:00:00Z"))
    incident = stored(engine, "alert")[0]["incident"]
    kinds = [
        engine.store.read([s])[s].kind for s in engine.store.find([incident_key(incident)])[incident_key(incident)]
    ]
    assert kinds == ["alert", "action", "alert", "action"]


def test_a_repeated_alert_decides_nothing_again_also_after_a_restart(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert())
    engine = open_(**ROLLBACK)
    told: list[str] = []
    engine.actions.listener = told.append
    send(engine, alert(), now=NOW + 7 * 86400)
    assert told == []
    assert len(stored(engine, "action")) == 1
    assert len(engine.actions.book.open) == 1


def test_nothing_is_called_by_default(open_: Callable[..., Engine]) -> None:
    engine = open_(rollback="http://ci/rollback")
    send(engine, alert())
    (action,) = stored(engine, "action")
    assert (action["result"], action["detail"]) == ("dry_run", "would call http://ci/rollback")
    assert action["payload"]["rollback_version"] == "1"
    assert engine.actions.book.open == {}
    assert calls(engine) == {("rollback", "dry_run"): 1}


def test_a_model_cools_down_between_incidents_and_keeps_cool_over_a_restart(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert())
    engine = open_(**ROLLBACK)
    send(engine, alert(fingerprint="b", labels={"metric": "f1"}), now=NOW + 3599)
    assert calls(engine) == {("rollback", "cooldown"): 1}
    send(engine, alert(fingerprint="c", labels={"metric": "auc"}), now=NOW + 3601)
    assert len(engine.actions.book.open) == 2


def test_two_alerts_of_one_notification_are_one_call(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert(), alert(fingerprint="b", labels={"metric": "f1"}))
    assert len(engine.actions.book.open) == 1
    assert calls(engine) == {("rollback", "cooldown"): 1}


def test_a_dry_run_does_not_cool_down_the_real_call(open_: Callable[..., Engine]) -> None:
    engine = open_(rollback="http://ci/rollback")
    send(engine, alert())
    engine = open_(**ROLLBACK)
    send(engine, alert(fingerprint="b"), now=NOW + 1)
    assert len(engine.actions.book.open) == 1


@pytest.mark.parametrize(
    ("change", "result", "words"),
    [
        (
            {"annotations": {"rollback_version": "", "verdict": "Do not roll back: pipeline feed is broken"}},
            "held",
            "pipeline feed is broken",
        ),
        ({"annotations": {"rollback_version": "9"}}, "stale", "the deployments say 1"),
        ({"labels": {"version": "1"}}, "stale", "not in production: its stage is retired"),
        ({"labels": {"version": "77"}}, "stale", "not in production"),
        ({"labels": {"version": None}}, "stale", "names no version"),
    ],
)
def test_a_roll_back_needs_the_verdict_and_our_own_deployments(
    open_: Callable[..., Engine], change: dict[str, Any], result: str, words: str
) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert(**change))
    (action,) = stored(engine, "action")
    assert action["result"] == result
    assert words in action["detail"]
    assert engine.actions.book == type(engine.actions.book)()


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"severity": "warning"}},
        {"labels": {"alertname": "FeatureBroken"}},
        {"labels": {"model": "reg"}},
        {"labels": {"model": "no such model"}},
        {"labels": {"model": None}},
        {"status": "resolved", "endsAt": "2026-01-05T11:00:00Z"},
    ],
)
def test_other_alerts_are_stored_and_set_off_nothing(open_: Callable[..., Engine], change: dict[str, Any]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert(**change))
    assert len(stored(engine, "alert")) == 1
    assert stored(engine, "action") == []


def test_after_the_roll_back_a_late_alert_about_the_old_version_is_stale(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    engine.commit([parse(deployments("1", "2", "1"), NOW)], NOW)
    send(engine, alert(labels={"version": "2"}))
    assert calls(engine) == {("rollback", "stale"): 1}


def test_an_alert_that_resolves_before_the_call_cancels_it(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert())
    (action_id,) = engine.actions.book.open
    send(engine, alert(status="resolved", endsAt="2026-01-05T11:00:00Z"))
    assert engine.actions.begin(action_id, NOW) is None
    assert calls(engine) == {("rollback", "resolved"): 1}


def test_an_action_is_begun_once_and_ended_once(open_: Callable[..., Engine]) -> None:
    engine = open_(**ROLLBACK)
    send(engine, alert())
    (action_id,) = engine.actions.book.open
    assert engine.actions.begin(action_id, NOW) is not None
    assert engine.actions.begin(action_id, NOW) is None
    engine.actions.end(action_id, "succeeded", "answered 200", NOW)
    engine.actions.end(action_id, "refused", "again", NOW)
    assert calls(engine) == {("rollback", "succeeded"): 1}
    assert [a["phase"] for a in stored(engine, "action")] == ["decided", "calling", "ended"]


def test_the_retrain_hook_hands_over_the_period_with_mature_outcomes(open_: Callable[..., Engine]) -> None:
    engine = open_(retrain="http://ci/train", dry_run=False, retrain_period="7d")
    send(engine, alert(labels={"alertname": "ModelQualityDecay", "severity": "warning"}))
    (action,) = stored(engine, "action")
    period = action["payload"]["period"]
    assert parse_time(period["end"]) == NOW - 3600  # the model's maturity
    assert parse_time(period["end"]) - parse_time(period["start"]) == 7 * 86400
    assert parse_time(period["version_in_production_since"]) == 1100.0
    words = shlex.split(period["export"])
    assert words[:2] == ["plumbline", "export"]
    given = export.make_context("export", words[2:]).params  # as the real command reads them
    assert (given["model"], given["start"], given["end"]) == (
        "clf",
        parse_time(period["start"]),
        parse_time(period["end"]),
    )


def test_what_alertmanager_left_out_is_counted(open_: Callable[..., Engine]) -> None:
    engine = open_()
    send(engine, alert(), truncatedAlerts=3)
    assert values(engine.blocks())["plumbline_alerts_truncated_total",] == 3
