from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
import wsgiref.simple_server
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import uvicorn
from fastapi import FastAPI, Response
from hypothesis import given
from hypothesis import strategies as st

from plumbline.ids import bind, current_ids
from plumbline.middleware import ASGIMiddleware, WSGIMiddleware, propagate, propagation_headers
from plumbline.tracecontext import parse_traceparent, well_formed_request_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def echo_ids() -> dict[str, str]:
    logging.getLogger("app").warning("serving")
    return dict(current_ids())


def asgi_app() -> Any:
    app = FastAPI()

    @app.get("/ids")
    async def ids(response: Response) -> dict[str, str]:
        response.headers["X-Request-ID"] = "the application's own"
        await asyncio.sleep(0.01)
        return echo_ids()

    @app.get("/sync")
    def sync() -> dict[str, str]:
        return echo_ids()

    @app.get("/error")
    async def error() -> None:
        raise ZeroDivisionError

    return ASGIMiddleware(app)


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    if environ["PATH_INFO"] == "/error":
        raise ZeroDivisionError

    def body() -> Iterator[bytes]:
        yield json.dumps(echo_ids()).encode()  # in the generator: after the call has returned

    start_response("200 OK", [("Content-Type", "application/json"), ("x-request-id", "the application's own")])
    return body()


class QuietWsgi(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(params=["asgi", "wsgi"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "asgi":
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(asgi_app(), log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
        sock.close()
    else:
        http = wsgiref.simple_server.make_server(
            "127.0.0.1",
            0,
            WSGIMiddleware(wsgi_app),
            handler_class=QuietWsgi,  # type: ignore[arg-type]
        )
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join(10)
        http.server_close()


def test_well_formed_ids_are_taken_bound_and_returned(url: str) -> None:
    answer = requests.get(
        url + "/ids", headers={"X-Request-ID": "my-id", "traceparent": PARENT, "tracestate": "a=1"}, timeout=5
    )
    ids = answer.json()
    assert ids["request_id"] == answer.headers["X-Request-ID"] == "my-id"
    assert ids["trace_id"] == TRACE
    assert ids["span_id"] != SPAN
    assert ids["tracestate"] == "a=1"
    assert answer.headers["traceparent"] == f"00-{TRACE}-{ids['span_id']}-01"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Request-ID": "x" * 257},
        {"X-Request-ID": "caf\xe9"},
        {"traceparent": PARENT.upper()},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
        {"traceparent": PARENT + "-more"},
        {"traceparent": "ff" + PARENT[2:]},
        {"traceparent": PARENT[:-1]},
    ],
)
def test_ids_are_made_where_none_or_no_good_ones_came(url: str, headers: dict[str, str]) -> None:
    answer = requests.get(url + "/ids", headers=headers, timeout=5)
    ids = answer.json()
    assert len(ids["request_id"]) == 32
    assert ids["trace_id"] != TRACE
    assert parse_traceparent(answer.headers["traceparent"]) is not None


def test_each_request_has_ids_of_its_own_and_one_access_line(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "plumbline.access"):
        seen = {requests.get(url + "/ids?secret=1", timeout=5).json()["request_id"] for _ in range(3)}
        lines = access(caplog, 3)
    assert len(seen) == 3
    assert len(lines) == 3
    fields = lines[0].__dict__
    assert fields["http.response.status_code"] == 200
    assert fields["url.path"] == "/ids"
    assert fields["http.response.body.size"] > 50
    assert fields["http.server.request.duration"] > 0
    assert "secret" not in lines[0].getMessage()


def access(caplog: pytest.LogCaptureFixture, expected: int) -> list[logging.LogRecord]:
    """The access lines; the server writes them after its answer, so the client may have to wait."""
    end = time.monotonic() + 60
    while True:
        lines = [r for r in caplog.records if r.name == "plumbline.access"]
        if len(lines) >= expected or time.monotonic() > end:
            return lines
        time.sleep(0.01)


def test_a_failing_application_is_an_error_line_with_its_type(
    url: str, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    with caplog.at_level(logging.INFO, "plumbline.access"):
        assert requests.get(url + "/error", timeout=5).status_code == 500
        (line,) = access(caplog, 1)
    assert line.levelno == logging.ERROR
    assert line.__dict__["error.type"] == "ZeroDivisionError"
    assert line.__dict__["http.response.status_code"] == 500


def test_lines_of_a_thread_pool_carry_the_ids() -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(asgi_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/sync", headers={"X-Request-ID": "pooled"})

    assert asyncio.run(ask()).json()["request_id"] == "pooled"


def test_outgoing_calls_carry_the_ids(url: str) -> None:
    bound = {"request_id": "out", "trace_id": TRACE, "span_id": SPAN, "trace_flags": "01", "tracestate": "a=1"}

    async def ask() -> dict[str, str]:
        async with propagate(httpx.AsyncClient()) as client:
            return dict((await client.get(url + "/ids")).json())

    with bind(**bound), requests.Session() as session, httpx.Client() as client:
        found = [propagate(session).get(url + "/ids", timeout=5).json(), propagate(client).get(url + "/ids").json()]
        found.append(asyncio.run(ask()))
        mine = session.get(url + "/ids", headers={"X-Request-ID": "mine"}, timeout=5).json()
    for ids in found:
        assert (ids["request_id"], ids["trace_id"], ids["tracestate"]) == ("out", TRACE, "a=1")
    assert mine["request_id"] == "mine"
    assert propagation_headers() == {}


def test_ids_go_to_the_named_hosts_only(url: str) -> None:
    with bind(request_id="out"), requests.Session() as session, httpx.Client() as client:
        propagate(session, hosts=["example.org"])
        propagate(client, hosts=["example.org"])
        assert session.get(url + "/ids", timeout=5).json()["request_id"] != "out"
        assert client.get(url + "/ids").json()["request_id"] != "out"
        propagate(session, hosts=["127.0.0.1"])
        assert session.get(url + "/ids", timeout=5).json()["request_id"] == "out"


def test_what_makes_no_calls_is_refused() -> None:
    with pytest.raises(TypeError, match="not a dict"):
        propagate({})


@given(st.text(max_size=300))
def test_a_request_id_that_is_taken_can_be_a_header_and_an_event_id(text: str) -> None:
    if well_formed_request_id(text):
        assert 0 < len(text) <= 256
        requests.Request("GET", "http://x", headers={"X-Request-ID": text}).prepare()


@given(st.text(max_size=60) | st.from_regex(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?\Z"))
def test_a_traceparent_is_read_exactly_or_not_at_all(text: str) -> None:
    trace = parse_traceparent(text)
    if trace is not None:
        parts = text.strip(" \t").split("-")
        assert (trace.trace_id, trace.span_id) == (parts[1], parts[2])
        assert trace.trace_id.strip("0")
        assert parts[0] != "ff"
        assert parse_traceparent(trace.traceparent) == trace
