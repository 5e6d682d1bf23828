"""Look-up of one request among many stored events, in the embedded store and in PostgreSQL, in one run.

    python benchmarks/bench_lookup.py [--events 1000000] [--lookups 2000] [--json]

Loads N events through the store's own ``write`` in batches of 5000, each durable, then looks up random
requests as a trace does: find the event by its key, read it. Prints load rate, size, the time to open the
loaded store, and median and 99th percentile of one look-up. PostgreSQL is started in a temporary folder
with its default settings; without its programs that half is left out, with the reason.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from plumbline.store.base import Store, StoredEvent, Transaction
from plumbline.store.embedded import EmbeddedStore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.postgres import Postgres, why_not

BATCH = 5000
RAW = b'{"type":"prediction","request_id":"request-%012d","features":{' + b'"f":0.123456,' * 20 + b'"g":1}}'
_ODD = 0x9E3779B97F4A7C15  # multiplying by it permutes 64-bit numbers: keys as spread as hashes


def key_of(seq: int) -> int:
    """Return the key of the event with this number."""
    return (seq * _ODD + 2**63) % 2**64 - 2**63


def load(store: Store, events: int) -> float:
    """Write events; return seconds."""
    start = time.perf_counter()
    for first in range(1, events + 1, BATCH):
        rows = [
            StoredEvent(seq, "prediction", float(seq), key_of(seq), seq, (), RAW % seq)
            for seq in range(first, min(first + BATCH, events + 1))
        ]
        store.write(Transaction(events=rows, state={"cells": bytes(8000)}))
    return time.perf_counter() - start


def measure(opening: Callable[[], Store], events: int, lookups: int) -> dict[str, float]:
    """Load a new store, open it again and look requests up."""
    store = opening()
    seconds = load(store, events)
    store.close()
    start = time.perf_counter()
    store = opening()
    opened = time.perf_counter() - start
    reader = store.reader()
    rng = random.Random(1)
    took = []
    for seq in (rng.randint(1, events) for _ in range(lookups + 100)):
        start = time.perf_counter()
        found = reader.read(reader.find_after(key_of(seq)))
        took.append(time.perf_counter() - start)
        assert found[seq].raw == RAW % seq
    took = took[100:]  # connections, caches of plans
    size = store.size_bytes
    reader.close()
    store.close()
    return {
        "events": events,
        "load_events_per_s": round(events / seconds),
        "bytes_per_event": round(size / events),
        "open_s": round(opened, 3),
        "p50_ms": round(float(np.quantile(took, 0.5)) * 1000, 3),
        "p99_ms": round(float(np.quantile(took, 0.99)) * 1000, 3),
        "max_ms": round(max(took) * 1000, 3),
    }


def main() -> None:
    """Run both and print them beside each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--lookups", type=int, default=2000)
    parser.add_argument("--only", choices=["embedded", "postgres"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {}
    if options.only != "postgres":
        with tempfile.TemporaryDirectory() as folder:
            results["embedded"] = measure(lambda: EmbeddedStore(Path(folder)), options.events, options.lookups)
    reason = why_not()
    if options.only != "embedded" and reason is None:
        from plumbline.store.postgres import PostgresStore

        with Postgres() as server:
            url = server.new_database()
            results["postgres"] = measure(lambda: PostgresStore(url), options.events, options.lookups)
    elif reason is not None:
        print(f"PostgreSQL left out: {reason}", file=sys.stderr)
    if options.json:
        print(json.dumps(results))
        return
    for name, result in results.items():
        print(f"{name:10}", *(f"{key}={value}" for key, value in result.items()))
    if len(results) == 2:
        ours, theirs = results["embedded"], results["postgres"]
        told = (f"{key}={theirs[key] / ours[key]:.2f}" for key in ours if key != "events" and ours[key])
        print("postgres / embedded:", *told)


if __name__ == "__main__":
    main()
