"""Flights as the contract's events: the past in one NDJSON file, the weeks to be replayed in another.

Reads prepared flights and the trained models; writes both files in time order. Times are the real ones,
moved by a whole number of days; ids keep the real date. The weather feed delivers a day's load before
the first departure; since the tables hold observations only, these stand in for the forecast that a
real feed would bring. From the day of the fault the feed is broken: its run fails, and the models
predict that day's and all later flights without weather, as they would in production.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from examples.demo.flights import CATEGORICAL, LATE_MINUTES, NUMERIC, WEATHER, ZONE, Tables
from examples.demo.models import DELAY, LATE, REFERENCE_UNTIL, THRESHOLD, VERSION, FlightModels, one_thread
from plumbline.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

PIPELINE = "weather_feed"
LIVE_UNTIL = date(2013, 12, 30)  # the tables hold no weather after that day's afternoon
FEED_HOUR = 3  # local time of the daily load
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Which days are history, which are replayed, and when the feed breaks.

    Attributes:
        history_from: first local day of history.
        live_from: first local day of the replay; history ends before it.
        live_until: first local day that is not replayed any more.
        fault_from: first local day without weather.
        shift: seconds added to every time, a whole number of days.
    """

    history_from: date
    live_from: date
    live_until: date
    fault_from: date
    shift: float

    @property
    def live_start(self) -> float:
        """Start of the replayed period on the shifted clock."""
        return midnight(self.live_from) + self.shift


@dataclass(frozen=True, slots=True)
class Deployed:
    """What the deployment events say of a model.

    Attributes:
        training_data: digest of the reference table.
        baseline: sha256 of the baseline.
        commit: commit of the training code, if known.
    """

    training_data: str
    baseline: str
    commit: str | None


def midnight(day: date) -> float:
    """Return the epoch seconds of a local day's beginning in New York."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).timestamp()


def make_plan(days: int, fault_days: int, now: float, keep_away: float, history_days: int | None = None) -> Plan:
    """Return the plan whose history, moved by whole days, ends at least ``keep_away`` seconds before now.

    Args:
        days: days to replay.
        fault_days: days at their end without weather.
        now: epoch seconds.
        keep_away: seconds between the end of history and now, at least.
        history_days: days of history before the replay; without it all that follow the reference.

    Raises:
        UsageError: if the flights do not reach so far back, or the feed would break before the replay.
    """
    earliest = date.fromisoformat(REFERENCE_UNTIL)
    live_from = LIVE_UNTIL - timedelta(days=days)
    fault_from = LIVE_UNTIL - timedelta(days=fault_days)
    history_from = earliest if history_days is None else live_from - timedelta(days=history_days)
    most = (LIVE_UNTIL - earliest).days - 1
    if not 2 <= days <= most:
        raise UsageError(f"the replay can have 2 to {most} days, not {days}")
    if not live_from < fault_from < LIVE_UNTIL:
        raise UsageError(f"the feed can be broken on 1 to {days - 1} of {days} days, not on {fault_days}")
    if not earliest <= history_from < live_from:
        raise UsageError(
            f"before {days} days of replay the history can have 1 to {(live_from - earliest).days} days, "
            f"not {history_days}"
        )
    shift = (now - keep_away - midnight(live_from)) // DAY * DAY
    return Plan(history_from, live_from, LIVE_UNTIL, fault_from, shift)


def write_events(
    tables: Tables, models: FlightModels, deployed: dict[str, Deployed], plan: Plan, folder: Path
) -> tuple[Path, Path]:
    """Write ``history.ndjson`` and ``live.ndjson`` and return their paths."""
    day = tables.flights["day"]
    chosen = (day >= str(plan.history_from)) & (day < str(plan.live_until))
    rows = tables.flights[chosen].reset_index(drop=True)
    rows.loc[rows["day"] >= str(plan.fault_from), list(WEATHER)] = np.nan
    with one_thread():
        predicted = _predict(rows, models, plan)
    folder.mkdir(parents=True, exist_ok=True)
    history, live = folder / "history.ndjson", folder / "live.ndjson"
    encode = msgspec.json.Encoder().encode
    with history.open("wb") as past, live.open("wb") as present:
        for event in _in_order(rows, predicted, _other_events(rows, tables.weather, deployed, plan), plan):
            out = past if event["ts"] < plan.live_start else present
            out.write(encode(event))
            out.write(b"\n")
    return history, live


@dataclass(frozen=True, slots=True)
class _Predicted:
    """Both models' answers by row; latency is NaN where the answers were made in bulk."""

    delay: list[float]
    score: list[float]
    delay_latency: Floats
    late_latency: Floats


def _predict(rows: pd.DataFrame, models: FlightModels, plan: Plan) -> _Predicted:
    """Predict history in bulk, and the replayed flights hour by hour with the time each call took."""
    inputs = models.matrix(rows)
    delay, score = models.predict_delay(inputs), models.predict_late(inputs)
    delay_latency, late_latency = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    live = np.flatnonzero(rows["day"].to_numpy() >= str(plan.live_from))
    if live.size:
        hours = rows["hour_ts"].to_numpy()[live]
        for group in np.split(live, np.flatnonzero(np.diff(hours)) + 1):
            begin = time.perf_counter()
            delay[group] = models.predict_delay(inputs[group])
            middle = time.perf_counter()
            score[group] = models.predict_late(inputs[group])
            delay_latency[group] = middle - begin
            late_latency[group] = time.perf_counter() - middle
    return _Predicted(delay.tolist(), score.tolist(), delay_latency, late_latency)


def _other_events(
    rows: pd.DataFrame, weather: pd.DataFrame, deployed: dict[str, Deployed], plan: Plan
) -> list[dict[str, Any]]:
    """Return deployments and pipeline runs, in time order, times not yet moved."""
    start = midnight(plan.history_from)
    events: list[dict[str, Any]] = []
    for model, facts in deployed.items():
        event = {
            "type": "deployment",
            "ts": start,
            "model": model,
            "version": VERSION,
            "stage": "production",
            "training_data": facts.training_data,
            "baseline": facts.baseline,
            "commit": facts.commit,
        }
        events.append({key: value for key, value in event.items() if value is not None})
    for name, departures in rows.groupby("day", sort=True):
        day = date.fromisoformat(str(name))
        events += _daily_load(day, departures, weather, broken=day >= plan.fault_from)
    return events


def _daily_load(day: date, departures: pd.DataFrame, weather: pd.DataFrame, *, broken: bool) -> list[dict[str, Any]]:
    """Load one day's weather, really, and return what its pipeline run reports."""
    at = midnight(day) + FEED_HOUR * 3600.0
    batch = batch_id(str(day))
    common = {"type": "pipeline", "pipeline": PIPELINE, "run_id": f"run-{day}", "data_batch_id": batch}
    started = {**common, "ts": at, "stage": "fetch", "status": "started"}
    if broken:
        failed = {
            **common,
            "ts": at + 30.0,
            "stage": "fetch",
            "status": "failed",
            "rows_in": 0,
            "rows_out": 0,
            "checks": [{"name": "no_missing_weather", "passed": False}],
        }
        return [started, failed]
    begin = time.perf_counter()
    first = midnight(day)
    observed = weather[(weather["hour_ts"] >= first) & (weather["hour_ts"] < first + DAY)]
    fetched = time.perf_counter()
    joined = departures[["origin", "hour_ts"]].merge(observed, on=["origin", "hour_ts"], how="left")
    without = int(joined["temp"].isna().sum())
    done = time.perf_counter()
    airports = {"EWR", "JFK", "LGA"}
    fetch = {
        **common,
        "ts": at + 30.0,
        "stage": "fetch",
        "status": "succeeded",
        "data_ts": at,
        "duration": fetched - begin,
        "rows_in": len(observed),
        "rows_out": len(observed),
        "rows_rejected": 0,
    }
    join = {
        **common,
        "ts": at + 60.0,
        "stage": "join",
        "status": "succeeded",
        "data_ts": at,
        "duration": done - fetched,
        "rows_in": len(joined),
        "rows_out": len(joined),
        "rows_rejected": 0,
        "inputs": [batch],
        "checks": [
            {"name": "no_missing_weather", "passed": without == 0},
            {"name": "known_airports", "passed": set(departures["origin"]) <= airports},
        ],
    }
    return [started, fetch, join]


def batch_id(day: str) -> str:
    """Return the data batch that a local day's flights were joined with."""
    return f"weather-{day}"


def request_id(model: str, flight_id: str) -> str:
    """Return the request id of a model's prediction for a flight."""
    return f"{flight_id}-{'delay' if model == DELAY else 'late'}"


def _in_order(
    rows: pd.DataFrame, predicted: _Predicted, others: list[dict[str, Any]], plan: Plan
) -> Iterator[dict[str, Any]]:
    """Yield all events with their times moved, in time order; predictions before outcomes at ties."""
    n = len(rows)
    at, known = rows["ts"].to_numpy(dtype=np.float64), rows["known_ts"].to_numpy(dtype=np.float64)
    # Outcomes that nobody will wait for any more end with the replay's last day.
    outcome_rows = np.flatnonzero(known < midnight(plan.live_until) + DAY)
    times = np.concatenate([[event["ts"] for event in others], at, known[outcome_rows]])
    # 0 pipelines and deployments, 1 predictions, 2 outcomes
    kinds = np.repeat([0, 1, 2], [len(others), n, len(outcome_rows)])
    index = np.concatenate([np.arange(len(others)), np.arange(n), outcome_rows])
    make = _Maker(rows, predicted)
    order = np.lexsort((index, kinds, times))
    shift = plan.shift
    in_order = zip(kinds[order].tolist(), index[order].tolist(), times[order].tolist(), strict=True)
    for kind, row, moment in in_order:
        if kind == 0:
            event = {**others[row], "ts": moment + shift}
            if "data_ts" in event:
                event["data_ts"] += shift
            yield event
        elif kind == 1:
            yield from make.predictions(row, moment + shift)
        else:
            yield from make.outcomes(row, moment + shift)


class _Maker:
    """Makes events of rows; columns are taken out of the frame once."""

    def __init__(self, rows: pd.DataFrame, predicted: _Predicted) -> None:
        self._ids: list[str] = rows["flight_id"].tolist()
        self._days: list[str] = rows["day"].tolist()
        self._arrival: list[float] = rows["arr_delay"].tolist()
        self._predicted = predicted
        self._features: dict[str, list[Any]] = {}
        for name in NUMERIC:
            column = rows[name].to_numpy(dtype=object)
            column[rows[name].isna().to_numpy()] = None
            self._features[name] = column.tolist()
        for name in CATEGORICAL:
            self._features[name] = rows[name].tolist()

    def predictions(self, row: int, ts: float) -> Iterator[dict[str, Any]]:
        """Yield both models' prediction events."""
        features = {name: column[row] for name, column in self._features.items()}
        for model in (DELAY, LATE):
            event: dict[str, Any] = {
                "type": "prediction",
                "ts": ts,
                "request_id": request_id(model, self._ids[row]),
                "model": model,
                "version": VERSION,
                "features": features,
                "data_batch_id": batch_id(self._days[row]),
            }
            if model == DELAY:
                event["prediction"] = self._predicted.delay[row]
                latency = float(self._predicted.delay_latency[row])
            else:
                score = self._predicted.score[row]
                event["prediction"] = "1" if score >= THRESHOLD else "0"
                event["score"] = score
                latency = float(self._predicted.late_latency[row])
            if not math.isnan(latency):
                event["latency"] = latency
            yield event

    def outcomes(self, row: int, ts: float) -> Iterator[dict[str, Any]]:
        """Yield both models' outcome events."""
        minutes = self._arrival[row]
        for model, actual in ((DELAY, minutes), (LATE, "1" if minutes > LATE_MINUTES else "0")):
            yield {"type": "outcome", "ts": ts, "request_id": request_id(model, self._ids[row]), "actual": actual}
