"""What a call of ``plumbline.Client`` costs the service, and what ``durable=True`` adds.

    python benchmarks/bench_client.py --events 20000

Reads nothing, writes a spool into a temporary folder. The exporter is out (nothing listens), so that the
figures are the service's own and no other process's; the calls come from one thread, as fast as they can.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from plumbline import Client

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


def main() -> int:
    """Measure every mode and print a table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--gap", type=float, default=0.0, help="mean seconds between calls  [default: 0]")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"{'microseconds a call':20} {'median':>8} {'p99':>8} {'p99.9':>8} {'largest':>9}")
    for mode in ("memory", "spool", "durable", "durable+fsync"):
        taken = measure(mode, given.events, given.gap) * 1e6
        p50, p99, p999 = np.quantile(taken, [0.5, 0.99, 0.999])
        print(f"{mode:20} {p50:8.1f} {p99:8.1f} {p999:8.1f} {taken.max():9.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
