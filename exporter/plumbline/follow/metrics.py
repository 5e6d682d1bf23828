"""What a follower has done, as a prometheus_client collector for its own ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plumbline import names
from plumbline.follow.run import Follower


class FollowCollector(Collector):
    """Exposes a follower's counts at each scrape."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def describe(self) -> Iterator[Metric]:
        """Yield the families without samples."""
        for counter in (names.FOLLOW_LINES, names.FOLLOW_GAPS):
            yield CounterMetricFamily(counter.family, counter.help, labels=counter.labels)
        for gauge in (names.FOLLOW_BEHIND, names.FOLLOW_LAST):
            yield GaugeMetricFamily(gauge.name, gauge.help)

    def collect(self) -> Iterator[Metric]:
        """Yield the present counts."""
        counts = self._follower.counts
        lines = CounterMetricFamily(
            names.FOLLOW_LINES.family, names.FOLLOW_LINES.help, labels=names.FOLLOW_LINES.labels
        )
        for result in names.FOLLOW_RESULTS:
            lines.add_metric([result], getattr(counts, result))
        yield lines
        yield CounterMetricFamily(names.FOLLOW_GAPS.family, names.FOLLOW_GAPS.help, value=counts.gaps)
        for gauge, value in (
            (names.FOLLOW_BEHIND, float(self._follower.behind())),
            (names.FOLLOW_LAST, counts.acknowledged),
        ):
            yield GaugeMetricFamily(gauge.name, gauge.help, value=value)
