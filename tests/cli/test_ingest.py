from __future__ import annotations

import gzip
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plumbline.cli.ingest import ingest
from plumbline.errors import PlumblineError, UsageError
from plumbline.events.parse import parse
from support.servers import wait_for


class Exporter(ThreadingHTTPServer):
    """Answers as the exporter does; the first answers may be set, ``None`` cuts the connection instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.first: list[tuple[int, dict[str, str]] | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def ids(self) -> list[str]:
        return [json.loads(line)["request_id"] for body in list(self.bodies) for line in body.splitlines()]


class Handler(BaseHTTPRequestHandler):
    server: Exporter
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Content-Type"] == "application/x-ndjson"
        if self.server.first:
            answer = self.server.first.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, headers = answer
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
    assert [len(body.splitlines()) for body in exporter.bodies] == [10, 10, 5]
    assert b"\n".join(exporter.bodies) + b"\n" == lines(25)


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
            sent = b"\n".join(exporter.bodies).splitlines()
            assert [json.loads(line) for line in sent] == events
            assert [len(body.splitlines()) for body in exporter.bodies] == [10, 10, 5]


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
    exporter.first = [(429, {"Retry-After": "1"}), (503, {}), (502, {})]
    began = time.monotonic()
    done = run("-", "--url", exporter.url, input=lines(2))
    assert done.exit_code == 0
    assert exporter.bodies == [lines(2).rstrip()]
    assert time.monotonic() - began >= 1


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


def test_a_restart_of_the_exporter_is_waited_out_once_it_has_answered(exporter: Exporter) -> None:
    exporter.first = [(429, {"Retry-After": "0.05"}), None, None]
    done = run("-", "--url", exporter.url, input=lines(2))
    assert done.exit_code == 0
    assert exporter.bodies == [lines(2).rstrip()]


def test_an_exporter_that_does_not_come_back_is_an_error(exporter: Exporter) -> None:
    exporter.first = [(429, {"Retry-After": "0.05"}), *[None] * 100]
    done = run("-", "--url", exporter.url, "--retry-seconds", "1.5", input=lines(2))
    assert isinstance(done.exception, PlumblineError)
    assert "did not take the events within 1.5 s: ConnectionError" in str(done.exception)
    assert len(exporter.first) < 99


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


@pytest.fixture
def ingest_pipe(exporter: Exporter) -> Iterator[Callable[[Any], subprocess.Popen[bytes]]]:
    """Starts the command as a process that reads a pipe, and ends it if the test has not."""
    started: list[subprocess.Popen[bytes]] = []

    def start(stdin: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "plumbline.cli.main", "ingest", "-", "--json", "--url", exporter.url]
        command += ["--retry-seconds", "inf"]
        started.append(subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_pipe_is_sent_as_it_comes_not_when_it_ends(
    exporter: Exporter, ingest_pipe: Callable[[Any], subprocess.Popen[bytes]]
) -> None:
    read, write = socket.socketpair()
    with read, write:
        process = ingest_pipe(read)
        read.close()
        first, second, third = lines(3).splitlines(keepends=True)
        write.sendall(first)
        wait_for(lambda: exporter.ids() == ["r0"])
        write.sendall(second[:5])
        write.sendall(second[5:] + third.rstrip())
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(printed)["accepted"] == 3
    assert exporter.ids() == ["r0", "r1", "r2"]


def test_an_exporter_under_pressure_holds_the_pipe_up_and_nothing_is_lost(
    exporter: Exporter, ingest_pipe: Callable[[Any], subprocess.Popen[bytes]]
) -> None:
    exporter.first = [(503, {"Retry-After": "0.2"})] * 10_000
    read, write = os.pipe()
    process = ingest_pipe(read)
    os.close(read)
    line = b'{"type":"outcome","request_id":"r%06d","actual":1}\n'
    count = 0

    def full() -> bool:
        """Fill the pipe and return whether it stays full."""
        nonlocal count
        before = count
        try:
            while count < 1_000_000:
                os.write(write, line % count)  # shorter than PIPE_BUF: all of it or nothing
                count += 1
        except BlockingIOError:
            return len(exporter.first) < 9_995 and count == before
        return False

    os.set_blocking(write, False)
    wait_for(full, every=1.0, name="back-pressure")
    assert count < 10_000  # what the pipe and one batch hold, however long the exporter stays busy
    exporter.first.clear()
    os.close(write)
    printed, _ = process.communicate(timeout=60)
    assert json.loads(printed)["accepted"] == count
    assert exporter.ids() == [f"r{number:06d}" for number in range(count)]


def test_tail_brings_the_lines_of_a_log_file_over_its_rotations(
    exporter: Exporter, ingest_pipe: Callable[[Any], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """The pipe of docs/collectors.md, and a file that Python's handler rotates by renaming."""
    path = tmp_path / "app.log"
    handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=9)
    tail = subprocess.Popen(["tail", "-n", "+1", "-F", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    grep = subprocess.Popen(["grep", "--line-buffered", "^{"], stdin=tail.stdout, stdout=subprocess.PIPE)
    try:
        process = ingest_pipe(grep.stdout)
        for pipe in (tail.stdout, grep.stdout):
            assert pipe is not None
            pipe.close()
        written: list[str] = []
        for rotation in range(5):
            if rotation:
                handler.doRollover()
            for _ in range(20):
                written.append(f"r{len(written)}")
                event = json.dumps({"type": "outcome", "request_id": written[-1], "actual": 1})
                for text in (event, "Traceback (most recent call last):"):
                    handler.emit(logging.LogRecord("app", logging.INFO, "app.py", 1, text, (), None))
            # tail sees one rotation at a time: what is rotated twice before it looks, it never opens.
            wait_for(lambda: exporter.ids()[-1:] == written[-1:], name=f"the lines before rotation {rotation + 1}")
        assert len(list(tmp_path.iterdir())) == 5
        tail.terminate()
        printed, _ = process.communicate(timeout=60)
    finally:
        handler.close()
        for one in (tail, grep):
            one.kill()
            one.wait()
    assert process.returncode == 0
    assert json.loads(printed) == {"accepted": 100, "rejected": 0, "duplicates": 0}
    assert exporter.ids() == written
