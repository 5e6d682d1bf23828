"""Windows sized in outcomes, and how many standard errors a ticket must exceed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue, Evaluation
from plumbline.significance import FALSE_PER_MONTH, crossings_per_month, sigmas
from plumbline_alerting.model import Group
from plumbline_alerting.sized import FAST, SLOW, candidates, rules
from support.rulefiles import complaints


def test_roles_take_the_declared_window_or_a_longer_one(root_catalogue: Catalogue) -> None:
    changed = root_catalogue.model_copy(update={"evaluation": Evaluation()})
    assert candidates(changed, FAST) == ["1h", "6h", "1d", "7d"]
    assert candidates(changed, SLOW) == ["1d", "7d"]


@pytest.mark.parametrize("z", [2.0, 2.5, 3.0])
def test_moving_averages_of_noise_cross_as_often_as_the_formula_says(z: float) -> None:
    """A hundred years of white noise, averaged over a day, looked at every 15 minutes."""
    random = np.random.default_rng(7)
    per_day, days = 96, 36_500
    total = np.concatenate([[0.0], np.cumsum(random.normal(size=per_day * days))])
    average = (total[per_day:] - total[:-per_day]) / np.sqrt(per_day)
    above = np.flatnonzero(average > z)
    # One alarm is what lies closer together than a window: the same values make both.
    alarms = 1 + int((np.diff(above) > per_day).sum())
    assert alarms / (days / 30.4375) == pytest.approx(crossings_per_month(z, "1d", 1), rel=0.25)


def test_the_threshold_is_the_smallest_that_keeps_the_peace() -> None:
    for window, sides in (("1d", 1), ("1d", 2), ("7d", 1), ("7d", 2)):
        z = sigmas(window, sides)
        assert crossings_per_month(z, window, sides) <= FALSE_PER_MONTH
        assert crossings_per_month(z - 0.1, window, sides) > FALSE_PER_MONTH
    assert sigmas("7d", 1) < sigmas("1d", 1) < sigmas("1d", 2) < 4


def test_a_metric_without_a_value_in_the_models_window_takes_none_from_an_older_one(
    root_catalogue: Catalogue, tmp_path: Path
) -> None:
    """A day in which nothing was called positive has no precision; last week's is not the day's."""
    changed = root_catalogue.model_copy(update={"evaluation": Evaluation()})
    whole = f'model="m", version="1", slice="{names.ALL}", value="{names.ALL}"'
    values = {
        f'{names.OBJECTIVE.name}{{model="m", version="1", metric="{names.OBJECTIVE_SAMPLES}"}}': 100,
        f"{names.R_QUALITY_SAMPLES.over('1d')}{{{whole}}}": 500,
        f"{names.R_QUALITY_SAMPLES.over('7d')}{{{whole}}}": 3500,
        f'{names.R_QUALITY.over("1d")}{{{whole}, metric="accuracy"}}': 0.9,
        f'{names.R_QUALITY.over("7d")}{{{whole}, metric="accuracy"}}': 0.8,
        f'{names.R_QUALITY.over("7d")}{{{whole}, metric="precision"}}': 0.7,
    }
    group = Group("sized", "1m", tuple(rules(changed, SLOW)))
    case = {
        "expr": names.R_QUALITY.over(SLOW),
        "eval_time": "5m",
        "exp_samples": [{"labels": f'{names.R_QUALITY.over(SLOW)}{{{whole}, metric="accuracy"}}', "value": 0.9}],
    }
    series = [{"series": name, "values": f"{value}x9"} for name, value in values.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [case]}
    assert complaints(tmp_path, [group.as_dict()], [test]) == ""
