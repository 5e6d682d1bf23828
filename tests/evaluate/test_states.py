"""The state machine against a second writing of it (properties) and against promtool (the oracle)."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evaluate.states import Firing, State, firings, states
from support.rulefiles import complaints

MINUTE = 60.0
PRESENT = st.lists(st.booleans(), min_size=1, max_size=40)
WAIT = st.integers(0, 6).map(lambda minutes: minutes * 30.0)  # also half steps: `for` is rounded up to steps


def letters(present: str, hold: float = 0.0, keep: float = 0.0) -> str:
    times = [MINUTE * i for i in range(len(present))]
    names = {State.INACTIVE: ".", State.PENDING: "p", State.FIRING: "F"}
    return "".join(names[s] for s in states(times, [c == "x" for c in present], hold, keep))


def test_without_for_it_fires_at_the_first_evaluation():
    assert letters(".xx.x") == ".FF.F"


def test_for_must_pass_since_the_first_presence():
    assert letters("xxxx.", hold=120.0) == "ppFF."


def test_a_pending_alert_forgets_at_one_missing_evaluation():
    assert letters("xx.xxx", hold=120.0) == "pp.ppF"


def test_for_between_two_steps_waits_for_the_second():
    assert letters("xxxx", hold=90.0) == "ppFF"


def test_keep_firing_for_counts_from_the_first_missing_evaluation():
    assert letters("x...", keep=120.0) == "FFF."


def test_presence_resets_the_clock_of_keep_firing_for_without_pending_again():
    assert letters("xxx.xx...", hold=120.0, keep=60.0) == "ppFFFFF.."


def test_a_pending_alert_is_not_kept():
    assert letters("x.", hold=60.0, keep=600.0) == "p."


def test_firings_end_where_the_alert_first_did_not_fire_or_with_the_history():
    times = [MINUTE * i for i in range(6)]
    assert firings(times, [True, True, False, False, True, True], MINUTE, 0.0) == [
        Firing(60.0, 120.0, 0.0),
        Firing(300.0, 300.0, 240.0),
    ]


@given(PRESENT, WAIT, WAIT)
def test_every_firing_began_after_for_of_presence(present: list[bool], hold: float, keep: float):
    times = [MINUTE * i for i in range(len(present))]
    for one in firings(times, present, hold, keep):
        assert one.start - one.active_at >= hold
        first, last = int(one.active_at / MINUTE), int(one.start / MINUTE)
        assert all(present[first : last + 1])


@given(PRESENT, WAIT)
def test_a_present_evaluation_is_never_inactive(present: list[bool], hold: float):
    times = [MINUTE * i for i in range(len(present))]
    for here, state in zip(present, states(times, present, hold, 0.0), strict=True):
        assert (state is State.INACTIVE) is not here


@given(PRESENT, WAIT, WAIT)
def test_keeping_only_adds_firing_time(present: list[bool], hold: float, keep: float):
    times = [MINUTE * i for i in range(len(present))]
    plain, kept = states(times, present, hold, 0.0), states(times, present, hold, keep)
    assert all(k is State.FIRING for p, k in zip(plain, kept, strict=True) if p is State.FIRING)


@pytest.mark.e2e
def test_promtool_agrees_on_every_state_of_random_alerts(tmp_path: Path):
    dice = random.Random(20130401)
    length, cases = 25, 40
    rules, series, expected = [], [], {minute: [] for minute in range(length)}
    for case in range(cases):
        stay = dice.random()
        present = [dice.random() < 0.5]
        while len(present) < length:
            present.append(present[-1] if dice.random() < stay else dice.random() < 0.5)
        hold, keep = (30 * dice.randrange(0, 7) for _ in range(2))
        name = f"Case{case}"
        rule = {"alert": name, "expr": f'sig{{case="{case}"}} > 0', "for": f"{hold}s"}
        rules.append({**rule, "keep_firing_for": f"{keep}s"})
        values = " ".join("1" if here else "0" for here in present)
        series.append({"series": f'sig{{case="{case}"}}', "values": values})
        times = [MINUTE * i for i in range(length)]
        for minute, state in enumerate(states(times, present, float(hold), float(keep))):
            if state is not State.INACTIVE:
                labels = f'ALERTS{{alertname="{name}", alertstate="{state.value}", case="{case}"}}'
                expected[minute].append({"labels": labels, "value": 1})
    checks = [
        {"expr": "ALERTS", "eval_time": f"{minute}m", "exp_samples": samples} for minute, samples in expected.items()
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": checks}
    assert complaints(tmp_path, [{"name": "g", "rules": rules}], [test])[:3000] == ""
