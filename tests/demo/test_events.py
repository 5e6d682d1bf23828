from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from examples.demo.events import DAY, LIVE_UNTIL, PIPELINE, Deployed, Plan, make_plan, midnight, write_events
from examples.demo.flights import WEATHER
from examples.demo.models import DELAY, LATE, REFERENCE_UNTIL
from plumbline.errors import UsageError
from plumbline.events.parse import parse
from support.demo_scene import DEPARTURES, models, raw_flights, tables

NOW = 1_750_000_000.0
PLAN = Plan(date(2013, 12, 20), date(2013, 12, 24), LIVE_UNTIL, date(2013, 12, 28), 4000 * DAY)
DEPLOYED = {DELAY: Deployed("a" * 64, "b" * 64, "c0ffee"), LATE: Deployed("c" * 64, "d" * 64, None)}

Events = list[dict[str, Any]]


def read(path: Path) -> Events:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_events(tables(), models(), DEPLOYED, PLAN, tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def history(files: tuple[Path, Path]) -> Events:
    return read(files[0])


@pytest.fixture(scope="module")
def live(files: tuple[Path, Path]) -> Events:
    return read(files[1])


def of(events: Events, kind: str) -> Events:
    return [event for event in events if event["type"] == kind]


def test_plan_replays_the_last_days_and_breaks_the_feed_at_their_end() -> None:
    plan = make_plan(21, 6, NOW, 3600.0)
    assert plan.live_until == LIVE_UNTIL
    assert plan.live_from == LIVE_UNTIL - timedelta(days=21)
    assert plan.fault_from == LIVE_UNTIL - timedelta(days=6)
    assert plan.history_from == date.fromisoformat(REFERENCE_UNTIL)


@pytest.mark.parametrize("keep_away", [0.0, 3600.0, 5 * DAY + 17.0])
def test_plan_moves_times_by_whole_days_and_history_ends_just_far_enough_from_now(keep_away: float) -> None:
    plan = make_plan(21, 6, NOW, keep_away)
    assert plan.shift % DAY == 0
    assert plan.live_start == midnight(plan.live_from) + plan.shift
    assert keep_away <= NOW - plan.live_start < keep_away + DAY


def test_plan_shortens_the_history_to_the_days_asked_for() -> None:
    plan = make_plan(6, 2, NOW, 0.0, history_days=8)
    assert plan.history_from == LIVE_UNTIL - timedelta(days=14)
    assert plan == Plan(
        plan.history_from, plan.live_from, plan.live_until, plan.fault_from, make_plan(6, 2, NOW, 0.0).shift
    )


@pytest.mark.parametrize(
    ("days", "fault_days", "history_days", "message"),
    [
        (1, 1, None, "the replay can have 2 to 272 days, not 1"),
        (273, 6, None, "the replay can have 2 to 272 days, not 273"),
        (6, 6, None, "the feed can be broken on 1 to 5 of 6 days, not on 6"),
        (6, 0, None, "the feed can be broken on 1 to 5 of 6 days, not on 0"),
        (6, 2, 0, "the history can have 1 to 267 days, not 0"),
        (6, 2, 268, "the history can have 1 to 267 days, not 268"),
    ],
)
def test_plan_that_the_flights_cannot_fill_is_refused(
    days: int, fault_days: int, history_days: int | None, message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        make_plan(days, fault_days, NOW, 0.0, history_days)
    assert message in str(refused.value)


@pytest.mark.parametrize(("days", "history_days"), [(2, None), (272, None), (6, 267)])
def test_plan_may_use_every_day_there_is(days: int, history_days: int | None) -> None:
    plan = make_plan(days, 1, NOW, 0.0, history_days)
    assert date.fromisoformat(REFERENCE_UNTIL) <= plan.history_from < plan.live_from < plan.fault_from


def test_midnight_is_local_in_winter_and_summer() -> None:
    assert midnight(date(2013, 1, 1)) == 1_357_016_400.0  # 05:00 UTC
    assert midnight(date(2013, 7, 1)) == 1_372_651_200.0  # 04:00 UTC


def test_every_line_is_accepted_by_the_exporter(files: tuple[Path, Path]) -> None:
    for path in files:
        body = path.read_bytes()
        parsed = parse(body, PLAN.live_start + 30 * DAY)
        assert not parsed.rejected
        assert len(parsed.events) == len(body.splitlines()) > 0


def test_history_ends_where_the_replay_begins_and_both_are_in_time_order(history: Events, live: Events) -> None:
    times = [event["ts"] for event in history + live]
    assert times == sorted(times)
    assert history[-1]["ts"] < PLAN.live_start <= live[0]["ts"]


def test_every_departure_of_the_plan_is_predicted_once_by_both_models_at_its_own_time(
    history: Events, live: Events
) -> None:
    flights = tables().flights
    inside = flights[(flights["day"] >= "2013-12-20") & (flights["day"] < "2013-12-30")]
    wanted = {name: at + PLAN.shift for name, at in zip(inside["flight_id"], inside["ts"], strict=True)}
    assert len(wanted) == 10 * len(DEPARTURES)
    for model, suffix in ((DELAY, "-delay"), (LATE, "-late")):
        made = [event for event in of(history + live, "prediction") if event["model"] == model]
        assert {event["request_id"].removesuffix(suffix): event["ts"] for event in made} == wanted
        assert len(made) == len(wanted)


def test_outcome_is_known_when_the_plane_is_at_the_gate_and_never_before_its_prediction(
    history: Events, live: Events
) -> None:
    made = {event["request_id"]: event["ts"] for event in of(history + live, "prediction")}
    outcomes = of(history + live, "outcome")
    minutes = {str(flight): delay + air + 30.0 for _, flight, _, delay, air, _ in DEPARTURES}
    for event in outcomes:
        flight = event["request_id"].split("-")[0].removeprefix("AA")
        assert event["ts"] - made[event["request_id"]] == 60.0 * minutes[flight]
    per_flight = Counter(event["request_id"].split("-")[0] for event in outcomes)
    assert per_flight == {"AA1": 20, "AA3": 20, "AA5": 20}


def test_cancelled_and_diverted_flights_are_predicted_and_never_have_an_outcome(history: Events, live: Events) -> None:
    predicted = {event["request_id"].split("-")[0] for event in of(history + live, "prediction")}
    known = {event["request_id"].split("-")[0] for event in of(history + live, "outcome")}
    assert {"AA2", "AA4"} <= predicted
    assert not {"AA2", "AA4"} & known


def test_flight_in_the_air_when_the_replay_begins_has_its_outcome_in_the_replay(history: Events, live: Events) -> None:
    night = "AA5-EWR-201312232330-delay"
    assert night in {event["request_id"] for event in of(history, "prediction")}
    assert night in {event["request_id"] for event in of(live, "outcome")}


def test_outcome_later_than_a_day_after_the_replay_is_left_out(tmp_path: Path) -> None:
    flights = raw_flights((("EWR", 1, 8, 3 * 24 * 60.0, 60.0, 4000.0),))
    _, live = write_events(tables(flights), models(), DEPLOYED, PLAN, tmp_path)
    events = read(live)
    last = max(event["ts"] for event in of(events, "outcome"))
    assert last < midnight(LIVE_UNTIL) + DAY + PLAN.shift
    late = {"AA1-EWR-201312280830-late", "AA1-EWR-201312290830-late"}
    assert late <= {event["request_id"] for event in of(events, "prediction")}
    assert not late & {event["request_id"] for event in of(events, "outcome")}


def test_outcomes_are_minutes_for_one_model_and_a_class_for_the_other(live: Events) -> None:
    actual = {event["request_id"]: event["actual"] for event in of(live, "outcome")}
    assert actual["AA3-LGA-201312241330-delay"] == 16.0
    assert actual["AA3-LGA-201312241330-late"] == "1"
    assert actual["AA5-EWR-201312242330-delay"] == 15.0
    assert actual["AA5-EWR-201312242330-late"] == "0"  # 15 minutes are not more than 15


def test_predictions_are_the_models_own_on_the_features_sent(history: Events, live: Events) -> None:
    for event in of(history + live, "prediction"):
        features = event["features"]
        if event["model"] == DELAY:
            assert event["prediction"] == (99.0 if features["temp"] is None else features["hour"])
        else:
            assert event["score"] == (0.9 if features["hour"] > 12 else 0.2)
            assert event["prediction"] == ("1" if features["hour"] > 12 else "0")


def test_fault_takes_the_weather_of_all_later_flights_and_nothing_else(history: Events, live: Events) -> None:
    broken_from = midnight(PLAN.fault_from) + PLAN.shift
    seen = Counter()
    for event in of(history + live, "prediction"):
        features = event["features"]
        broken = event["ts"] >= broken_from
        seen[broken] += 1
        assert all((features[name] is None) == broken for name in WEATHER)
        assert all(value is not None for name, value in features.items() if name not in WEATHER)
    assert seen == {False: 8 * 2 * len(DEPARTURES), True: 2 * 2 * len(DEPARTURES)}


def test_feed_runs_before_each_days_flights_and_fails_from_the_day_of_the_fault(history: Events, live: Events) -> None:
    runs = of(history + live, "pipeline")
    assert {event["pipeline"] for event in runs} == {PIPELINE}
    failed = [event for event in runs if event["status"] == "failed"]
    assert [event["run_id"] for event in failed] == ["run-2013-12-28", "run-2013-12-29"]
    assert all(event["checks"] == [{"name": "no_missing_weather", "passed": False}] for event in failed)
    joined = [event for event in runs if event["stage"] == "join"]
    assert len(joined) == 8
    assert all(event["rows_in"] == len(DEPARTURES) for event in joined)
    assert all(check["passed"] for event in joined for check in event["checks"])
    started = {event["data_batch_id"]: event["ts"] for event in runs if event["status"] == "started"}
    for event in of(history + live, "prediction"):
        assert started[event["data_batch_id"]] < event["ts"]


def test_check_of_the_feed_fails_where_the_observations_have_a_gap(tmp_path: Path) -> None:
    whole = tables()
    gap = whole.weather["hour_ts"] == midnight(date(2013, 12, 21)) + 8 * 3600
    whole.weather.loc[gap, "temp"] = None
    history, _ = write_events(whole, models(), DEPLOYED, PLAN, tmp_path)
    checks = {
        event["run_id"]: {check["name"]: check["passed"] for check in event["checks"]}
        for event in of(read(history), "pipeline")
        if event["stage"] == "join"
    }
    assert checks["run-2013-12-20"] == {"no_missing_weather": True, "known_airports": True}
    assert checks["run-2013-12-21"] == {"no_missing_weather": False, "known_airports": True}


def test_deployments_come_first_and_leave_out_an_unknown_commit(history: Events) -> None:
    first, second = history[:2]
    assert [first["type"], second["type"]] == ["deployment"] * 2
    assert first["ts"] == midnight(PLAN.history_from) + PLAN.shift
    by_model = {event["model"]: event for event in (first, second)}
    assert by_model[DELAY]["commit"] == "c0ffee"
    assert by_model[DELAY]["baseline"] == "b" * 64
    assert "commit" not in by_model[LATE]


def test_only_replayed_predictions_carry_the_time_they_took(history: Events, live: Events) -> None:
    assert all("latency" not in event for event in of(history, "prediction"))
    assert all(event["latency"] >= 0 for event in of(live, "prediction"))
