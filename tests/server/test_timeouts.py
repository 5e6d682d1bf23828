"""Peers that are slow on purpose, one byte at a time, must not hold what others need."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests

from plumbline import names
from plumbline.expose.block import Block
from plumbline.server.timeouts import Timeouts

SHORT = Timeouts(head=0.5, body=0.6, body_bytes_per_second=100_000, answer=0.5)
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"


@contextmanager
def connection(server: Any) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as sock:
        yield sock


def refused(server: Any) -> float:
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    wanted = 'plumbline_requests_refused_total{reason="too_slow"} '
    (found,) = [line for line in text.splitlines() if line.startswith(wanted)]
    return float(found.removeprefix(wanted))


def drip(sock: socket.socket, data: bytes) -> bytes:
    """Send a byte every now and then until the other side has had enough; return what it said."""
    stop = threading.Event()

    def send() -> None:
        for at in range(len(data)):
            try:
                sock.sendall(data[at : at + 1])
            except OSError:
                return
            if stop.wait(0.05):
                return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        said = b""
        while True:
            try:
                part = sock.recv(65536)
            except ConnectionError:
                return said
            if not part:
                return said
            said += part
    finally:
        stop.set()
        sender.join()


def test_a_head_that_never_ends_is_answered_408_and_counted(start: Callable[..., Any]) -> None:
    server = start(timeouts=SHORT)
    with connection(server) as sock:
        began = time.monotonic()
        said = drip(sock, b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 1000)
        assert time.monotonic() - began < 10
    assert said.startswith(b"HTTP/1.1 408")
    assert refused(server) == 1


def test_a_connection_that_says_nothing_is_closed(start: Callable[..., Any]) -> None:
    server = start(timeouts=SHORT)
    with connection(server) as sock:
        assert sock.recv(100) == b""
    assert refused(server) == 0


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"])
def test_a_body_that_drips_is_answered_408_and_gives_its_memory_back(start: Callable[..., Any], framing: bytes) -> None:
    server = start(timeouts=SHORT)
    with connection(server) as sock:
        sock.sendall(HEAD + framing)
        said = drip(sock, b"x" * 1000)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"too_slow" in said
    assert refused(server) == 1
    assert server.exporter.app.bodies.in_flight == 0
    assert server.engine.stored == []


def test_a_body_that_drips_after_its_refusal_is_cut_off(start: Callable[..., Any]) -> None:
    server = start(timeouts=SHORT)
    with connection(server) as sock:
        sock.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n")
        began = time.monotonic()
        said = drip(sock, b"x" * 1000)
        assert time.monotonic() - began < 10
    assert said.startswith(b"HTTP/1.1 415")


def test_a_large_body_may_take_its_time_as_long_as_it_comes(start: Callable[..., Any]) -> None:
    server = start(timeouts=replace(SHORT, body_bytes_per_second=10_000))
    lines = b'{"type":"outcome","request_id":"r","actual":1,"more":"' + b"x" * 200_000 + b'"}'
    with connection(server) as sock:
        sock.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(lines))
        for at in range(0, len(lines), 20_000):  # 1.1 s in all: longer than a small body may take
            sock.sendall(lines[at : at + 20_000])
            time.sleep(0.1)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"accepted":1' in answer


def test_who_does_not_read_the_answer_is_cut_off(start: Callable[..., Any], engine: Any) -> None:
    labels = tuple((f"{n}" * 200,) for n in range(20_000))
    metric = names.EVENTS_REJECTED
    engine.blocks = lambda: [Block(metric, "large", 1, labels, np.zeros(len(labels)))]
    server = start(timeouts=SHORT)
    with connection(server) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        end = time.monotonic() + 60
        while server.exporter.app.metrics.refused.block().values.sum() < 1:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_who_leaves_the_end_of_an_answer_unread_is_cut_off(start: Callable[..., Any], engine: Any) -> None:
    labels = tuple((f"{n}" * 40,) for n in range(100, 300))
    engine.blocks = lambda: [Block(names.EVENTS_REJECTED, "small", 1, labels, np.zeros(len(labels)))]
    server = start(timeouts=SHORT)
    # Some 30 KB, of which the kernel shall take little: asyncio would hold twice as much without a word.
    server.exporter._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    address = urlsplit(server.url)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((address.hostname, address.port))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        end = time.monotonic() + 60
        while server.exporter.app.metrics.refused.block().values.sum() < 1:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_who_asks_again_instead_of_reading_the_answer_is_cut_off_too(start: Callable[..., Any], engine: Any) -> None:
    labels = tuple((f"{n}" * 200,) for n in range(20_000))
    engine.blocks = lambda: [Block(names.EVENTS_REJECTED, "large", 1, labels, np.zeros(len(labels)))]
    server = start(timeouts=SHORT)
    with connection(server) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")  # the answer is under way
        time.sleep(0.2)
        sock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        end = time.monotonic() + 60
        while server.exporter.app.metrics.refused.block().values.sum() < 1:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_kept_connection_may_be_used_again_later(start: Callable[..., Any]) -> None:
    server = start(timeouts=SHORT)
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(f"{server.url}/-/healthy", timeout=10).status_code == 200
            time.sleep(0.7)  # longer than a head may take: between requests other bounds hold
    assert refused(server) == 0
