from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plumbline.cli.ingest import ingest
from plumbline.errors import PlumblineError, UsageError
from plumbline.events.parse import parse


class Exporter(ThreadingHTTPServer):
    """Answers as the exporter does; the first answers may be set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.first: list[tuple[int, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Exporter
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Content-Type"] == "application/x-ndjson"
        if self.server.first:
            status, headers = self.server.first.pop(0)
            self.answer(status, {"error": "e", "detail": "told"}, headers)
            return
        self.server.bodies.append(body)
        parsed = parse(body, 0.0)
        rejected = [{"line": r.line, "reason": r.reason, "detail": r.detail} for r in parsed.rejected]
        self.answer(200, {"accepted": len(parsed.events), "rejected": rejected, "duplicates": 0}, {})

    def answer(self, status: int, found: Any, headers: dict[str, str]) -> None:
        data = json.dumps(found).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    server = Exporter()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def lines(count: int) -> bytes:
    return b"".join(b'{"type":"outcome","request_id":"r%d","actual":1}\n' % n for n in range(count))


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(ingest, arguments, **options)


def test_a_file_goes_in_batches_and_the_sum_is_told(exporter: Exporter, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(lines(25))
    done = run(str(tmp_path / "a.ndjson"), "--url", exporter.url, "--batch", "10", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"accepted": 25, "rejected": 0, "duplicates": 0}
    assert [body.count(b"\n") for body in exporter.bodies] == [10, 10, 5]
    assert b"".join(exporter.bodies) == lines(25)


def test_gzip_files_and_standard_input_are_read(exporter: Exporter, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(lines(3)))
    done = run(str(tmp_path / "a.ndjson.gz"), "-", "--url", exporter.url, input=lines(2))
    assert done.exit_code == 0
    assert done.stdout == "5 accepted (0 of them stored before), 0 rejected\n"


def test_rejected_lines_are_told_by_file_and_line_and_exit_1(exporter: Exporter, tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(lines(3) + b"\n" + b"broken\n" + lines(1) + b'{"type":"\x1b[31m"}\n')
    done = run(str(file), "--url", exporter.url, "--batch", "2")
    assert done.exit_code == 1
    told = done.stderr.splitlines()
    assert [t.split(": ")[:2] for t in told] == [[f"{file}:5", "bad_json"], [f"{file}:7", told[1].split(": ")[1]]]
    assert "\x1b" not in done.stderr
    assert "4 accepted" in done.stdout


def test_an_array_and_a_byte_order_mark_are_sent_as_lines(exporter: Exporter, tmp_path: Path) -> None:
    events = [json.loads(line) for line in lines(25).splitlines()]
    file = tmp_path / "a.json"
    for text in (json.dumps(events), json.dumps(events, indent=4), lines(25).decode()):
        for code in ("utf-8", "utf-8-sig", "utf-16"):
            exporter.bodies.clear()
            file.write_bytes(text.encode(code))
            assert run(str(file), "--url", exporter.url, "--batch", "10").exit_code == 0
            sent = b"".join(exporter.bodies).splitlines()
            assert [json.loads(line) for line in sent] == events
            assert [body.count(b"\n") for body in exporter.bodies] == [10, 10, 5]


def test_a_wrong_value_of_an_array_is_told_by_its_line(exporter: Exporter, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[\n{"type":"outcome","request_id":"r","actual":1},\n"broken"\n]')
    assert f"{file}:3: " in run(str(file), "--url", exporter.url).stderr


def test_a_table_is_refused_with_the_commands_that_take_it(exporter: Exporter, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ts,x\n1,2\n")
    done = run(str(tmp_path / "t.csv"), "--url", exporter.url)
    assert isinstance(done.exception, UsageError)
    assert "plumbline backfill" in str(done.exception)


def test_pressure_is_waited_out_as_the_exporter_asks(exporter: Exporter, tmp_path: Path) -> None:
    exporter.first = [(429, {"Retry-After": "0.1"}), (503, {"Retry-After": "0.1"})]
    done = run("-", "--url", exporter.url, input=lines(2))
    assert done.exit_code == 0
    assert exporter.bodies == [lines(2)]


def test_patience_ends(exporter: Exporter) -> None:
    exporter.first = [(503, {"Retry-After": "3"})]
    done = run("-", "--url", exporter.url, "--retry-seconds", "1", input=lines(2))
    assert isinstance(done.exception, PlumblineError)
    assert "503: told" in str(done.exception)


def test_another_refusal_is_passed_on(exporter: Exporter) -> None:
    exporter.first = [(413, {})]
    done = run("-", "--url", exporter.url, input=lines(2))
    assert isinstance(done.exception, PlumblineError)
    assert "413: told" in str(done.exception)


def test_no_exporter_says_how_to_start_one(exporter: Exporter) -> None:
    url = exporter.url
    exporter.shutdown()
    exporter.server_close()
    done = run("-", "--url", url, input=lines(1))
    assert isinstance(done.exception, PlumblineError)
    assert "plumbline serve" in str(done.exception)


@pytest.mark.parametrize("name", ["absent.ndjson", "absent.gz"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    done = run(str(tmp_path / name), "--url", "http://127.0.0.1:1")
    assert isinstance(done.exception, PlumblineError)
    assert f"{name}: cannot be read" in str(done.exception)


def test_a_damaged_gzip_file_is_named(exporter: Exporter, tmp_path: Path) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(lines(500))[:-30])
    done = run(str(file), "--url", exporter.url)
    assert isinstance(done.exception, PlumblineError)
    assert "damaged or cut off" in str(done.exception)
