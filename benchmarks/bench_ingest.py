"""Ingest of prediction events with 30 features: Plumbline beside prometheus_client, in one process run.

    python benchmarks/bench_ingest.py [--events 20000] [--json]

Three ways to count the same NDJSON lines, decoded by the same parser first and timed apart:

- plumbline, durable: store every event with fsync, join, bin and count in one transaction per batch;
- plumbline, counting only: bin and count a batch into the layout's array;
- prometheus_client: one ``labels(...).inc()`` per feature value and one histogram observation per event,
  as one would write it by hand; nothing is stored.

The counts of all three are compared before any ratio is printed.
"""

from __future__ import annotations

import argparse
import bisect
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram

from plumbline import names
from plumbline.baseline.artefact import Baseline, FeatureBins, Lineage
from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue
from plumbline.counting.serving import count_predictions
from plumbline.events.kinds import Prediction
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.layout.build import build_layout
from plumbline.store.embedded import EmbeddedStore

FEATURES = [f"f{i:02d}" for i in range(30)]
UPPERS = [float(x) for x in np.linspace(0, 1, 10)]
LABELS = [f"{i:02d}" for i in range(len(UPPERS) + 1)] + ["missing"]
BATCH = 1000


class OneBaseline(BaselineFolder):
    """A folder with one baseline."""

    def __init__(self, baseline: Baseline) -> None:
        super().__init__(None)
        self._by_digest[baseline.digest] = baseline


def setting() -> tuple[Catalogue, Baseline]:
    """One binary model with 30 numeric features of 12 bins."""
    receiver = [{"webhook": "http://localhost:1/x"}]
    model = {
        "task": "binary",
        "owner": "o",
        "features": {f: {"type": "numeric"} for f in FEATURES},
        "classes": ["0", "1"],
        "positive_class": "1",
    }
    owner = {"team": "O", "page": receiver, "ticket": receiver}
    catalogue = Catalogue.model_validate(
        {"version": 1, "owners": {"o": owner}, "platform_owner": "o", "models": {"m": model}}
    )
    bins = FeatureBins(kind="numeric", labels=LABELS, counts=[10] * len(LABELS), noise=0.01, chi2=30.0, uppers=UPPERS)
    lineage = Lineage(training_data="sha256:0", source="none", rows=120, quality_rows=0)
    return catalogue, Baseline(
        model="m", version="1", task="binary", features=dict.fromkeys(FEATURES, bins), lineage=lineage
    )


def bodies(events: int) -> list[bytes]:
    """NDJSON bodies of BATCH events."""
    rng = np.random.default_rng(0)
    made = []
    for start in range(0, events, BATCH):
        lines = []
        for i in range(start, min(start + BATCH, events)):
            features = dict(zip(FEATURES, rng.random(len(FEATURES)).round(6).tolist(), strict=True))
            event = {
                "type": "prediction",
                "request_id": f"request-{i:09d}",
                "model": "m",
                "version": "1",
                "ts": 1.7e9 + i,
                "features": features,
                "prediction": "1",
                "score": 0.25,
                "latency": 0.012,
            }
            lines.append(json.dumps(event))
        made.append("\n".join(lines).encode())
    return made


def main() -> None:
    """Run all ways and print events per second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    catalogue, baseline = setting()
    raw = bodies(options.events)
    now = time.time()
    seconds: dict[str, float] = {}

    start = time.perf_counter()
    parsed = [parse(body, now) for body in raw]
    seconds["parse and validate"] = time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(catalogue, OneBaseline(baseline), EmbeddedStore(Path(folder)))
        start = time.perf_counter()
        for batch in parsed:
            engine.commit([batch], now)
        seconds["plumbline: store, join, count (fsync per 1,000)"] = time.perf_counter() - start
        durable = engine.state.versions["m", "1"].cells
        engine.close()

    layout = build_layout("m", "1", catalogue.models["m"], baseline)
    cells = np.zeros(layout.size)
    start = time.perf_counter()
    for batch in parsed:
        events = [item.event for item in batch.events if isinstance(item.event, Prediction)]
        count_predictions(layout, cells, events, [item.ts for item in batch.events])
    seconds["plumbline: count only"] = time.perf_counter() - start

    registry = CollectorRegistry()
    counter = Counter("values", "by bin", ["model", "version", "feature", "bin"], registry=registry)
    predictions = Counter("predictions", "all", ["model", "version"], registry=registry)
    latency = Histogram("latency", "s", ["model", "version"], registry=registry, buckets=names.LATENCY_BUCKETS)
    start = time.perf_counter()
    for batch in parsed:
        for item in batch.events:
            event = item.event
            assert isinstance(event, Prediction)
            predictions.labels(event.model, event.version).inc()
            latency.labels(event.model, event.version).observe(event.latency or 0.0)
            for name, value in event.features.items():
                bin_ = "missing" if value is None else LABELS[bisect.bisect_left(UPPERS, float(value))]
                counter.labels(event.model, event.version, name, bin_).inc()
    seconds["prometheus_client: labels().inc() per value"] = time.perf_counter() - start

    for slot in layout.features:
        assert slot.bins is not None
        for at, bin_ in enumerate(LABELS):
            theirs = registry.get_sample_value(
                "values_total", {"model": "m", "version": "1", "feature": slot.name, "bin": bin_}
            )
            ours = cells[slot.bins.offset + at]
            assert ours == durable[slot.bins.offset + at] == (theirs or 0.0)

    reference = seconds["prometheus_client: labels().inc() per value"]
    rows = [
        {"way": way, "events_per_second": round(options.events / s), "ratio": round(reference / s, 2)}
        for way, s in seconds.items()
    ]
    if options.json:
        print(json.dumps({"events": options.events, "rows": rows}))
        return
    print(f"{options.events} events of {len(FEATURES)} features; ratio: speed against prometheus_client")
    for row in rows:
        print(f"{row['way']:<50} {row['events_per_second']:>9,} events/s {row['ratio']:>7.2f}x")


if __name__ == "__main__":
    main()
