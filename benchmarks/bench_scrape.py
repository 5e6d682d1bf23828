"""Cost of a scrape of 100,000 series: Plumbline beside prometheus_client, in one process and run.

Usage: python benchmarks/bench_scrape.py [--series N] [--json]

"1 % changed" is one block (model version) in a hundred; the others took no traffic since the last scrape.
Read the ratios, not the milliseconds: those are of the machine.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from plumbline import names
from plumbline.expose.block import Block
from plumbline.expose.text import Renderer

ROWS = 1000  # series per block: about one model version's feature bins


def make_blocks(series: int, generations: list[int], seed: float) -> list[Block]:
    """Return counters as the engine gives them: one block per model version."""
    found = []
    for index, generation in enumerate(generations):
        labels = tuple(
            (f"model_{index}", "2024-06-01", f"feature_{row // 20}", f"{row % 20:02d} (0.125, 0.25]")
            for row in range(min(ROWS, series - index * ROWS))
        )
        values = np.arange(len(labels), dtype=np.float64) * 37 + generation + seed
        found.append(Block(names.FEATURE_VALUES, f"bins/{index}", generation, labels, values))
    return found


def best(work: Callable[[], object], repeat: int) -> float:
    """Return the shortest of some runs, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(series: int) -> dict[str, float]:
    """Return the seconds of each case of our renderer."""
    count = -(-series // ROWS)
    blocks = make_blocks(series, [1] * count, 0)
    found = {}
    for compress in (False, True):
        kind = "gzip" if compress else "plain"
        found[f"plumbline, cold, {kind}"] = best(lambda: Renderer().render(blocks, compress=compress), 2)  # noqa: B023
        renderer = Renderer()
        renderer.render(blocks, compress=compress)
        for case, part in (("all changed", 1.0), ("1 % changed", 0.01), ("nothing changed", 0.0)):
            times = []
            for turn in range(2, 7):
                # Labels are the same objects, as in the engine, whose layouts are frozen.
                for i in range(int(count * part) or (1 if part else 0)):
                    old = blocks[i]
                    values = old.values + turn
                    blocks[i] = Block(old.metric, old.key, old.generation + 1, old.labels, values)
                start = time.perf_counter()
                renderer.render(blocks, compress=compress)
                times.append(time.perf_counter() - start)
            found[f"plumbline, {case}, {kind}"] = min(times)
    return found


class Blocks(Collector):
    """The blocks as prometheus_client wants them: one object per sample."""

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the family."""
        metric = names.FEATURE_VALUES
        family = CounterMetricFamily(metric.family, metric.help, labels=metric.labels)
        for block in self.blocks:
            for labels, value in zip(block.labels, block.values.tolist(), strict=True):
                family.add_metric(labels, value)
        yield family


def theirs(series: int) -> dict[str, float]:
    """Return the seconds of prometheus_client with the same series."""
    blocks = make_blocks(series, [1] * -(-series // ROWS), 0)
    disable_created_metrics()  # else its page is twice as long as ours
    objects = CollectorRegistry()
    metric = names.FEATURE_VALUES
    counter = Counter(metric.family, metric.help, metric.labels, registry=objects)
    for block in blocks:
        for labels, value in zip(block.labels, block.values.tolist(), strict=True):
            counter.labels(*labels).inc(value)
    custom = CollectorRegistry()
    custom.register(Blocks(blocks))
    page = generate_latest(objects)
    return {
        "prometheus_client objects, plain": best(lambda: generate_latest(objects), 2),
        "prometheus_client objects, gzip": best(lambda: gzip.compress(generate_latest(objects)), 1),
        "prometheus_client custom collector, plain": best(lambda: generate_latest(custom), 2),
        "(gzip level 9 of the page alone)": best(lambda: gzip.compress(page), 1),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = ours(options.series)
    gc.collect()
    results |= theirs(options.series)
    if options.json:
        print(json.dumps({"series": options.series, "seconds": results}, indent=1))
        return
    reference = results["prometheus_client objects, plain"]
    print(f"{options.series} series; times as fast as prometheus_client's objects, plain")
    print(f"{'case':<44}{'ms':>10}{'ratio':>10}")
    for case, seconds in results.items():
        print(f"{case:<44}{seconds * 1000:>10.2f}{reference / seconds:>9.1f}x")


if __name__ == "__main__":
    main()
