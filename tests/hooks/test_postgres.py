"""Hooks when the server vanishes while a step is committed: nothing is lost, nothing is called twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.alerts import parse_webhook
from plumbline.errors import StoreError
from plumbline.hooks.runner import HookRunner
from plumbline.ingest.engine import Engine
from plumbline.store.postgres import PostgresStore
from plumbline.units import parse_time
from support.alert_samples import alert, open_with_hooks, webhook
from support.hook_receiver import HookReceiver
from support.postgres import Postgres
from support.samples import values
from support.servers import wait_for
from support.vanishing import vanishing

NOW = parse_time("2026-01-05T10:01:00Z")


def until_stored(act: Callable[[], object]) -> object:
    for _ in range(3):
        try:
            return act()
        except StoreError:
            continue
    raise AssertionError("the store never came back")


def phases(engine: Engine) -> list[str]:
    reader = engine.store.reader()
    try:
        return [json.loads(event.raw)["phase"] for event in reader.scan("action", 0, 4e9)]
    finally:
        reader.close()


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("broken", ["decided", "calling", "ended"])
def test_a_step_whose_commit_was_never_confirmed_is_taken_once(
    postgres: Postgres, tmp_path: Path, broken: str, happened: bool
) -> None:
    store = PostgresStore(postgres.new_database())
    with HookReceiver() as receiver:
        engine = open_with_hooks(tmp_path, store, rollback=f"{receiver.url}/r", dry_run=False)
        told: list[str] = []
        engine.actions.listener = told.append

        def decide() -> None:
            engine.commit([parse_webhook(webhook(alert()), NOW)], NOW)

        def begin() -> None:
            begun.append(engine.actions.begin(told[0], NOW))

        def end() -> None:
            engine.actions.end(told[0], "succeeded", "", NOW)

        begun: list[object] = []
        for name, act in (("decided", decide), ("calling", begin), ("ended", end)):
            if name == broken:
                with vanishing(store, happened), pytest.raises(StoreError):
                    act()
            until_stored(act)
        decide()  # Alertmanager repeats itself
        assert len(told) == 1
        assert len(begun) == 1
        assert begun[0] is not None
        assert phases(engine) == ["decided", "calling", "ended"]
        assert engine.actions.book.open == {}
        counted = values(engine.blocks())
        assert counted["plumbline_hook_calls_total", "rollback", "succeeded"] == 1
        assert counted["plumbline_events_total", "action"] == 3
        assert counted["plumbline_alerts_total", "critical", "firing"] == 1
        engine.close()


def test_the_runner_calls_once_what_a_lost_commit_decided(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plumbline.hooks.runner._STORE_PAUSE_SECONDS", 0.05)
    store = PostgresStore(postgres.new_database())
    with HookReceiver() as receiver:
        engine = open_with_hooks(tmp_path, store, rollback=f"{receiver.url}/r", freeze=True, dry_run=False)
        runner = HookRunner(engine.actions, engine.catalogue, store, tmp_path, engine.blocks, lambda: NOW)
        runner.start()
        with vanishing(store, True), pytest.raises(StoreError):
            engine.commit([parse_webhook(webhook(alert()), NOW)], NOW)
        until_stored(lambda: engine.commit([parse_webhook(webhook(alert()), NOW)], NOW))
        wait_for(lambda: not engine.actions.book.open, name="the end of both actions")
        assert len(receiver.calls) == 1
        assert sorted(phases(engine)) == ["calling"] * 2 + ["decided"] * 2 + ["ended"] * 2
        runner.stop()
        engine.close()


def test_evidence_that_cannot_be_read_ends_as_refused(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore(postgres.new_database())
    engine = open_with_hooks(tmp_path, store, freeze=True, dry_run=False)
    runner = HookRunner(engine.actions, engine.catalogue, store, tmp_path, engine.blocks, lambda: NOW)

    def unreachable() -> None:
        raise StoreError("no more connections")

    with monkeypatch.context() as patched:
        patched.setattr(store, "reader", unreachable)
        runner.start()
        engine.commit([parse_webhook(webhook(alert()), NOW)], NOW)
        wait_for(lambda: not engine.actions.book.open, name="the end of the action")
    assert values(engine.blocks())["plumbline_hook_calls_total", "freeze", "refused"] == 1
    runner.stop()
    engine.close()
