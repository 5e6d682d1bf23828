"""``POST /v1/alerts`` over HTTP."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
import requests

from plumbline import names
from plumbline.alerts import parse_webhook
from plumbline.errors import StoreError
from support.alert_samples import alert, webhook


def post(server: Any, body: bytes, **headers: str) -> requests.Response:
    headers = {"Content-Type": "application/json", **headers}
    return requests.post(server.url + names.ALERTS_PATH, data=body, headers=headers, timeout=20)


def test_alerts_are_answered_when_they_are_stored(server: Any) -> None:
    answer = post(server, webhook(alert(), alert(fingerprint="b"), truncatedAlerts=1))
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 2, "rejected": [], "duplicates": 0, "truncated": 1}
    assert len(server.engine.stored) == 2


def test_a_bad_alert_is_named_and_costs_no_other(server: Any) -> None:
    answer = post(server, webhook(alert(), alert(fingerprint="?")))
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    (rejected,) = answer.json()["rejected"]
    assert (rejected["alert"], rejected["reason"]) == (2, "bad_id")


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", {}, 400, "bad_webhook"),
        (webhook(version="5"), {}, 400, "bad_webhook"),
        (webhook(alert()), {"Content-Type": "text/plain"}, 415, "wrong_type"),
        (gzip.compress(webhook(alert())), {"Content-Encoding": "gzip"}, 415, "wrong_type"),
    ],
)
def test_what_is_no_webhook_is_refused_and_counted(
    server: Any, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = post(server, body, **headers)
    assert answer.status_code == status
    assert answer.json()["error"] == reason
    page = requests.get(server.url + "/metrics", timeout=20).text
    assert f'plumbline_requests_refused_total{{reason="{reason}"}} 1' in page
    assert server.engine.stored == []


def test_a_body_beyond_the_limit_is_refused(start: Callable[..., Any]) -> None:
    server = start(body_bytes=2000)
    server.wait_ready()
    answer = post(server, webhook(alert(annotations={"summary": "x" * 3000})))
    assert answer.status_code == 413


def test_a_failing_store_is_answered_503_so_that_alertmanager_sends_again(server: Any) -> None:
    server.engine.error = StoreError("disk on fire")
    assert post(server, webhook(alert())).status_code == 503


def test_pressure_is_answered_503_because_alertmanager_gives_up_on_429(start: Callable[..., Any]) -> None:
    server = start(queue_events=1)
    server.wait_ready()
    server.engine.gate.clear()
    body = webhook(alert())
    server.exporter.writer.submit(parse_webhook(body, 2e9))
    answer = post(server, body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_only_post_is_taken(server: Any) -> None:
    assert requests.get(server.url + names.ALERTS_PATH, timeout=20).status_code == 405
