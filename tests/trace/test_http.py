from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from plumbline.errors import StoreError
from plumbline.ingest.engine import Engine
from plumbline.server.run import Exporter
from plumbline.trace.client import Client
from plumbline.trace.lookup import Lookup
from support.pages import EVIL, HTML, JSON, Elements
from support.running import Running
from support.samples import catalogue, outcome, prediction
from support.trace_scene import CHAIN, log, pipeline


@pytest.fixture
def server(engine: Engine) -> Iterator[Running]:
    running = Running(engine, lookup=Lookup(engine.store.reader(), engine.baselines))
    yield running
    running.stop()


def test_people_get_html_and_programs_json_at_one_address(server: Running) -> None:
    server.send(*CHAIN)
    page = server.get("/trace/q%2F1", HTML)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Accept" in page.headers["Vary"]
    record = server.get("/trace/q%2F1", JSON)
    assert record.headers["Content-Type"] == "application/json"
    assert record.json()["predictions"][0]["version_info"]["commit"] == "c0ffee42"
    assert server.get("/trace/q%2F1?format=json", HTML).json() == record.json()


def test_an_id_with_a_slash_may_be_written_plainly(server: Running) -> None:
    server.send(*CHAIN)
    assert server.get("/trace/q/1", JSON).json()["request_id"] == "q/1"


def test_trace_and_batch_pages_link_to_each_other(server: Running) -> None:
    server.send(*CHAIN)
    trace = Elements(server.get("/trace/q%2F1", HTML).text)
    assert ("href", "/batch/b%2F1") in trace.attributes
    assert ("href", "/batch/raw%2F1") in trace.attributes
    batch = Elements(server.get("/batch/b%2F1", HTML).text)
    assert ("href", "/trace/q%2F1") in batch.attributes
    assert ("href", "/batch/raw%2F1") in batch.attributes


def test_behind_a_proxy_every_link_of_a_page_has_its_path(engine: Engine) -> None:
    running = Running(engine, lookup=Lookup(engine.store.reader(), engine.baselines), external_url="http://h/plumb")
    try:
        running.send(*CHAIN)
        for page in (
            "/plumb/trace/q%2F1",
            "/trace/q%2F1",
            "/batch/b%2F1",
            "/requests",
            "/requests?model=clf",
            "/trace/0",
        ):
            attributes = Elements(running.get(page, HTML).text).attributes
            links = [value for name, value in attributes if name == "href" and value.startswith("/")]
            assert links
            assert all(link.startswith("/plumb/") for link in links), page
    finally:
        running.stop()


def test_the_page_tells_the_story(server: Running) -> None:
    server.send(*CHAIN)
    text = Elements(server.get("/trace/q%2F1", HTML).text).text
    for word in ("predicted 1", "corrected to 1", "c0ffee42", "train-1", "gateway", "error: slow", "-15 min"):
        assert word in text


@pytest.mark.parametrize(("path", "what"), [("/trace/nobody", "request"), ("/batch/none", "data batch")])
def test_an_unknown_id_is_404_in_the_form_that_was_asked_for(server: Running, path: str, what: str) -> None:
    page, record = server.get(path, HTML), server.get(path, JSON)
    assert (page.status_code, record.status_code) == (404, 404)
    assert f"Unknown {what}" in page.text
    assert record.json()["error"] == "not_found"
    assert path.rpartition("/")[2] in record.json()["detail"]


def test_the_list_of_a_batch_goes_on_from_page_to_page(server: Running) -> None:
    server.send(*[prediction(f"p{n}", data_batch_id="b") for n in range(130)])
    listed: list[str] = []
    path: str | None = "/batch/b"
    while path is not None:
        found = Elements(server.get(path, HTML).text)
        links = [value for name, value in found.attributes if name == "href"]
        listed += [link.removeprefix("/trace/") for link in links if link.startswith("/trace/")]
        path = next((link for link in links if "after=" in link), None)
    assert listed == [f"p{n}" for n in range(130)]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=1.5", "after=" + "9" * 30, "limit=%D9%A3"])
def test_a_wrong_place_in_the_list_is_a_bad_request(server: Running, query: str) -> None:
    assert server.get(f"/batch/b?part=predictions&{query}", JSON).status_code == 400


def test_what_others_sent_is_text_and_never_markup(server: Running) -> None:
    server.send(
        prediction(
            EVIL[:100],
            features={EVIL: EVIL},
            prediction=EVIL,
            data_batch_id=EVIL[:100],
            slices={EVIL: EVIL},
            **{EVIL: {EVIL: EVIL}},
        ),
        outcome(EVIL[:100], EVIL),
        log(f"{EVIL}\x1b[2J\u202e\u2028\x00", level=EVIL, logger=EVIL, request_id=EVIL[:100]),
        pipeline("<b>run", EVIL[:100], ("<i>in",), stage="<u>s", checks=[{"name": EVIL, "passed": False}]),
    )
    address = quote(EVIL[:100], safe="")
    for path in (f"/trace/{address}", f"/batch/{address}", f"/batch/{address}?part=predictions", "/trace/%3Cb%3E"):
        answer = server.get(path, HTML)
        found = Elements(answer.text)
        assert found.tags.isdisjoint({"script", "img", "b>run", "i", "u"}), path
        assert not [name for name, _ in found.attributes if name.startswith("on")]
        assert all(c.isprintable() or c in "\n\t" for c in answer.text)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" in Elements(server.get(f"/trace/{address}", HTML).text).text


def test_a_store_that_cannot_be_read_is_503_and_the_server_lives(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Lookup, request_id: str) -> None:
        raise StoreError("the store could not be read: disk I/O error")

    monkeypatch.setattr(Lookup, "trace", fail)
    assert server.get("/trace/q", JSON).json()["error"] == "store_error"
    page = server.get("/trace/q", HTML)
    assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert server.get("/-/ready").status_code == 200


def test_the_client_reads_the_same_records_as_the_lookup(server: Running, lookup: Lookup) -> None:
    server.send(*CHAIN)
    client = Client(server.url)
    assert client.trace("q/1") == lookup.trace("q/1")
    assert client.batch("b/1") == lookup.batch("b/1")
    assert client.used("b/1", 0, 1) == lookup.used("b/1", 0, 1)
    assert client.trace("nobody") is None
    client.close()


def test_json_needs_no_schema_to_be_read(server: Running) -> None:
    server.send(*CHAIN)
    found = json.loads(server.get("/batch/b%2F1", JSON).content)
    assert found["schema"] == 1
    assert found["used_by"] == [
        {
            "model": "clf",
            "version": "1",
            "predictions": 2,
            "first": "1970-01-01T00:16:40.000Z",
            "last": "1970-01-01T00:18:20.000Z",
        }
    ]


def test_without_a_lookup_there_are_no_such_pages(engine: Engine) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    exporter = Exporter(catalogue(host_metrics=False), engine, sock)
    sock.close()
    assert list(exporter.app.more) == []
