"""Durations as Prometheus writes them (``90s``, ``1h30m``, ``7d``) and times as events carry them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DAY_SECONDS = 86_400.0
MONTH_SECONDS = 365.25 / 12 * DAY_SECONDS  # on average
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_SECONDS, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_WHOLE = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")


def parse_duration(text: str) -> float:
    """Return the seconds of a Prometheus duration.

    Args:
        text: e.g. ``30s``, ``1h30m``, ``7d``. ``0`` is accepted.

    Raises:
        ValueError: if the text is not a duration.
    """
    if text == "0":
        return 0.0
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write whole numbers and units, such as 250ms, 1h30m or 7d")
    return sum(int(n) * _UNITS[u] for n, u in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """Return the shortest single-unit Prometheus duration of whole seconds (``3600`` -> ``1h``)."""
    whole = int(seconds)
    for unit in ("d", "h", "m"):
        size = int(_UNITS[unit])
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def parse_time(value: str | float) -> float:
    """Return epoch seconds of an RFC 3339 text or a number of epoch seconds.

    A text without an offset is refused rather than guessed.

    Raises:
        ValueError: if it is neither, or lies outside the years 1970 to 2999.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: append Z or an offset")
        seconds = moment.timestamp()
    else:
        seconds = float(value)
    if not 0.0 <= seconds < 32_503_680_000.0:
        raise ValueError(f"{value!r} is not a time in epoch seconds (milliseconds, perhaps?)")
    return seconds


def format_time(seconds: float) -> str:
    """Return RFC 3339 in UTC with milliseconds, e.g. ``2013-12-01T06:00:00.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
