"""Blocks as a prometheus_client collector, so that any registry can hold them.

The slow way round, one object per sample: for services that already expose a registry of their own. The
exporter's ``/metrics`` uses ``plumbline.expose.text``; a test holds both to the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Exemplar as ClientExemplar
from prometheus_client.core import Metric as ClientMetric
from prometheus_client.registry import Collector

from plumbline import names
from plumbline.expose.block import Block
from plumbline.expose.text import exemplar_fits, go_float
from plumbline.names import Metric


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.family, metric.help, labels=metric.labels)
    if metric.kind == "gauge":
        return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)


class BlockCollector(Collector):
    """Offers blocks to a prometheus_client registry.

    Args:
        source: called at every scrape for the blocks.
        metrics: what ``source`` may give. ``describe`` names these, so that registering neither collects
            nor misses a clash of names.
    """

    def __init__(self, source: Callable[[], Iterable[Block]], metrics: Iterable[Metric] | None = None) -> None:
        self._source = source
        # Those of a client have a collector of their own, which may sit in the same registry.
        ours = (m for m in names.METRICS.values() if m.group != "Client")
        self._metrics = tuple(ours if metrics is None else metrics)

    def describe(self) -> Iterator[ClientMetric]:
        """Yield the families without samples."""
        for metric in self._metrics:
            yield _family(metric)

    def collect(self) -> Iterator[ClientMetric]:
        """Yield the families with their present samples; rows that are NaN are left out."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily] = {}
        for block in self._source():
            family = families.get(block.metric.name)
            if family is None:
                family = families[block.metric.name] = _family(block.metric)
            if isinstance(family, HistogramMetricFamily):
                _add_histograms(family, block)
            else:
                for labels, value in zip(block.labels, block.values.tolist(), strict=True):
                    if value == value:
                        family.add_metric(labels, value)
        yield from (family for family in families.values() if family.samples)


def _add_histograms(family: HistogramMetricFamily, block: Block) -> None:
    assert block.sums is not None
    bounds = [go_float(b) for b in (*block.metric.buckets, float("inf"))]
    cumulative = np.cumsum(block.values, axis=1).tolist()
    for row, (labels, counts, total) in enumerate(zip(block.labels, cumulative, block.sums.tolist(), strict=True)):
        if counts[-1] != counts[-1] or total != total:
            continue
        buckets: list[tuple[str, float] | tuple[str, float, ClientExemplar]] = []
        for bucket, (bound, count) in enumerate(zip(bounds, counts, strict=True)):
            found = block.exemplars.get((row, bucket))
            if found is None or not exemplar_fits(found):
                buckets.append((bound, count))
            else:
                buckets.append((bound, count, ClientExemplar(found.labels, found.value, found.timestamp)))
        family.add_metric(labels, buckets, total)
