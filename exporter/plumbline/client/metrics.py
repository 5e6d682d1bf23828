"""The account of a process's clients as a prometheus_client collector, for the service's own ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plumbline import names
from plumbline.client.account import Stats


class Accountable(Protocol):
    """What the collector asks of a client."""

    def stats(self) -> Stats:
        """Return the account."""

    def spool_size(self) -> int:
        """Return the bytes that the spool holds."""


class ClientCollector(Collector):
    """Exposes at each scrape the sum of the accounts of every client that was added, closed ones too.

    There is one per process: two in a registry would expose the same names twice. For the same reason it describes
    nothing, so that a registry takes it as often as a client is registered, and asks it once.
    """

    def __init__(self) -> None:
        self._clients: list[Accountable] = []

    def add(self, client: Accountable) -> None:
        """Count a client in."""
        if client not in self._clients:
            self._clients.append(client)

    def describe(self) -> Iterable[Metric]:
        """Return nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield one moment's account."""
        every = [client.stats() for client in self._clients]
        created = sum(stats.created for stats in every)
        yield CounterMetricFamily(names.CLIENT_CREATED.family, names.CLIENT_CREATED.help, value=created)
        ends = CounterMetricFamily(
            names.CLIENT_EVENTS.family, names.CLIENT_EVENTS.help, labels=names.CLIENT_EVENTS.labels
        )
        for result in ("sent", *names.CLIENT_DROP_REASONS):
            ends.add_metric([result], sum({"sent": stats.sent, **stats.dropped}[result] for stats in every))
        yield ends
        for gauge, value in (
            (names.CLIENT_QUEUED, sum(stats.queued for stats in every)),
            (names.CLIENT_SPOOLED, sum(stats.spooled for stats in every)),
            (names.CLIENT_SPOOL_BYTES, sum(client.spool_size() for client in self._clients)),
        ):
            yield GaugeMetricFamily(gauge.name, gauge.help, value=value)


COLLECTOR = ClientCollector()
