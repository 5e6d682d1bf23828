import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from plumbline.cli.main import run
from plumbline.client.post import Sender
from plumbline.errors import PlumblineError, TableError
from plumbline.history.records import JsonLines
from plumbline.replay import Due, TimeMap, replay, schedule


class Exporter:
    """Answers as told, then accepts everything; keeps the bodies."""

    def __init__(self, *answers: int) -> None:
        self.bodies: list[bytes] = []
        waiting = list(answers)
        self.stored = 0  # of each request
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                exporter.bodies.append(body)
                status = waiting.pop(0) if waiting else 200
                if status == 0:  # as when it is killed: no answer at all
                    self.close_connection = True
                    return
                lines = len(body.splitlines())
                account = {"accepted": lines, "rejected": [], "duplicates": min(lines, exporter.stored)}
                answer = json.dumps(account).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> "Exporter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def sender() -> Iterator[list[Sender]]:
    made: list[Sender] = []
    yield made
    for each in made:
        each.__exit__(None)


def planned(path: Path, *given: float, **stretch: float) -> list[Due]:
    return list(schedule(JsonLines([path]).records(), *given, **stretch))


def ndjson(tmp_path: Path, *events: object) -> Path:
    path = tmp_path / "e.ndjson"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def test_time_is_mapped_linearly():
    when = TimeMap(1000.0, 50.0, 100.0)
    assert [when(1000.0), when(1100.0), when(900.0)] == [50.0, 51.0, 49.0]


def test_times_and_data_times_move_onto_the_clock_and_nothing_else_changes(tmp_path: Path):
    prediction = {"type": "prediction", "ts": "1970-01-01T00:10:00Z", "features": {"a": None, "b": 1.5}}
    run = {"type": "pipeline", "ts": 700, "data_ts": 640, "run_id": "r"}
    due = planned(ndjson(tmp_path, prediction, run), 10.0, 5000.0)
    assert [d.kind for d in due] == ["prediction", "pipeline"]
    assert [d.at for d in due] == [5000.0, 5010.0]
    assert json.loads(due[0].line) == {**prediction, "ts": 5000.0}
    assert json.loads(due[1].line) == {**run, "ts": 5010.0, "data_ts": 5004.0}


def test_only_the_chosen_stretch_is_replayed_from_its_own_beginning(tmp_path: Path):
    path = ndjson(tmp_path, *({"type": "log", "ts": t} for t in (10, 20, 30, 40)))
    due = planned(path, 1.0, 100.0, first=15.0, last=30.0)
    assert [d.at for d in due] == [105.0, 115.0]


@pytest.mark.parametrize("line", ["[]", "{}", '{"ts": "yesterday"}', '{"ts": null}', "{"])
def test_a_line_without_a_usable_time_is_named(tmp_path: Path, line: str):
    path = tmp_path / "e.ndjson"
    path.write_text('{"type": "log", "ts": 1}\n' + line + "\n")
    with pytest.raises(TableError, match=r"e\.ndjson:2: "):
        planned(path, 1.0, 0.0)


def test_a_batch_is_sent_again_byte_for_byte_until_it_is_answered(sender: list[Sender]):
    with Exporter(0, 503, 429) as exporter:
        sender.append(Sender(exporter.url, 20.0, await_exporter=True))
        answer = sender[0].send([b'{"a":1}', b'{"b":2}'])
    assert (answer.accepted, answer.rejections) == (2, [])
    assert exporter.bodies == [b'{"a":1}\n{"b":2}'] * 4
    assert sender[0].retries == 3


def test_a_request_refused_for_good_is_not_repeated(sender: list[Sender]):
    with Exporter(415) as exporter:
        sender.append(Sender(exporter.url))
        with pytest.raises(PlumblineError, match="refuses the events: HTTP 415"):
            sender[0].send([b"{}"])
    assert len(exporter.bodies) == 1


def test_patience_ends_when_nobody_answers(sender: list[Sender]):
    with Exporter() as exporter:
        url = exporter.url
    sender.append(Sender(url, 0.3, await_exporter=True))
    began = time.monotonic()
    with pytest.raises(PlumblineError, match="did not take the events within"):
        sender[0].send([b"{}"])
    assert time.monotonic() - began < 5.0


def test_events_are_sent_in_order_not_before_they_are_due_and_counted(sender: list[Sender]):
    start = time.time() + 0.3
    events = [
        Due(start + 0.1 * i, f'{{"n":{i}}}'.encode(), "outcome" if i % 3 == 0 else "prediction") for i in range(10)
    ]
    with Exporter() as exporter:
        sender.append(Sender(exporter.url))
        report = replay(events, sender[0], batch=4, interval=0.25)
    sent = b"\n".join(exporter.bodies).splitlines()
    assert sent == [due.line for due in events]
    assert max(len(body.splitlines()) for body in exporter.bodies) <= 4
    assert report.sent == {"outcome": 4, "prediction": 6}
    assert report.accepted == 10
    assert report.seconds >= 1.1


def test_events_that_an_earlier_replay_has_stored_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "h.ndjson").write_text('{"type": "outcome", "request_id": "a", "actual": 1, "ts": 1}\n')
    with Exporter() as exporter:
        assert run(["replay", str(tmp_path / "h.ndjson"), "--url", exporter.url]) == 0
        assert "stored before" not in capsys.readouterr().out
        exporter.stored = 1
        assert run(["replay", str(tmp_path / "h.ndjson"), "--url", exporter.url]) == 0
        assert "1 of them were stored before, by an earlier replay perhaps" in capsys.readouterr().out


def test_a_replay_can_be_stopped_between_batches(sender: list[Sender]):
    events = (Due(time.time(), b"{}", "log") for _ in range(100))
    with Exporter() as exporter:
        sender.append(Sender(exporter.url))
        report = replay(events, sender[0], batch=10, stop=lambda: len(exporter.bodies) >= 2)
    assert report.sent == {"log": 20}
