from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from structlog.testing import capture_logs

from plumbline.errors import StoreError, StoreFull
from plumbline.server.landing import landing_page
from support.samples import catalogue

NDJSON = {"Content-Type": "application/x-ndjson"}


def line(number: int = 0) -> bytes:
    return json.dumps({"type": "outcome", "request_id": f"r{number}", "actual": 1}).encode()


def post(server: Any, body: Any, **headers: str) -> requests.Response:
    return requests.post(f"{server.url}/v1/events", data=body, headers={**NDJSON, **headers}, timeout=30)


def metric(server: Any, sample: str, **labels: str) -> float:
    page = requests.get(f"{server.url}/metrics", timeout=30).text
    found = [s.value for family in parse_text(page) for s in family.samples if s.name == sample and s.labels == labels]
    assert len(found) == 1
    return float(found[0])


def test_lines_are_answered_one_by_one_and_only_what_is_stored_is_accepted(server: Any) -> None:
    answer = post(server, b"\n".join([line(1), b"not json", line(2), line(3)]))
    assert answer.status_code == 200
    found = answer.json()
    assert found["accepted"] == 3
    assert [(r["line"], r["reason"]) for r in found["rejected"]] == [(2, "bad_json")]
    assert found["duplicates"] == 0
    assert server.engine.stored == [line(1), line(2), line(3)]
    assert post(server, line(1)).json()["duplicates"] == 1


def test_a_request_of_rejected_lines_only_still_reaches_the_engine_which_counts_it(server: Any) -> None:
    assert post(server, b"no\nno").json()["accepted"] == 0
    assert server.engine.commits == [2]


def test_an_empty_request_is_fine(server: Any) -> None:
    assert post(server, b"").json() == {"accepted": 0, "rejected": [], "duplicates": 0}
    assert server.engine.commits == []


def test_who_sent_a_request_is_who_connected_whatever_a_header_says(server: Any) -> None:
    with capture_logs() as logs:
        post(server, line(), **{"Content-Type": "text/plain", "X-Forwarded-For": "203.0.113.7"})
    assert [entry["client"] for entry in logs if entry["event"] == "request refused"] == ["127.0.0.1"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_another_content_type_is_refused_with_the_remedy(server: Any, kind: str) -> None:
    answer = post(server, line(), **{"Content-Type": kind})
    assert answer.status_code == 415
    assert "Content-Type: application/x-ndjson" in answer.json()["detail"]
    assert metric(server, "plumbline_requests_refused_total", reason="wrong_type") == 1
    assert server.engine.stored == []


def test_content_type_parameters_are_fine(server: Any) -> None:
    assert post(server, line(), **{"Content-Type": "application/x-ndjson; charset=utf-8"}).status_code == 200


def test_gzip_bodies_are_unpacked_also_of_several_members(server: Any) -> None:
    body = gzip.compress(line(1) + b"\n") + gzip.compress(line(2))
    assert post(server, body, **{"Content-Encoding": "gzip"}).json()["accepted"] == 2


def test_a_gzip_body_is_known_by_its_content_whatever_the_header_says(server: Any) -> None:
    assert post(server, gzip.compress(line(1))).json()["accepted"] == 1
    unpacked_on_the_way = {"Content-Encoding": "gzip"}
    assert post(server, line(2), **unpacked_on_the_way).json()["accepted"] == 1


def test_an_array_of_events_is_taken_as_json_too(server: Any) -> None:
    body = b"[" + line(1) + b"," + line(2) + b"]"
    assert post(server, body, **{"Content-Type": "application/json"}).json()["accepted"] == 2


def test_a_body_of_many_empty_gzip_members_costs_time_in_its_length_only(server: Any) -> None:
    spent = []  # CPU, not wall clock: that depends on what else the machine does
    for members in (25_000, 100_000):
        body = gzip.compress(b"") * members + gzip.compress(line(members))
        start = time.process_time()
        assert post(server, body, **{"Content-Encoding": "gzip"}).json()["accepted"] == 1
        spent.append(time.process_time() - start)
    assert spent[1] < 10 * spent[0]  # measured: 3.3 times; 30 times if each copies the rest


@pytest.mark.parametrize("body", [b"plain", gzip.compress(line() * 50)[:-20]], ids=["plain", "cut short"])
def test_a_damaged_gzip_body_is_refused_whole(server: Any, body: bytes) -> None:
    assert post(server, body, **{"Content-Encoding": "gzip"}).status_code == 400
    assert metric(server, "plumbline_requests_refused_total", reason="bad_encoding") == 1
    assert server.engine.stored == []


def chunks(total: int) -> Iterator[bytes]:
    for _ in range(total // 1000):
        yield b" " * 1000


def test_bodies_beyond_the_limit_are_refused_however_they_come(start: Callable[..., Any]) -> None:
    server = start(body_bytes=10_000)
    packed = {"Content-Encoding": "gzip"}
    answers = [
        post(server, b" " * 10_001),
        post(server, chunks(12_000)),  # no Content-Length
        post(server, gzip.compress(b" " * 100_000), **packed),
        post(server, gzip.compress(b" " * 8_000) * 2, **packed),
    ]
    assert [a.status_code for a in answers] == [413] * 4
    assert metric(server, "plumbline_requests_refused_total", reason="too_large") == 4
    assert post(server, line()).status_code == 200


def test_more_lines_than_the_queue_ever_holds_are_too_large_not_try_again(start: Callable[..., Any]) -> None:
    server = start(queue_events=10)
    answer = post(server, b"\n".join(map(line, range(11))))
    assert (answer.status_code, "Retry-After" in answer.headers) == (413, False)


def test_a_flood_of_short_lines_is_refused_before_any_is_parsed(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    monkeypatch.setattr("plumbline.events.parse.parse_line", lambda *a: parsed.append(a))
    assert post(server, b"1\n" * 60_000).status_code == 413
    assert parsed == []


def test_a_full_queue_answers_429_and_what_waited_is_stored(start: Callable[..., Any], engine: Any) -> None:
    server = start(queue_events=10)
    server.wait_ready()
    engine.gate.clear()
    answers: list[requests.Response] = []

    def send(numbers: range) -> threading.Thread:
        thread = threading.Thread(target=lambda: answers.append(post(server, b"\n".join(map(line, numbers)))))
        thread.start()
        return thread

    waiting = [send(range(6))]
    assert engine.entered.wait(10)
    refused = post(server, b"\n".join(map(line, range(100, 106))))
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    waiting.append(send(range(10, 14)))
    assert metric(server, "plumbline_queue_capacity_events") == 10
    end = time.monotonic() + 60
    while metric(server, "plumbline_queue_events") != 10:
        assert time.monotonic() < end
    engine.gate.set()
    for thread in waiting:
        thread.join(20)
    assert [a.status_code for a in answers] == [200, 200]
    assert len(engine.stored) == 10
    assert metric(server, "plumbline_queue_events") == 0
    assert metric(server, "plumbline_requests_refused_total", reason="overloaded") == 1


def test_large_requests_that_wait_hold_bounded_memory_and_give_it_back(start: Callable[..., Any], engine: Any) -> None:
    server = start(body_bytes=10_000)
    server.wait_ready()
    engine.gate.clear()
    large = json.dumps({"type": "log", "level": "info", "message": "x" * 9_500}).encode()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(post(server, large).status_code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    while metric(server, "plumbline_queue_events") != 8:
        assert time.monotonic() < end
    assert post(server, large).status_code == 429
    packed = post(server, gzip.compress(large), **{"Content-Encoding": "gzip"})
    assert packed.status_code == 429
    engine.gate.set()
    for thread in threads:
        thread.join(20)
    assert answers == [200] * 8
    assert post(server, large).status_code == 200
    assert server.exporter.app.bodies.in_flight == 0


@pytest.mark.parametrize("error", [StoreFull("no space left"), StoreError("i/o error")])
def test_a_store_that_fails_answers_503_and_recovers_alone(server: Any, engine: Any, error: StoreError) -> None:
    engine.error = error
    answer = post(server, line(1))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert str(error) in answer.json()["detail"]
    assert requests.get(f"{server.url}/-/ready", timeout=10).status_code == 503
    assert requests.get(f"{server.url}/-/healthy", timeout=10).status_code == 200
    assert engine.stored == []
    engine.error = None
    assert post(server, line(1)).status_code == 200
    assert requests.get(f"{server.url}/-/ready", timeout=10).status_code == 200
    assert metric(server, "plumbline_requests_refused_total", reason="store_error") == 1


def test_waiting_requests_are_committed_together(server: Any, engine: Any) -> None:
    engine.gate.clear()
    threads = [threading.Thread(target=post, args=(server, line(n))) for n in range(6)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    while metric(server, "plumbline_queue_events") != 6:
        assert time.monotonic() < end
    engine.gate.set()
    for thread in threads:
        thread.join(20)
    assert sum(engine.commits) == 6
    assert len(engine.commits) <= 3


def test_not_ready_until_the_first_tick(start: Callable[..., Any], engine: Any) -> None:
    engine.tick_error = StoreError("still locked")
    server = start()
    answer = requests.get(f"{server.url}/-/ready", timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    engine.tick_error = None
    server.wait_ready()
    assert requests.get(f"{server.url}/-/ready", timeout=10).text == "ready\n"


@pytest.mark.parametrize("where", ["error", "tick_error"])
def test_a_writing_thread_that_dies_takes_the_process_with_it(
    start: Callable[..., Any], engine: Any, where: str
) -> None:
    server = start()
    server.wait_ready()
    setattr(engine, where, ZeroDivisionError("unforeseen"))
    if where == "error":
        assert post(server, line(1)).status_code == 503
    server.thread.join(20)
    assert server.code == 1


def test_a_stop_commits_what_waits_and_closes(start: Callable[..., Any], engine: Any) -> None:
    server = start()
    server.wait_ready()
    engine.gate.clear()
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(post(server, line(1)).status_code))
    thread.start()
    assert engine.entered.wait(10)
    server.exporter.stop()
    time.sleep(0.2)
    engine.gate.set()
    thread.join(20)
    assert server.stop() == 0
    assert answers == [200]
    assert len(engine.stored) == 1
    assert engine.closed


def test_a_sender_that_hangs_up_halfway_leaves_nothing_behind(server: Any) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as sock:
        head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        head += "Content-Length: 999\r\n\r\n"
        sock.sendall(head.encode() + line(1))
    assert post(server, line(2)).status_code == 200
    assert server.engine.stored == [line(2)]


def test_metrics_come_in_the_format_that_was_asked_for(server: Any) -> None:
    url = f"{server.url}/metrics"
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=10)
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Content-Encoding" not in plain.headers
    accept = (  # as Prometheus 2.42 sends it
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    )
    exact = requests.get(url, headers={"Accept": accept, "Accept-Encoding": "gzip"}, timeout=10)
    assert exact.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert exact.headers["Content-Encoding"] == "gzip"
    names = {family.name for family in parse_openmetrics(exact.text)}
    assert {"plumbline_lines", "plumbline_build_info", "plumbline_ingest_duration_seconds"} <= names
    assert names == {f.name for f in parse_text(plain.text)}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5", "text/plain"),
        (
            "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.6",
            "application/openmetrics-text",
        ),
    ],
)
def test_prometheus_gets_the_scrape_protocol_that_it_prefers(server: Any, accept: str, kind: str) -> None:
    answer = requests.get(
        f"{server.url}/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip;q=0"}, timeout=10
    )
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert "Content-Encoding" not in answer.headers


def test_a_broken_engine_does_not_lose_the_scrape(server: Any, engine: Any) -> None:
    post(server, line(1))
    assert metric(server, "plumbline_collector_success", collector="engine") == 1
    server.exporter.app.registry._collectors["engine"] = lambda: 1 / 0
    page = requests.get(f"{server.url}/metrics", timeout=10).text
    assert 'plumbline_collector_success{collector="engine"} 0' in page
    assert 'plumbline_collector_success{collector="exporter"} 1' in page
    assert "plumbline_lines_total" not in page


def test_wrong_paths_and_methods_get_an_answer_that_helps(server: Any) -> None:
    missing = requests.get(f"{server.url}/nothing", timeout=10)
    assert (missing.status_code, set(missing.json())) == (404, {"error", "detail"})
    wrong = requests.get(f"{server.url}/v1/events", timeout=10)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
    assert "POST" in wrong.json()["detail"]


def test_the_landing_page_names_the_models_and_escapes_everything(server: Any) -> None:
    page = requests.get(server.url, timeout=10)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "clf" in page.text
    declared = catalogue()
    evil = declared.models["clf"].model_copy(update={"description": "<script>alert(1)</script>"})
    declared = declared.model_copy(update={"models": {"clf": evil}})
    shown = landing_page(declared, "<b>broken</b>")
    assert "<script>" not in shown
    assert "<b>broken" not in shown


def test_the_landing_pages_example_gives_declared_features_values_of_their_type() -> None:
    declared = catalogue()
    kinds = {"numeric": float, "categorical": str, "boolean": bool}
    for name, model in declared.models.items():
        shown = unescape(landing_page(declared.model_copy(update={"models": {name: model}}), None))
        example = json.loads(shown[shown.index("<<'END'") + 7 :].strip().splitlines()[0])
        assert example["features"]
        assert {kinds[model.features[feature].type] for feature in example["features"]} == {
            type(value) for value in example["features"].values()
        }
        assert f'href="/requests?model={name}"' in shown


def test_behind_a_proxy_links_and_answers_have_its_path_and_requests_may(start: Callable[..., Any]) -> None:
    server = start(external_url="https://example.org/team/plumbline/")
    for prefix in ("", "/team/plumbline"):  # a proxy takes the path off, or leaves it
        page = requests.get(f"{server.url}{prefix}/", timeout=10).text
        links = re.findall(r'href="([^"]+)', page)
        assert links
        assert all(link.startswith("/team/plumbline/") for link in links)
        assert "https://example.org/team/plumbline/v1/events" in page
        assert requests.get(f"{server.url}{prefix}/metrics", timeout=10).status_code == 200
        answer = requests.get(f"{server.url}{prefix}/nothing", timeout=10)
        assert (answer.status_code, "/team/plumbline/ lists" in answer.json()["detail"]) == (404, True)
        # A redirect would lead to the address inside.
        assert requests.get(f"{server.url}{prefix}/metrics/", timeout=10, allow_redirects=False).status_code == 404
    assert requests.get(f"{server.url}/elsewhere/metrics", timeout=10).status_code == 404
    server.wait_ready()
    posted = requests.post(
        f"{server.url}/team/plumbline/v1/events", line(3), headers={"Content-Type": "application/x-ndjson"}, timeout=10
    )
    assert posted.json()["accepted"] == 1


def test_without_an_option_the_path_is_that_of_the_catalogues_link(start: Callable[..., Any]) -> None:
    declared = catalogue(host_metrics=False, links={"exporter": "https://example.org/p"})
    assert 'href="/p/metrics"' in requests.get(start(catalogue=declared).url, timeout=10).text


def test_the_landing_page_takes_any_name() -> None:
    declared = catalogue()
    name = 'a "b" {{ \\ </pre> href="/x"'
    model = declared.models["clf"].model_copy(update={"classes": ("0", name)})
    shown = landing_page(declared.model_copy(update={"models": {name: model}}), None, "http://h/p")
    assert 'href="/p/x' not in shown
    example = unescape(shown)
    event = json.loads(example[example.index("<<'END'") + 7 :].strip().splitlines()[0])
    assert (event["model"], event["prediction"]) == (name, name)


HOSTILE = [
    b'{"type":"outcome","request_id":"a\\r\\nb\\u0000\\u2028","actual":"\\n"}',
    b'{"type":"prediction","request_id":"q","model":"x\\"}\\n# EOF","version":"\\u2028","features":{"a\\nb":"c\\\\"}}',
    b'{"type":"log","level":"\\u001b[31m","message":"\\ud800"}',
    b"[" * 100_000,
    b'{"type":"outcome","request_id":"r","actual":NaN}',
    b'{"type":"' + b"x" * 2_000_000 + b'"}',
    b"\x00\xff\xfe",
    "\u2028".encode(),
]


def test_hostile_lines_are_answered_and_the_page_stays_valid(server: Any) -> None:
    answer = post(server, b"\n".join([*HOSTILE, line(7)]))
    found = answer.json()
    assert answer.status_code == 200
    assert found["accepted"] + len(found["rejected"]) == len(HOSTILE) + 1
    assert line(7) in server.engine.stored
    for accept, parse in (("text/plain", parse_text), ("application/openmetrics-text", parse_openmetrics)):
        page = requests.get(f"{server.url}/metrics", headers={"Accept": accept}, timeout=10).text
        assert list(parse(page))
