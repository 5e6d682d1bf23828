"""HTTP servers under the exporter's application: speed, CPU, memory, and what each does with slow clients.

    pip install hypercorn granian
    python benchmarks/bench_servers.py [--events 100000] [--requests 3000] [--seconds 75] [--server NAME ...]

The application is the exporter's own over an engine that stores nothing, so that what differs is the server. Each
server runs in a process of its own, with every limit of time that it offers set as ours are. ``plumbline`` is
uvicorn as the exporter runs it. All slow clients come at once, while another client scrapes and sends one
event each second. Read the ratios: the rest is of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import logging
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

import numpy as np
import psutil
import structlog
import uvicorn

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.events.parsed import Parsed
from plumbline.expose.block import Block
from plumbline.expose.registry import Registry
from plumbline.expose.self_metrics import SelfMetrics
from plumbline.server.app import App
from plumbline.server.run import Exporter, bind
from plumbline.server.writer import QUEUE_EVENTS, Writer

SERVERS = ("plumbline", "uvicorn", "uvicorn-h11", "hypercorn", "granian")
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
HEAD_SECONDS = 10
BATCH, CONNECTIONS, IDLE = 1000, 4, 500


class Nothing:
    """An engine that stores nothing and shows a page of some 9 MB."""

    def __init__(self) -> None:
        labels = tuple((f"{n}" * 80,) for n in range(10_000, 30_000))
        self._blocks = [Block(names.EVENTS_REJECTED, "large", 1, labels, np.zeros(len(labels)))]

    def commit(self, batches: Sequence[Parsed], now: float) -> list[int]:
        """Forget all."""
        return [0] * len(batches)

    def tick(self, now: float) -> None:
        """Do nothing."""

    def blocks(self) -> list[Block]:
        """Return the page."""
        return self._blocks

    def close(self) -> None:
        """Do nothing."""


def catalogue() -> Catalogue:
    """Return one model."""
    receiver = [{"webhook": "http://localhost:1/x"}]
    model = {"task": "regression", "owner": "o", "features": {f"f{i}": {"type": "numeric"} for i in range(10)}}
    owner = {"team": "O", "page": receiver, "ticket": receiver}
    declared = {"version": 1, "owners": {"o": owner}, "platform_owner": "o", "models": {"m": model}}
    return Catalogue.model_validate({**declared, "host_metrics": False})


def serve(server: str, port: int) -> None:
    """Run one server until the process is ended."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    engine = Nothing()
    if server == "plumbline":
        Exporter(catalogue(), engine, bind("127.0.0.1", port)).run(lambda url: None)
        return
    metrics = SelfMetrics(QUEUE_EVENTS, time.time())
    writer = Writer(engine, metrics)
    writer.start()
    app = App(catalogue(), writer, Registry({"engine": engine.blocks, "exporter": metrics.blocks}), metrics).asgi()
    if server.startswith("uvicorn"):
        parser = "h11" if server.endswith("h11") else "httptools"
        uvicorn.run(app, port=port, http=parser, log_config=None, access_log=False, lifespan="off")
    elif server == "hypercorn":
        from hypercorn.asyncio import serve as run
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"127.0.0.1:{port}"]
        config.include_server_header = False
        config.read_timeout = HEAD_SECONDS
        asyncio.run(run(app, config))  # type: ignore[arg-type]
    else:
        from granian.constants import HTTPModes, Interfaces
        from granian.http import HTTP1Settings
        from granian.server.embed import Server

        settings = HTTP1Settings(header_read_timeout=HEAD_SECONDS * 1000)
        asyncio.run(
            Server(
                app,
                port=port,
                interface=Interfaces.ASGI,
                http=HTTPModes.http1,
                http1_settings=settings,
                backlog=2048,
                backpressure=2048,  # its default lets 128 silent connections keep out everybody
                log_enabled=False,
            ).serve()
        )


def event(number: int) -> str:
    """Return one prediction."""
    features = {f"f{i}": round(number * 0.37 % (i + 1), 4) for i in range(10)}
    fields = {"type": "prediction", "request_id": f"r-{number}", "model": "m", "version": "1", "features": features}
    return json.dumps({**fields, "prediction": 12.5, "latency": 0.01})


def send(port: int, bodies: Sequence[bytes], took: list[float]) -> None:
    """Send bodies over one kept connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        start = time.perf_counter()
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {said!r}")
        took.append(time.perf_counter() - start)
    connection.close()


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def load(process: psutil.Process, port: int, bodies: Sequence[Sequence[bytes]]) -> tuple[float, float, list[float]]:
    """Send each sequence over its own connection; return wall seconds, CPU seconds and seconds per request."""
    took: list[float] = []
    threads = [threading.Thread(target=send, args=(port, own, took)) for own in bodies]
    before, start = cpu(process), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, cpu(process) - before, took


class Slow:
    """Clients of one kind, and when the server has let go of the last of them."""

    def __init__(self, port: int, count: int, first: bytes, drip: bytes) -> None:
        self.start = time.monotonic()
        self.drip = drip
        self.seconds: float | None = None
        self.sockets = [socket.socket() for _ in range(count)]
        for sock in self.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", port))
            sock.sendall(first)
        self.ports = {sock.getsockname()[1] for sock in self.sockets}

    def step(self, held: set[int]) -> None:
        """Send the next byte, and look whether any is still held by the server."""
        if self.seconds is None and not self.ports & held:
            self.seconds = time.monotonic() - self.start
        if self.drip and self.seconds is None:
            with suppress(OSError):
                self.sockets[0].send(self.drip)

    def close(self) -> None:
        """Hang up."""
        for sock in self.sockets:
            sock.close()


def slow_clients(process: psutil.Process, port: int, seconds: float) -> tuple[dict[str, float | None], float]:
    """Return after how many seconds each kind was let go, and the longest answer to another client meanwhile."""
    scrape = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
    kinds = {
        "head of one byte a second": Slow(port, 1, scrape + b"X-Slow: ", b"x"),
        "body of one byte a second": Slow(port, 1, HEAD + b"Content-Length: 1000\r\n\r\n", b"x"),
        "reader that does not read": Slow(port, 1, scrape + b"\r\n", b""),
        f"{IDLE} connections that say nothing": Slow(port, IDLE, b"", b""),
    }
    longest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(kind.seconds is None for kind in kinds.values()):
        start = time.monotonic()
        for method, path, body in (("GET", "/metrics", None), ("POST", "/v1/events", event(0))):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            began = time.monotonic()
            with suppress(OSError, http.client.HTTPException), closing(connection):  # the time says it
                headers = {"Accept-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
                connection.request(method, path, body, headers)
                connection.getresponse().read()
            longest = max(longest, time.monotonic() - began)
        held = {c.raddr.port for c in process.net_connections("tcp") if c.raddr}
        for kind in kinds.values():
            kind.step(held)
        time.sleep(max(0.0, start + 1 - time.monotonic()))
    for kind in kinds.values():
        kind.close()
    return {name: kind.seconds for name, kind in kinds.items()}, longest


def measure(server: str, options: argparse.Namespace) -> dict[str, object]:
    """Run one server and return its figures."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--serve", server, "--port", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process = psutil.Process(child.pid)
        wait(lambda: send(port, [b""], []))
        bodies = ["\n".join(map(event, range(at, at + BATCH))).encode() for at in range(0, options.events, BATCH)]
        batched, singles = [], []
        for _ in range(options.rounds):
            batched.append(load(process, port, [bodies[own::CONNECTIONS] for own in range(CONNECTIONS)]))
            singles.append(load(process, port, [[event(n).encode() for n in range(options.requests)]]))
        found: dict[str, object] = {
            "events/s, bodies of 1,000 over 4 connections": options.events / min(wall for wall, _, _ in batched),
            "CPU us per event of these": min(used for _, used, _ in batched) / options.events * 1e6,
            "requests/s of one event, one connection": options.requests / min(wall for wall, _, _ in singles),
            "CPU us per request of these": min(used for _, used, _ in singles) / options.requests * 1e6,
            "median ms of these": min(statistics.median(took) for _, _, took in singles) * 1e3,
            "RSS MiB": process.memory_info().rss / 2**20,
        }
        if options.seconds:
            let_go, found["longest s of scrape or POST meanwhile"] = slow_clients(process, port, options.seconds)
            found |= {f"let go after s: {kind}": seconds for kind, seconds in let_go.items()}
        return found
    finally:
        child.kill()
        child.wait()


def wait(attempt: Callable[[], None]) -> None:
    """Try until it works, for 20 s."""
    end = time.monotonic() + 20
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def main() -> None:
    """Run all and print a table; numbers in brackets are ratios to the first server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--seconds", type=float, default=75, help="how long slow clients are watched; 0 = none")
    parser.add_argument("--server", nargs="*", default=SERVERS, choices=SERVERS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port)
        return
    found = {server: measure(server, options) for server in options.server}
    print(f"{'':<45}" + "".join(f"{server:>20}" for server in found))
    reference = next(iter(found.values()))
    for row, base in reference.items():
        cells = []
        for figures in found.values():
            value = figures[row]
            if not isinstance(value, float) or not isinstance(base, float) or row.startswith("let go"):
                cells.append("held" if value is None else f"{value:.0f}")
            else:
                cells.append(f"{value:,.4g} ({value / base:.2f})")
        print(f"{row:<45}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
