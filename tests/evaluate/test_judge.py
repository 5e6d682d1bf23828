import numpy as np
import pytest
from rich.console import Console

from plumbline.evaluate.ask import Grid
from plumbline.evaluate.budget import exceeded, parse_budget
from plumbline.evaluate.chance import by_chance
from plumbline.evaluate.incidents import Incident
from plumbline.evaluate.judge import Alarm, Judged, Scene, alarms_of, judge
from plumbline.evaluate.report import per_model, tables
from plumbline.evaluate.run import Evaluation
from plumbline.evaluate.states import Firing
from plumbline.units import MONTH_SECONDS

HOUR = 3600.0
GRID = Grid(0.0, 1000 * HOUR, HOUR)


def alarm(start: float, end: float, model: str = "m", metric: str = "") -> Alarm:
    return Alarm(start * HOUR, end * HOUR, model, metric, "A")


def scene(*incidents: Incident, grace: float = 0.0) -> Scene:
    known = {"m": np.arange(1001.0) * 10}
    return Scene(GRID, incidents, {"m": MONTH_SECONDS}, known, grace * HOUR, 24 * HOUR)


def incident(start: float, end: float, **more: object) -> Incident:
    return Incident(start * HOUR, end * HOUR, **more)  # type: ignore[arg-type]


def test_features_that_fire_together_are_one_alarm():
    both = [({"model": "m", "feature": f}, [Firing(at, at + 10, at)]) for f, at in (("a", 0.0), ("b", 5.0))]
    assert [(a.start, a.end) for a in alarms_of("A", both)] == [(0.0, 15.0)]


def test_true_and_false_alarms_delay_and_outcomes():
    one = judge("A", "critical", [alarm(12, 15), alarm(500, 501)], scene(incident(10, 20, sustained=True)))
    assert (len(one.false), one.precision, one.recall(), one.recall(sustained=True)) == (1, 0.5, (1, 1), (1, 1))
    assert (one.delay(), one.delay_outcomes()) == (2 * HOUR, 20.0)
    assert one.false_per_month == 1.0
    assert one.false_per_quarter == 3.0


def test_an_alarm_of_before_finds_the_incident_at_once_and_says_so():
    (found,) = judge("A", "critical", [alarm(1, 15)], scene(incident(10, 20))).found
    assert (found.delay, found.already) == (0.0, True)


def test_an_alarm_that_ended_at_the_start_missed_the_incident():
    assert judge("A", "critical", [alarm(1, 10)], scene(incident(10, 20))).recall() == (0, 1)


def test_grace_makes_a_late_alarm_true():
    late = [alarm(25, 26)]
    assert judge("A", "critical", late, scene(incident(10, 20))).precision == 0.0
    assert judge("A", "critical", late, scene(incident(10, 20), grace=5)).precision == 1.0


@pytest.mark.parametrize(("model", "metric"), [("other", "mae"), ("m", "brier")])
def test_another_model_or_metric_finds_nothing(model: str, metric: str):
    assert judge(
        "A", "critical", [alarm(12, 15, model, metric)], scene(incident(10, 20, model="m", metric="mae"))
    ).recall() == (0, 1)


def test_an_alarm_that_returns_soon_flaps():
    assert judge("A", "critical", [alarm(0, 1), alarm(24, 25), alarm(60, 61)], scene()).flaps == 1


def test_base_rate_counts_overlapping_incidents_once():
    assert scene(incident(0, 100), incident(50, 200)).base_rate == pytest.approx(0.2)


def test_an_alert_that_always_fires_is_no_better_than_chance():
    one = judge("A", "critical", [alarm(0, 1000)], scene(incident(10, 20)))
    assert (one.precision, one.chance.precision, one.chance.recall) == (1.0, 1.0, 1.0)


def test_short_random_alarms_meet_an_incident_as_often_as_its_share_of_time():
    chance = by_chance([alarm(500, 500)], [incident(100, 300)], (0.0, 1000 * HOUR), 0.0)
    assert chance.precision == pytest.approx(0.2, abs=0.003)


def test_budget_bounds_are_read_and_broken_ones_named():
    judged: list[Judged] = [judge("A", "critical", [alarm(1, 2)], scene())]
    assert exceeded(judged, parse_budget("pages-per-quarter=3,tickets-per-month=0")) == []
    assert exceeded(judged, parse_budget("pages-per-quarter=1")) == [
        "pages-per-quarter: 3.00 false alarms with severity critical, allowed 1"
    ]


@pytest.mark.parametrize("text", ["pages=1", "pages-per-quarter", "pages-per-quarter=x", "pages-per-quarter=-1", ""])
def test_a_budget_that_is_none_is_refused(text: str):
    with pytest.raises(ValueError, match=r"write|not a number"):
        parse_budget(text)


def test_false_alarms_are_told_per_model():
    two = Scene(GRID, (incident(10, 20, model="m"),), {"m": MONTH_SECONDS, "n": 2 * MONTH_SECONDS})
    page = judge("A", "critical", [alarm(12, 15), alarm(500, 501, "n")], two)
    ticket = judge("B", "warning", [alarm(300, 301, "n"), alarm(400, 401, "n"), alarm(90, 91)], two)
    found = per_model(Evaluation(two, (page, ticket), (), {}))
    assert found["m"] == {
        "model_months": 1.0,
        "alarms": 2,
        "false_alarms": 1,
        "false_pages_per_quarter": 0.0,
        "false_tickets_per_month": 1.0,
    }
    assert found["n"] == {
        "model_months": 2.0,
        "alarms": 3,
        "false_alarms": 3,
        "false_pages_per_quarter": 1.5,
        "false_tickets_per_month": 1.0,
    }


@pytest.mark.parametrize("width", [80, 159, 200])
def test_no_cell_is_cut_on_a_terminal_of_any_usual_width(width: int):
    happened = scene(incident(10, 20))
    judged = judge("ModelErrorRateCritical", "critical", [alarm(12, 15), alarm(500, 501)], happened)
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        for part in tables(Evaluation(happened, (judged,), (), {}), width):
            console.print(part)
    shown = capture.get()
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    rate = f"{judged.false_per_month:.2f}"
    for said in ("ModelErrorRateCritical", "severity", "0.50 (", "1/1 (", "sustained", "firing", "1 incident (", rate):
        assert said in shown
