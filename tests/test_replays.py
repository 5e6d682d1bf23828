"""A few replays end to end: nothing planted, nothing false; what is planted is seen.

The long version, with a hundred replays, is ``benchmarks/replays.py``; its figures are in docs/evaluate.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from replayed_rows import Plan, Row, resampled
from replays import run_synthetic

DAY = 86_400.0


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("plant", "seen"),
    [
        (None, set()),
        (("quality", 2.0), {"ModelQualityCritical", "ModelQualityDecay"}),
        (("missing", 0.8), {"FeatureBroken", "FeatureDrift"}),
    ],
    ids=["nothing", "quality", "missing"],
)
def test_alerts_see_what_is_planted_and_nothing_else(
    tmp_path: Path, plant: tuple[str, float] | None, seen: set[str]
) -> None:
    plan = Plan(replays=2, days=20, block=7, step=DAY / 2, plant=plant, plant_day=12)
    result = run_synthetic("regression", 40, plan, tmp_path)
    # Every replay sees it and, drift of the unsteady feature apart, nothing before it was planted.
    found = {one.name: len({alarm.model for alarm in one.alarms}) for one in result.alerts}
    assert {name for name, models in found.items() if models == 2} >= seen
    quiet = [one for one in result.alerts if one.name not in {"FeatureDrift", "PredictionDrift"}]
    assert sum(len(one.false) for one in quiet) == 0


def test_resampled_weeks_keep_their_order_and_only_use_whole_days() -> None:
    rows = [
        Row(day, second, {"weekday": day % 7}, "1", 0.5, "1")
        for day in range(100, 135)
        for second in (10.0, 20.0, 30.0)
    ]
    rows.append(Row(135, 10.0, {"weekday": 2}, "1", 0.5, "1"))  # a day cut short
    plan = Plan(replays=1, days=30, block=7, step=DAY)
    made = list(resampled(rows, plan, np.random.default_rng(1)))
    assert [row.day for row in made] == [day for day in range(30) for _ in range(3)]
    first = made[0].features["weekday"]
    assert [row.features["weekday"] for row in made] == [(first + row.day) % 7 for row in made]
