"""Durations as Prometheus writes them (``90s``, ``1h30m``, ``7d``) and times as events carry them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

DAY_SECONDS = 86_400.0
MONTH_SECONDS = 365.25 / 12 * DAY_SECONDS  # on average
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_SECONDS, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_WHOLE = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_LEAP = re.compile(r"(?<=:\d\d):60(?=[.Z+-]|$)")
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EXAMPLE = "2013-01-01T10:15:00Z"
_NO_TIME = f"is not a time: write RFC 3339 such as {_EXAMPLE}, or a number of epoch seconds"


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


@dataclass(frozen=True, slots=True)
class Clock:
    """How times are meant that do not say it themselves.

    Attributes:
        zone: of times without an offset; None refuses them, but for a column of timestamps, which is UTC then.
        unit: seconds that a number counts; 0.001 where they are milliseconds.
    """

    zone: tzinfo | None = None
    unit: float = 1.0


PLAIN_CLOCK = Clock()


def parse_time(value: str | float, clock: Clock = PLAIN_CLOCK) -> float:
    """Return epoch seconds of an RFC 3339 text, or of a number (or its text) of epoch seconds.

    Args:
        value: e.g. ``2026-01-20T10:00:00Z``, also with a space or in lower case, ``1768903200`` or ``1768903200.5``.
            A leap second is the second after it.
        clock: the zone of a text without an offset, and the unit of numbers.

    Raises:
        ValueError: if it is neither, or lies outside the years 1970 to 2999.
    """
    if isinstance(value, str) and value[4:5] == "-":
        seconds = _parse_text(value, clock.zone)
    else:
        try:
            seconds = float(value) * clock.unit
        except ValueError:
            raise ValueError(f"{value!r} {_NO_TIME}") from None
        if isinstance(value, str) and _DATE.fullmatch(value):
            raise ValueError(f"{value!r} may be a date or epoch seconds: write the date as {_EXAMPLE}")
    if not math.isfinite(seconds):
        raise ValueError(f"{value!r} {_NO_TIME}")
    if not 0.0 <= seconds < 32_503_680_000.0:
        raise ValueError(f"{value!r} is not a time in epoch seconds (milliseconds, perhaps?)")
    return seconds


def _parse_text(value: str, zone: tzinfo | None) -> float:
    leap = 0.0
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        text, leaps = _LEAP.subn(":59", value.strip().upper())
        leap = float(leaps)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{value!r} {_NO_TIME}") from None
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(f"{value!r} has no time zone: append Z or an offset")
        moment = moment.replace(tzinfo=zone)
    return moment.timestamp() + leap


def format_time(seconds: float) -> str:
    """Return RFC 3339 in UTC with milliseconds, e.g. ``2013-12-01T06:00:00.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
