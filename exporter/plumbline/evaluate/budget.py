"""How many false alarms people can bear, and whether the judged alerts stay within.

``pages-per-quarter``: false alarms of severity critical per model-quarter, all alerts together.
``tickets-per-month``: false alarms of severity warning per model-month, all alerts together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from plumbline.evaluate.judge import Judged

_MEASURES = {"pages-per-quarter": "critical", "tickets-per-month": "warning"}


def parse_budget(text: str) -> dict[str, float]:
    """Return the bounds of ``pages-per-quarter=1,tickets-per-month=1``.

    Raises:
        ValueError: saying what is wrong.
    """
    bounds: dict[str, float] = {}
    for part in text.split(","):
        key, equals, number = part.strip().partition("=")
        if key not in _MEASURES or not equals:
            raise ValueError(f"{part.strip()!r}: write {' or '.join(f'{m}=NUMBER' for m in _MEASURES)}")
        try:
            bounds[key] = float(number)
        except ValueError:
            bounds[key] = math.nan
        if not 0.0 <= bounds[key] < math.inf:
            raise ValueError(f"{number!r} is not a number of 0 or more")
    return bounds


def spent(judged: Sequence[Judged]) -> dict[str, float]:
    """Return what the alerts spend of each measure."""
    return {
        "pages-per-quarter": sum(j.false_per_quarter for j in judged if j.severity == "critical"),
        "tickets-per-month": sum(j.false_per_month for j in judged if j.severity == "warning"),
    }


def exceeded(judged: Sequence[Judged], bounds: Mapping[str, float]) -> list[str]:
    """Return a sentence for each bound that the alerts break together."""
    have = spent(judged)
    return [
        f"{key}: {have[key]:.2f} false alarms with severity {_MEASURES[key]}, allowed {bound:g}"
        for key, bound in bounds.items()
        if have[key] > bound
    ]
