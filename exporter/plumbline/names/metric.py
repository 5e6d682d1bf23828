"""What a name stands for: an exposed metric family, or a family of recorded series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

MV = ("model", "version")

# Cap of the families that have a series per bin.
PER_BIN = "features x bins of the frozen layout; capped by the catalogue's series budget"


@dataclass(frozen=True, slots=True)
class Metric:
    """One exposed metric family.

    Attributes:
        name: full name as a user queries it; counters end in ``_total``.
        kind: counter, gauge or histogram.
        help: the HELP text.
        labels: label names in the order in which they are rendered.
        group: heading of the README's table.
        above_100: why this family may exceed 100 series, and what caps it; empty means it may not.
        buckets: upper bounds (without +Inf) of a histogram.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    group: str = ""
    above_100: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """Name of the family in OpenMetrics: without ``_total``."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics under one heading; ``Metric`` says what each argument is."""

    group: str

    def counter(self, name: str, help: str, labels: tuple[str, ...] = (), above_100: str = "") -> Metric:
        """Return a counter."""
        return Metric(name, "counter", help, labels, self.group, above_100)

    def gauge(self, name: str, help: str, labels: tuple[str, ...] = (), above_100: str = "") -> Metric:
        """Return a gauge."""
        return Metric(name, "gauge", help, labels, self.group, above_100)

    def histogram(
        self, name: str, help: str, labels: tuple[str, ...], buckets: tuple[float, ...], above_100: str = ""
    ) -> Metric:
        """Return a histogram with these upper bounds, +Inf left out."""
        return Metric(name, "histogram", help, labels, self.group, above_100, buckets)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One family of recorded series; its name ends in the window (``level:metric:operation_1h``).

    Attributes:
        stem: the name without the window.
        help: what it is, for docs and panels.
        labels: labels that remain.
    """

    stem: str
    help: str
    labels: tuple[str, ...]

    def over(self, window: str) -> str:
        """Return the recorded name for a window such as ``1h``."""
        return f"{self.stem}_{window}"
