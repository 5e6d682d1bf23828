"""A client's account as a prometheus_client collector, for the service's own ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plumbline import names
from plumbline.client.account import Stats


class ClientCollector(Collector):
    """Exposes the account at each scrape.

    Args:
        stats: gives the account.
        spool_bytes: gives the spool's size.
    """

    def __init__(self, stats: Callable[[], Stats], spool_bytes: Callable[[], int]) -> None:
        self._stats = stats
        self._spool_bytes = spool_bytes

    def describe(self) -> Iterator[Metric]:
        """Yield the families without samples."""
        yield CounterMetricFamily(names.CLIENT_CREATED.family, names.CLIENT_CREATED.help)
        yield CounterMetricFamily(
            names.CLIENT_EVENTS.family, names.CLIENT_EVENTS.help, labels=names.CLIENT_EVENTS.labels
        )
        for gauge in (names.CLIENT_QUEUED, names.CLIENT_SPOOLED, names.CLIENT_SPOOL_BYTES):
            yield GaugeMetricFamily(gauge.name, gauge.help)

    def collect(self) -> Iterator[Metric]:
        """Yield one moment's account."""
        stats = self._stats()
        yield CounterMetricFamily(names.CLIENT_CREATED.family, names.CLIENT_CREATED.help, value=stats.created)
        ends = CounterMetricFamily(
            names.CLIENT_EVENTS.family, names.CLIENT_EVENTS.help, labels=names.CLIENT_EVENTS.labels
        )
        for result, count in {"sent": stats.sent, **stats.dropped}.items():
            ends.add_metric([result], count)
        yield ends
        for gauge, value in (
            (names.CLIENT_QUEUED, stats.queued),
            (names.CLIENT_SPOOLED, stats.spooled),
            (names.CLIENT_SPOOL_BYTES, self._spool_bytes()),
        ):
            yield GaugeMetricFamily(gauge.name, gauge.help, value=value)
