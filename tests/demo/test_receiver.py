from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console

from examples.demo.proof import Check
from examples.demo.receiver import Notice, Receiver, read_notification
from examples.demo.screen import Screen


def alert(status: str = "firing", **labels: str) -> dict[str, Any]:
    shown = {"alertname": "FeatureBroken", "severity": "critical", "owner": "flight-ml", **labels}
    return {
        "status": status,
        "labels": shown,
        "annotations": {"summary": "An input is missing.", "description": "temp: 100 %"},
        "startsAt": "2026-01-01T00:00:00Z",
        "fingerprint": "1",
    }


def body(*alerts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "receiver": "r", "alerts": alerts}).encode()


@pytest.fixture
def seen() -> list[Notice]:
    return []


@pytest.fixture
def receiver(tmp_path: Path, seen: list[Notice]) -> Iterator[Receiver]:
    with Receiver(0, tmp_path / "notices.ndjson", seen.append) as server:
        yield server


def post(receiver: Receiver, path: str, data: bytes) -> requests.Response:
    return requests.post(f"http://127.0.0.1:{receiver.port}{path}", data=data, timeout=5)


def test_notice_says_who_got_what_when() -> None:
    (notice,) = read_notification("/flight-ml/page", body(alert(feature="temp")), 12.5)
    assert notice == Notice(
        12.5,
        "flight-ml",
        "page",
        "firing",
        "FeatureBroken",
        "critical",
        {"alertname": "FeatureBroken", "severity": "critical", "owner": "flight-ml", "feature": "temp"},
        "An input is missing.",
        "temp: 100 %",
    )


def test_alert_without_annotations_is_taken() -> None:
    bare = {"status": "resolved", "labels": {"alertname": "A"}}
    (notice,) = read_notification("/team/ticket", body(bare), 0.0)
    assert (notice.status, notice.alert, notice.severity, notice.summary) == ("resolved", "A", "", "")


@pytest.mark.parametrize("path", ["/", "/flight-ml", "/flight-ml/phone", "/flight-ml/page/more"])
def test_address_that_belongs_to_nobody_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no such address"):
        read_notification(path, body(alert()), 0.0)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"alerts": 1}', b'{"alerts": [{"status": "firing"}]}', b"\xff"])
def test_body_that_is_no_notification_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a notification"):
        read_notification("/flight-ml/page", data, 0.0)


def test_posted_alerts_are_kept_recorded_and_shown_in_order(
    receiver: Receiver, tmp_path: Path, seen: list[Notice]
) -> None:
    assert post(receiver, "/flight-ml/page", body(alert(feature="temp"), alert(feature="dewp"))).status_code == 200
    assert post(receiver, "/weather-data/ticket", body(alert("resolved", owner="weather-data"))).status_code == 200
    found = [(n.owner, n.kind, n.status, n.labels.get("feature")) for n in receiver.notices]
    assert found == [
        ("flight-ml", "page", "firing", "temp"),
        ("flight-ml", "page", "firing", "dewp"),
        ("weather-data", "ticket", "resolved", None),
    ]
    assert seen == receiver.notices
    lines = (tmp_path / "notices.ndjson").read_bytes().splitlines()
    assert [Notice(**json.loads(line)) for line in lines] == receiver.notices


@pytest.mark.parametrize(("path", "data"), [("/nobody", body(alert())), ("/flight-ml/page", b"{")])
def test_what_is_refused_is_answered_400_and_not_recorded(
    receiver: Receiver, tmp_path: Path, path: str, data: bytes
) -> None:
    assert post(receiver, path, data).status_code == 400
    assert receiver.notices == []
    assert not (tmp_path / "notices.ndjson").exists()


def test_port_is_free_again_after_the_receiver(tmp_path: Path) -> None:
    with Receiver(0, tmp_path / "n.ndjson") as first:
        port = first.port
    with Receiver(port, tmp_path / "n.ndjson") as second:
        assert post(second, "/a/page", body(alert())).status_code == 200


def shown(screen: Screen) -> str:
    out = screen.console.file
    assert isinstance(out, io.StringIO)
    return out.getvalue()


@pytest.fixture
def screen() -> Screen:
    return Screen(Console(file=io.StringIO(), width=200, color_system=None, highlight=False, soft_wrap=True))


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [("page", "firing", "PAGE"), ("ticket", "firing", "ticket"), ("page", "resolved", "resolved")],
)
def test_screen_tells_pages_tickets_and_resolved_apart(screen: Screen, kind: str, status: str, word: str) -> None:
    given = alert(status, model="flight_late", feature="temp")
    screen.notice(read_notification(f"/flight-ml/{kind}", body(given), 0.0)[0])
    line = shown(screen)
    assert f" {word}" in line
    assert "to flight-ml: FeatureBroken flight_late temp An input is missing." in line
    assert {w for w in ("PAGE", "ticket", "resolved") if w in line} == {word}


def test_screen_shows_brackets_as_they_are(screen: Screen) -> None:
    screen.say("rate(x[5m]) [/bold] [red]")
    screen.checks([Check("claim [a]", False, "seen [/b]")])
    text = shown(screen)
    assert "rate(x[5m]) [/bold] [red]" in text
    assert "claim [a]" in text
    assert "seen [/b]" in text
    assert "NO" in text
