"""What the alert rules need to know of the catalogue: windows by role, and sizes derived from them."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.catalogue.model import Catalogue, Evaluation
from plumbline.units import format_duration, parse_duration

JOB_EXPORTER = "plumbline"
JOB_PROMETHEUS = "prometheus"
JOB_ALERTMANAGER = "alertmanager"


@dataclass(frozen=True, slots=True)
class Scene:
    """A catalogue as the alerts see it.

    Attributes:
        catalogue: the catalogue.
    """

    catalogue: Catalogue

    @property
    def evaluation(self) -> Evaluation:
        """The catalogue's evaluation settings."""
        return self.catalogue.evaluation

    @property
    def short(self) -> str:
        """Shortest quality window: is it still so right now?"""
        return min(self.evaluation.quality, key=parse_duration)

    @property
    def fast(self) -> str:
        """Fast window of the pages."""
        return self.evaluation.fast

    @property
    def slow(self) -> str:
        """Slow window of the pages and the quality tickets."""
        return self.evaluation.slow

    @property
    def longest(self) -> str:
        """Longest quality window: for what is slow; whoever is silent for longer is not seen in any."""
        return max(self.evaluation.quality, key=parse_duration)

    @property
    def tile(self) -> str:
        """Shortest drift window."""
        return min(self.evaluation.drift, key=parse_duration)

    @property
    def drift(self) -> str:
        """Window of the drift tickets."""
        return self.evaluation.drift_alert

    def lull(self, window: str) -> str:
        """How long a ticket about a sliding window goes on after its condition: half of the window.

        A noise, or a slow drift that stands near its threshold, crosses it in clumps (Aldous 1989). What
        returns while more than half of the window is still the same is the same incident: one ticket.
        """
        return format_duration(parse_duration(window) / 2)

    @property
    def tainted(self) -> str:
        """How long after its mending a broken pipeline still shows in drift and decay, the lull included.

        Not longer where outcomes mature later: that would mute drift for as long, and such a loss is real.
        """
        return format_duration(1.5 * max(parse_duration(window) for window in (self.drift, self.slow)))

    @property
    def accelerated(self) -> bool:
        """Whether this is a demo: time runs faster, so Alertmanager's waits shrink too."""
        return parse_duration(self.evaluation.scrape_interval) < 5

    def scrapes(self, window: str) -> float:
        """Number of scrapes in a window."""
        return parse_duration(window) / parse_duration(self.evaluation.scrape_interval)

    def pipelines_by_cadence(self) -> list[tuple[float, tuple[str, ...]]]:
        """Pipelines with the same cadence (seconds), shortest first."""
        groups: dict[float, list[str]] = {}
        for name, pipeline in self.catalogue.pipelines.items():
            groups.setdefault(parse_duration(pipeline.cadence), []).append(name)
        return [(cadence, tuple(sorted(groups[cadence]))) for cadence in sorted(groups)]

    def failure_ranges(self, cadence: float) -> tuple[str, str, str]:
        """Return (look-back, step, width) to find the last failed run of a pipeline.

        The look-back of two runs hands over to PipelineStale; at most 1440 steps keep it cheap; the
        width must hold four scrapes and two steps, or a failure could slip between them.
        """
        step = max(parse_duration(self.evaluation.rule_interval), 2 * cadence // 1440, 1.0)
        width = max(4 * parse_duration(self.evaluation.scrape_interval), 2 * step)
        # Short cadences (a demo's) still leave the alert time to be pending and to fire.
        lookback = max(2 * cadence, 4 * width + parse_duration(self.evaluation.alert_for))
        return format_duration(lookback), format_duration(step), format_duration(width)
