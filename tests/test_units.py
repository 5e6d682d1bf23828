"""Times as events and tables carry them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.units import Clock, parse_time

TEN = 1_768_903_200.0  # 2026-01-20T10:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-20T10:00:00Z", TEN),
        ("2026-01-20t10:00:00z", TEN),
        ("2026-01-20 10:00:00z", TEN),
        ("2026-01-20T11:30:00+01:30", TEN),
        ("2026-01-20T10:00:00-00:00", TEN),
        ("2026-01-20T10:00:00.5Z", TEN + 0.5),
        ("2026-01-20T10:00:00.123456789Z", TEN + 0.123456),
        ("2016-12-31T23:59:60Z", 1_483_228_800.0),
        ("2016-12-31t23:59:60.25z", 1_483_228_800.25),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800.0),
        ("1768903200", TEN),
        ("1768903200.25", TEN + 0.25),
        (1_768_903_200, TEN),
    ],
)
def test_a_time_is_rfc_3339_or_epoch_seconds(text: str | float, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "20/01/2026 10:00",
            "is not a time: write RFC 3339 such as 2013-01-01T10:15:00Z, or a number of epoch seconds",
        ),
        ("", "is not a time: write RFC 3339"),
        ("nan", "is not a time: write RFC 3339"),
        ("2026-13-20T10:00:00Z", "is not a time: write RFC 3339"),
        ("2026-01-20T10:61:60Z", "is not a time: write RFC 3339"),
        ("2026-01-20T10:00:00", "has no time zone: append Z or an offset"),
        ("20260120", "may be a date or epoch seconds"),
        ("1768903200000", "milliseconds, perhaps"),
        (-1.0, "is not a time in epoch seconds"),
    ],
)
def test_what_is_no_time_is_refused_with_what_to_write(text: str | float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_time(text)


def test_a_clock_says_the_zone_of_wall_clock_times_and_the_unit_of_numbers() -> None:
    vienna = Clock(ZoneInfo("Europe/Vienna"), 0.001)
    assert parse_time("2026-01-20 11:00:00", vienna) == TEN
    assert parse_time("2026-07-20 12:00:00", vienna) == datetime(2026, 7, 20, 10, tzinfo=UTC).timestamp()
    assert parse_time("2026-01-20T10:00:00Z", vienna) == TEN
    assert parse_time(1_768_903_200_000, vienna) == parse_time("1768903200000", vienna) == TEN


@given(st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30)), st.sampled_from(["Z", "z", "+00:00"]))  # noqa: DTZ001
def test_every_written_time_is_read_back(moment: datetime, zone: str) -> None:
    assert parse_time(moment.isoformat() + zone) == moment.replace(tzinfo=UTC).timestamp()
