"""Windows: over what range a rule looks, how often it runs, and from which tiles a long range is summed.

Two kinds of chain:

- drift has thousands of bins, so every window but the first is summed from the window before it;
- quality, traffic and outcomes have few series but must not lag, so a window is read raw while that
  costs at most ``RAW_SCRAPES`` samples per series (a raw range also tolerates gaps in the scrape), and
  otherwise is summed from a window of at most a twelfth of it, unless that would be more than
  ``MOST_TILES`` and a longer one costs less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.catalogue.model import Evaluation
from plumbline.retraction import net
from plumbline.units import format_duration, parse_duration

RAW_SCRAPES = 1500
FEWEST_TILES = 12
MOST_TILES = 400
_LONGEST_INTERVAL = 240.0  # Prometheus looks back 5 minutes for a sample: rules must run more often


@dataclass(frozen=True, slots=True)
class Window:
    """One window of the recorded series.

    Attributes:
        name: as in the catalogue and in recorded names, e.g. ``6h``.
        seconds: its length; infinite = since the version's counters began, which is exact: counters
            are read as they are, and the store keeps them over restarts.
        interval: evaluation interval of its rule group.
        tile: the window it is summed from; empty = read from the raw counter.
    """

    name: str
    seconds: float
    interval: str
    tile: str = ""

    def increase(self, raw: str, recorded: str, by: Sequence[str], retracted: str = "") -> str:
        """Return the PromQL of a counter's increase over this window, net of what was taken back in it.

        Args:
            raw: selector of the counter.
            recorded: stem of the recorded increase.
            by: labels that remain.
            retracted: selector of what is retracted of it, if anything ever is.
        """
        labels = ", ".join(by)
        if math.isinf(self.seconds):
            return f"sum by ({labels}) ({net(raw, retracted)})"
        if not self.tile:
            back = retracted and f"increase({retracted}[{self.name}])"
            return f"sum by ({labels}) ({net(f'increase({raw}[{self.name}])', back)})"
        # One millisecond less than the window, or the left edge would bring one tile too many.
        return f"sum_over_time({recorded}_{self.tile}[{round(self.seconds * 1000) - 1}ms:{self.tile}])"


def _interval(evaluation: Evaluation, index: int, shortest: float) -> str:
    base = parse_duration(evaluation.rule_interval)
    return format_duration(max(1.0, min(base * min(2**index, 4), shortest, _LONGEST_INTERVAL)))


def life_window(evaluation: Evaluation) -> Window:
    """Return the window since the version was deployed."""
    return Window("life", math.inf, _interval(evaluation, 2, _LONGEST_INTERVAL))


def _sorted(names: Sequence[str]) -> list[tuple[str, float]]:
    return sorted({(name, parse_duration(name)) for name in names}, key=lambda pair: pair[1])


def _tile(seconds: float, shorter: Sequence[tuple[str, float]]) -> str:
    """Return the longest tile that lags little, or else the one that costs least; empty if there is none.

    Args:
        seconds: the window.
        shorter: windows of which it is a multiple, shortest first.
    """
    fits = [name for name, s in shorter if FEWEST_TILES <= seconds / s <= MOST_TILES]
    if fits:
        return fits[-1]
    return shorter[-1][0] if shorter else ""


def drift_windows(evaluation: Evaluation) -> tuple[Window, ...]:
    """Return the drift windows, shortest first, each summed from the one before."""
    windows = []
    pairs = _sorted(evaluation.drift)
    for index, (name, seconds) in enumerate(pairs):
        tile = pairs[index - 1][0] if index else ""
        windows.append(Window(name, seconds, _interval(evaluation, index, pairs[0][1]), tile))
    return tuple(windows)


def quality_windows(evaluation: Evaluation) -> tuple[Window, ...]:
    """Return the windows of quality, traffic and outcomes, shortest first."""
    scrape = parse_duration(evaluation.scrape_interval)
    pairs = _sorted(evaluation.quality)
    windows = []
    # The interval follows the length (an hour and less: every rule interval), not the position.
    steps = [seconds for _, seconds in _sorted(evaluation.drift)]
    for name, seconds in pairs:
        index = sum(1 for step in steps if step < seconds)
        tile = ""
        if seconds / scrape > RAW_SCRAPES:
            tile = _tile(seconds, [(n, s) for n, s in pairs if s < seconds and seconds % s == 0])
        windows.append(Window(name, seconds, _interval(evaluation, index, pairs[0][1]), tile))
    return tuple(windows)
