"""The pages in a real browser: nothing runs, nothing is refused, and it fits a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from plumbline.ingest.engine import Engine
from plumbline.trace.lookup import Lookup
from support import browser
from support.alert_samples import alert, webhook
from support.pages import EVIL, HTML, Elements
from support.running import Running
from support.samples import outcome, prediction
from support.trace_scene import CHAIN, TRACE_ID, log, pipeline

pytestmark = pytest.mark.skipif(browser.why_not() is not None, reason=str(browser.why_not()))

LONG = "a/very/long/request/id/" + "x" * 120
SCENE = [
    *CHAIN,
    {"type": "deployment", "ts": 900.0, "model": "clf", "version": "2", "stage": "shadow"},
    pipeline(
        "r-b",
        "b/1",
        stage="check",
        status="failed",
        ts=520.0,
        rows_in=1_234_567,
        rows_out=0,
        checks=[{"name": "no_gaps", "passed": False}, {"name": "fresh", "passed": True}],
    ),
    log(
        "the weather station sent nothing for 3 h",
        level="WARNING",
        run_id="r-b",
        ts=510.0,
        fields={"service.name": "feed"},
    ),
    prediction(
        "q/1", version="3", ts=1000.2, status="error", prediction=None, score=None, features={"x": -4.0, "c": "never"}
    ),
    prediction("late", data_batch_id="b/1", features={"x": None, "c": "new"}, ts=1200.0),
    outcome("late", "1"),
    log(EVIL, request_id="q/1"),
    log("x" * 400, trace_id=TRACE_ID),
    prediction(LONG, data_batch_id="b/1", ts=1300.0),
]
ALERTS = webhook(
    alert(
        startsAt="1970-01-01T00:10:00Z",
        labels={"version": "1"},
        annotations={
            "summary": "Quality of clf 1 is worse than its objective.",
            "description": "accuracy is 0.61 over 1h and 0.63 over 1d, 0.80 in the baseline (n = 412).",
            "runbook_url": "javascript:alert(1)",
        },
    ),
    alert(
        startsAt="1970-01-01T00:12:00Z",
        fingerprint="b2",
        labels={
            "alertname": "PipelineStale",
            "severity": "warning",
            "model": None,
            "version": None,
            "pipeline": "feed",
        },
        annotations={"summary": "Data of feed are older than 2d.", "verdict": ""},
    ),
)


@pytest.fixture
def server(engine: Engine) -> Iterator[Running]:
    running = Running(engine, lookup=Lookup(engine.store.reader(), engine.baselines))
    try:
        running.send(*SCENE)
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"{running.url}/v1/alerts", data=ALERTS, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        yield running
    finally:
        running.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where pictures go: a folder of yours, if you want to look at them."""
    wanted = os.environ.get("PLUMBLINE_PICTURES")
    if wanted is None:
        return tmp_path
    Path(wanted).mkdir(parents=True, exist_ok=True)
    return Path(wanted)


def test_a_browser_shows_the_story_and_runs_nothing_of_what_others_sent(server: Running) -> None:
    shown = browser.dom(f"{server.url}/trace/q%2F1")
    found = Elements(shown)
    assert "<title>Request q/1</title>" in shown  # a script that ran would have changed it
    assert found.tags.isdisjoint({"script", "img"})
    for word in (
        "predicted 1",
        "corrected from 0",
        "clf 2 (shadow)",
        "ModelQualityCritical",
        "still firing",
        "Roll back to version 1.",
        "PipelineStale",
        "failed: no_gaps",
        "sent nothing for 3 h",
        "b/1",
        "c0ffee42",
    ):
        assert word in found.text, word
    assert "odd: x, c" in Elements(browser.dom(f"{server.url}/trace/late")).text
    links = {value for name, value in found.attributes if name == "href"}
    assert "http://g/d/x" in links
    around = f"from={(1000 - 3 * 3600) * 1000}&to={(1000 + 3 * 3600) * 1000}"
    assert f"http://localhost:3000/d/plumbline-drift?var-model=clf&var-version=1&{around}" in links
    assert not [link for link in links if link.startswith("javascript")]


@pytest.mark.parametrize("path", ["/trace/q%2F1", "/batch/b%2F1", "/"])
def test_the_browser_refuses_nothing_in_light_and_dark(server: Running, folder: Path, path: str) -> None:
    sizes = []
    for scheme in ("light", "dark"):
        picture = folder / f"{path.strip('/').replace('/', '-').replace('%2F', '-') or 'landing'}-{scheme}.png"
        told = browser.picture(server.url + path, picture, 1100, 1800, dark=scheme == "dark")
        assert "Content Security Policy" not in told  # how the browser tells what it refused
        sizes.append(picture.read_bytes())
    assert min(map(len, sizes)) > 10_000
    assert sizes[0] != sizes[1]


@pytest.mark.parametrize("path", ["/trace/q%2F1", "/batch/b%2F1", "/trace/" + LONG.replace("/", "%2F"), "/"])
def test_the_page_is_no_wider_than_a_phone(server: Running, folder: Path, path: str) -> None:
    page = server.get(path, HTML)
    assert page.status_code == 200
    file = folder / f"phone{len(path)}.html"
    assert browser.on_a_phone(page.text, file) <= 390
    if "PLUMBLINE_PICTURES" in os.environ:
        browser.picture(file.as_uri(), file.with_suffix(".png"), 500, 2600)
