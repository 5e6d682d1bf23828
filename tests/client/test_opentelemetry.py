"""The client, the log lines and the outgoing headers with OpenTelemetry, and in a process that has none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider

from plumbline import Client
from plumbline.logging import bind
from plumbline.middleware import propagation_headers
from support.exporter_stand_in import StandIn, predict

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_an_active_span_gives_events_and_outgoing_calls_their_trace(
    stand_in: StandIn, client_for: Callable[..., Client]
) -> None:
    client = client_for(strict=True)
    tracer = TracerProvider().get_tracer("t")
    with bind(request_id="r", trace_id=TRACE), tracer.start_as_current_span("work") as span:
        predict(client, "inside")
        headers = propagation_headers()
    with bind(trace_id=TRACE):
        predict(client, "outside")
    assert client.flush()
    context = span.get_span_context()
    inside, outside = map(json.loads, stand_in.lines)
    assert inside["trace_id"] == f"{context.trace_id:032x}" != TRACE
    assert outside["trace_id"] == TRACE
    assert headers["traceparent"] == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


# Nothing of OpenTelemetry and no httpx can be imported here, as in a service that has neither.
BARE_SERVICE = """
import io, json, logging, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("opentelemetry", "httpx"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import requests
from plumbline import Client
from plumbline.logging import bind, configure
from plumbline.middleware import ASGIMiddleware, WSGIMiddleware, propagate, propagation_headers

written = io.StringIO()
client = Client(sys.argv[1], spool_dir=sys.argv[2], durable=True, linger=0.01)
configure("bare", stream=written, client=client)

def application(environ, start_response):
    client.prediction(model="m", version="1", features={"x": 1}, prediction=1)
    logging.warning("serving")
    start_response("200 OK", [])
    return [json.dumps(propagation_headers()).encode()]

answered = {}
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_X_REQUEST_ID": "r-1",
           "HTTP_TRACEPARENT": "00-%s-b7ad6b7169203331-01" % sys.argv[3]}
body = WSGIMiddleware(application)(environ, lambda status, headers: answered.update(headers))
outgoing = json.loads(b"".join(body))
body.close()
with requests.Session() as session:
    propagate(session)
assert client.flush(20), client.stats()
assert not any(name.partition(".")[0] in ("opentelemetry", "httpx") for name in sys.modules)
print(json.dumps([answered["X-Request-ID"], outgoing, [json.loads(l) for l in written.getvalue().splitlines()]]))
"""


def test_a_service_without_opentelemetry_and_httpx_has_all_of_it(stand_in: StandIn, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BARE_SERVICE, stand_in.url, str(tmp_path), TRACE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    returned, outgoing, lines = json.loads(done.stdout)
    assert returned == "r-1"
    assert outgoing["X-Request-ID"] == "r-1"
    assert outgoing["traceparent"].split("-")[1] == TRACE
    assert [(line["Body"], line["TraceId"], line["Attributes"]["request_id"]) for line in lines] == [
        ("serving", TRACE, "r-1"),
        ("GET / 200", TRACE, "r-1"),
    ]
    events = [json.loads(line) for line in stand_in.lines]
    assert sorted(event["type"] for event in events) == ["log", "log", "prediction"]
    assert {(event["request_id"], event["trace_id"]) for event in events} == {("r-1", TRACE)}
