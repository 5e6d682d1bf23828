"""Calls against real receivers on loopback: what is called, how often, and what is written down of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.alerts import parse_webhook
from plumbline.events.kinds import Action
from plumbline.events.parse import parse
from plumbline.hooks import runner
from plumbline.hooks.caller import call
from plumbline.hooks.runner import THREADS, HookRunner
from plumbline.ingest.engine import Engine
from plumbline.servers import free_port
from plumbline.store.open import open_store
from plumbline.units import parse_time
from support.alert_samples import alert, open_with_hooks, webhook
from support.hook_receiver import HookReceiver
from support.samples import body, outcome, prediction, values
from support.servers import wait_for

NOW = parse_time("2026-01-05T10:01:00Z")


class Scene:
    """An engine with hooks and, once started, its runner."""

    def __init__(self, folder: Path, url: str | None = None, **hooks: Any) -> None:
        self.folder = folder
        self.url = url
        self.hooks = {"dry_run": False, "timeout": "2s", **hooks}
        self.now = NOW
        self.runner: HookRunner | None = None
        self.engine = self.open()

    def open(self) -> Engine:
        data = self.folder / "data"
        return open_with_hooks(data, open_store(data, self.url), **self.hooks)

    def start(self) -> None:
        engine = self.engine
        self.runner = HookRunner(
            engine.actions, engine.catalogue, engine.store, self.folder, engine.blocks, lambda: self.now
        )
        self.runner.start()

    def restart(self) -> None:
        """As after kill -9: nothing is told to anybody."""
        self.close()
        self.engine = self.open()

    def send(self, *alerts: dict[str, Any]) -> None:
        self.engine.commit([parse_webhook(webhook(*alerts), self.now)], self.now)

    def actions(self) -> list[dict[str, Any]]:
        reader = self.engine.store.reader()
        try:
            return [json.loads(e.raw) for e in reader.scan("action", 0, 4e9)]
        finally:
            reader.close()

    def result(self) -> dict[str, Any]:
        wait_for(lambda: self.actions() and not self.engine.actions.book.open, name="the end of the action")
        return self.actions()[-1]

    def close(self) -> None:
        if self.runner is not None:
            self.runner.stop()
            self.runner = None
        self.engine.close()


@pytest.fixture(params=["embedded", "postgres"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []
    url = request.getfixturevalue("postgres").new_database() if request.param == "postgres" else None

    def make(**hooks: Any) -> Scene:
        made.append(Scene(tmp_path, url, **hooks))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def receiver() -> Iterator[HookReceiver]:
    with HookReceiver() as one:
        yield one


def test_a_hook_is_called_once_with_its_payload_and_key(
    scene: Callable[..., Scene], receiver: HookReceiver, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("Bearer abc\n")
    one = scene(rollback=f"{receiver.url}/rollback", authorization_file=str(secret))
    one.start()
    one.send(alert())
    one.send(alert())
    assert one.result()["result"] == "succeeded"
    ((path, headers, payload),) = receiver.calls
    assert path == "/rollback"
    assert headers["Idempotency-Key"] == one.actions()[0]["action_id"]
    assert headers["Authorization"] == "Bearer abc"
    assert payload == one.actions()[0]["payload"]
    assert "Bearer" not in json.dumps(one.actions())


@pytest.mark.parametrize("status", [500, 503, 404, 302])
def test_an_answer_of_any_kind_is_the_end(scene: Callable[..., Scene], receiver: HookReceiver, status: int) -> None:
    receiver.status = status
    one = scene(rollback=f"{receiver.url}/rollback")
    one.start()
    one.send(alert())
    ended = one.result()
    assert ended["result"] == "refused"
    assert str(status) in ended["detail"]
    assert len(receiver.calls) == 1


def test_a_time_out_after_the_connection_is_unknown_and_not_repeated(
    scene: Callable[..., Scene], receiver: HookReceiver
) -> None:
    receiver.gate.clear()
    one = scene(rollback=f"{receiver.url}/rollback", timeout="200ms")
    one.start()
    one.send(alert())
    assert one.result()["result"] == "unknown"
    receiver.gate.set()
    assert len(receiver.calls) == 1


def test_a_broken_connection_is_unknown_and_not_repeated(scene: Callable[..., Scene]) -> None:
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            taken.append(connection.recv(65536))
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        one = scene(rollback=f"http://127.0.0.1:{server.getsockname()[1]}/x")
        one.start()
        one.send(alert())
        assert one.result()["result"] == "unknown"
        thread.join(10)
    assert len(taken) == 1


def action() -> Action:
    return Action(
        action_id="a/rollback",
        hook="rollback",
        incident="a",
        phase="decided",
        model="clf",
        version="2",
        alertname="A",
        payload={"x": 1},
    )


def test_a_refused_connection_is_tried_again_and_then_given_up() -> None:
    ended = call(action(), f"http://127.0.0.1:{free_port()}/x", 1.0, None, threading.Event(), pause=0.01)
    assert ended.result == "unreachable"
    assert "tried 3 times" in ended.detail


def test_a_receiver_that_comes_up_between_attempts_is_reached_once() -> None:
    port = free_port()
    receiver = HookReceiver(port=port)
    begun = threading.Event()

    def come_up() -> None:
        begun.wait(0.2)
        receiver.__enter__()

    thread = threading.Thread(target=come_up)
    thread.start()
    ended = call(action(), f"http://127.0.0.1:{port}/x", 1.0, None, threading.Event(), pause=0.6)
    thread.join(10)
    receiver.__exit__()
    assert ended.result == "succeeded"
    assert len(receiver.calls) == 1


def test_a_missing_authorization_file_calls_nobody(receiver: HookReceiver, tmp_path: Path) -> None:
    ended = call(action(), receiver.url, 1.0, str(tmp_path / "none"), threading.Event())
    assert ended.result == "unreachable"
    assert "none cannot be read" in ended.detail
    (tmp_path / "bad").write_text("a\nX-Evil: b")
    ended = call(action(), receiver.url, 1.0, str(tmp_path / "bad"), threading.Event())
    assert ended.result == "unreachable"
    assert receiver.calls == []


def test_after_a_crash_before_the_call_it_is_made_once(scene: Callable[..., Scene], receiver: HookReceiver) -> None:
    one = scene(rollback=f"{receiver.url}/rollback")
    one.send(alert())  # nobody listens: as if killed right after the commit
    one.restart()
    one.start()
    assert one.result()["result"] == "succeeded"
    one.restart()
    one.start()
    one.send(alert())
    assert len(receiver.calls) == 1


def test_after_a_crash_during_the_call_it_is_never_made_again(
    scene: Callable[..., Scene], receiver: HookReceiver
) -> None:
    one = scene(rollback=f"{receiver.url}/rollback")
    one.send(alert())
    (action_id,) = one.engine.actions.book.open
    assert one.engine.actions.begin(action_id, one.now) is not None
    one.restart()
    one.start()
    ended = one.result()
    assert ended["result"] == "unknown"
    assert "not repeated" in ended["detail"]
    one.send(alert())
    assert receiver.calls == []


def test_a_decision_of_long_ago_expires(scene: Callable[..., Scene], receiver: HookReceiver) -> None:
    one = scene(rollback=f"{receiver.url}/rollback")
    one.send(alert())
    one.restart()
    one.now = NOW + 3600
    one.start()
    assert one.result()["result"] == "expired"
    assert receiver.calls == []


def test_a_hook_turned_off_while_the_exporter_was_down_is_not_called(
    scene: Callable[..., Scene], receiver: HookReceiver
) -> None:
    one = scene(rollback=f"{receiver.url}/rollback")
    one.send(alert())
    one.hooks["dry_run"] = True
    one.restart()
    one.start()
    assert one.result()["result"] == "stale"
    assert receiver.calls == []


def test_a_slow_receiver_holds_up_no_other_hook(scene: Callable[..., Scene], receiver: HookReceiver) -> None:
    receiver.gate.clear()
    one = scene(rollback=f"{receiver.url}/rollback", freeze=True, timeout="10s")
    one.start()
    one.send(alert())
    wait_for(
        lambda: values(one.engine.blocks())["plumbline_hook_calls_total", "freeze", "succeeded"] == 1,
        name="the evidence",
    )
    assert len(one.engine.actions.book.open) == 1
    receiver.gate.set()
    assert one.result()["result"] == "succeeded"


def test_frozen_evidence_holds_what_was_known_of_the_model_and_nothing_else(scene: Callable[..., Scene]) -> None:
    one = scene(freeze=True)
    lines = [
        *(prediction(f"r{n}") for n in range(3)),
        outcome("r1"),
        prediction("other", model="reg", prediction=1.0, score=None),
        outcome("other", 1.0),
    ]
    one.engine.commit([parse(body(*lines), NOW)], NOW)
    one.start()
    one.send(alert())
    ended = one.result()
    assert ended["result"] == "succeeded"
    folder = Path(ended["detail"])
    assert folder.parent == one.folder / "evidence"
    kept = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    assert [(e["type"], e["request_id"]) for e in kept] == [
        ("prediction", "r0"),
        ("prediction", "r1"),
        ("prediction", "r2"),
        ("outcome", "r1"),
    ]
    deployed = [json.loads(line) for line in (folder / "deployments.ndjson").read_text().splitlines()]
    assert [d["version"] for d in deployed] == ["1", "2"]
    series = (folder / "series.txt").read_text()
    assert 'ml_predictions_total{model="clf",version="1"} 3' in series
    assert 'model="reg"' not in series
    assert json.loads((folder / "alert.json").read_text())["alert"]["name"] == "ModelQualityCritical"
    assert set(json.loads((folder / "manifest.json").read_text())) == {
        "alert.json",
        "series.txt",
        "deployments.ndjson",
        "events.ndjson",
    }


def test_evidence_that_cannot_be_written_says_so(scene: Callable[..., Scene]) -> None:
    one = scene(freeze=True)
    (one.folder / "evidence").write_text("in the way")
    one.start()
    one.send(alert())
    ended = one.result()
    assert ended["result"] == "refused"
    assert "cannot be written" in ended["detail"]


def test_an_action_that_cannot_be_carried_out_ends_as_failed_and_the_next_is_carried_out(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> str:
        raise ValueError("Number out of range")

    one = scene(freeze=True)
    one.start()
    with monkeypatch.context() as patched:
        patched.setattr(runner, "freeze", broken)
        for number in range(THREADS + 1):
            one.send(alert(fingerprint=f"broken{number}"))
            one.now += 86400.0  # past the cool-down
            assert one.result()["result"] == "failed"
    assert "Number out of range" in one.result()["detail"]
    one.send(alert(fingerprint="sound"))
    assert one.result()["result"] == "succeeded"
    calls = values(one.engine.blocks())
    assert calls["plumbline_hook_calls_total", "freeze", "failed"] == THREADS + 1
