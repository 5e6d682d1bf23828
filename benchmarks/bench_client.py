"""What a call of ``plumbline.Client`` costs the service, and what ``durable=True`` adds.

    python benchmarks/bench_client.py --events 20000

Reads nothing, writes a spool into a temporary folder. The exporter is out (nothing listens), so that the
figures are the service's own and no other process's; the calls come from one thread, as fast as they can.
A busy machine moves the microseconds more than the ratios to the first mode. The second table is why the spool has a
file format of its own (docs/adr/0040): one event at a time, appended to the spool and to a table of SQLite.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sqlite3
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from plumbline import Client
from plumbline.client.account import Account
from plumbline.client.spool import Spool

FEATURES = {f"feature_{n}": n * 1.37 for n in range(30)}


@contextmanager
def client(mode: str, root: str) -> Iterator[Client]:
    """Yield a client of one mode; what it holds is thrown away at the end."""
    options = {
        "memory": {},
        "spool": {"spool_dir": f"{root}/spool"},
        "durable": {"spool_dir": f"{root}/durable", "durable": True, "fsync": False},
        "durable+fsync": {"spool_dir": f"{root}/synced", "durable": True},
    }[mode]
    made = Client("http://127.0.0.1:9", queue_events=10**9, queue_bytes=10**10, spool_bytes=10**10, **options)
    try:
        yield made
    finally:
        made.close(0)


def measure(mode: str, events: int, gap: float) -> np.ndarray:
    """Return the seconds of each call, made ``gap`` seconds apart."""
    taken = np.empty(events)
    with tempfile.TemporaryDirectory() as root, client(mode, root) as made:
        for number in range(events):
            start = time.perf_counter()
            made.prediction(request_id=f"r{number}", model="m", version="1", features=FEATURES, prediction=1)
            taken[number] = time.perf_counter() - start
            if gap:
                time.sleep(random.uniform(0, 2 * gap))
        assert made.stats().created == events
    return taken


def median_of(append: Callable[[int], object], events: int) -> float:
    """Return the median seconds of a call."""
    taken = np.empty(events)
    for number in range(events):
        start = time.perf_counter()
        append(number)
        taken[number] = time.perf_counter() - start
    return float(np.median(taken))


def appends(line: bytes, events: int) -> tuple[float, float]:
    """Return the seconds of an append to the spool, and of a transaction of SQLite.

    Both survive kill -9 when they return, and neither waits for the disk.
    """
    with tempfile.TemporaryDirectory() as root, closing(Spool(Path(root), 10**10, False, Account())) as spool:
        own = median_of(lambda number: spool.append((line,), int), events)
        with closing(sqlite3.connect(f"{root}/spool.db", isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = OFF")
            db.execute("CREATE TABLE lines (n INTEGER PRIMARY KEY, crc INTEGER, line BLOB)")
            insert = "INSERT INTO lines VALUES (?, ?, ?)"
            return own, median_of(lambda number: db.execute(insert, (number, zlib.crc32(line), line)), events)


def main() -> int:
    """Measure every mode and print the tables."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--gap", type=float, default=0.0, help="mean seconds between calls  [default: 0]")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"{'microseconds a call':20} {'median':>8} {'ratio':>6} {'p99':>8} {'p99.9':>8} {'largest':>9}")
    first = 0.0
    for mode in ("memory", "spool", "durable", "durable+fsync"):
        taken = measure(mode, given.events, given.gap) * 1e6
        p50, p99, p999 = np.quantile(taken, [0.5, 0.99, 0.999])
        first = first or p50
        print(f"{mode:20} {p50:8.1f} {p50 / first:6.2f} {p99:8.1f} {p999:8.1f} {taken.max():9.0f}")
    line = json.dumps({"type": "prediction", "request_id": "r", "features": FEATURES}).encode()
    own, sqlite = appends(line, given.events)
    print(f"\nmicroseconds an append: spool {own * 1e6:.1f}, SQLite {sqlite * 1e6:.1f}, ratio {sqlite / own:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
