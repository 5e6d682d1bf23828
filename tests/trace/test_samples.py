"""Sample requests of a model version: the page that alerts link to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plumbline.ingest.engine import Engine
from plumbline.trace.lookup import Lookup
from plumbline.trace.samples import SHOWN
from support.pages import HTML, JSON, Elements
from support.running import Running
from support.samples import outcome, prediction

PATH = "/requests?model=clf&version=1"


@pytest.fixture
def server(engine: Engine) -> Iterator[Running]:
    running = Running(engine, lookup=Lookup(engine.store.reader(), engine.baselines, lambda: engine.store.last_seq))
    yield running
    running.stop()


def ids(server: Running, path: str = PATH) -> list[str]:
    return [one["request_id"] for one in server.get(path, JSON).json()["requests"]]


def test_failed_requests_come_first_then_wrong_ones_then_those_without_an_outcome(server: Running) -> None:
    server.send(
        prediction("right"),
        outcome("right", "1"),
        prediction("unknown"),
        prediction("wrong"),
        outcome("wrong", "0"),
        prediction("failed", status="error", prediction=None),
        prediction("other", version="2"),
        outcome("other", "0"),
    )
    assert ids(server) == ["failed", "wrong", "right", "unknown"]
    assert ids(server, "/requests?model=clf")[1:3] == ["other", "wrong"]
    assert ids(server, "/requests?model=nobody") == []


def test_a_correction_is_the_outcome_that_counts(server: Running) -> None:
    server.send(
        prediction("a"),
        outcome("a", "1"),
        outcome("a", "0", correction=True, ts=3000.0),
        prediction("b"),
        outcome("b", "1"),
    )
    found = server.get(PATH, JSON).json()["requests"]
    assert [(one["request_id"], one["actual"], one["error"]) for one in found] == [("a", "0", 1.0), ("b", "1", 0.0)]


def test_numbers_are_worst_by_their_distance(server: Running) -> None:
    for name, actual in (("near", 9.0), ("far", 100.0), ("middle", 30.0)):
        server.send(prediction(name, model="reg", prediction=10.0, score=None), outcome(name, actual))
    assert ids(server, "/requests?model=reg&version=1") == ["far", "middle", "near"]


def test_only_the_worst_are_shown_and_it_says_of_how_many(server: Running) -> None:
    server.send(*(prediction(f"r{n}") for n in range(SHOWN + 5)))
    answer = server.get(PATH, JSON).json()
    assert answer["found"] == SHOWN + 5
    assert len(answer["requests"]) == SHOWN
    assert answer["requests"][0]["request_id"] == f"r{SHOWN + 4}"  # the newest of equals


def test_people_get_a_page_of_links_to_traces_and_nothing_is_executed(server: Running) -> None:
    server.send(prediction("<b>q/1"))
    page = Elements(server.get(PATH, HTML).text)
    assert ("href", "/trace/%3Cb%3Eq%2F1") in page.attributes
    assert "<b>q/1" in page.text
    which = server.get("/requests", HTML)
    assert which.status_code == 400
    assert ("href", "/requests?model=clf") in Elements(which.text).attributes
    assert server.get("/requests", JSON).json()["error"] == "bad_request"
