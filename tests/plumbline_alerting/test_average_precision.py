"""No scores exist whose exact average precision lies outside the recorded bound: hypothesis searches for some.

The recorded expressions themselves are evaluated, by promtool over the series that they read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from plumbline import names
from plumbline.counting.quality import negatives_above, positives_above
from plumbline_alerting.model import Group
from plumbline_alerting.scores import average_precision
from plumbline_alerting.windows import Window
from support.rulefiles import complaints
from support.search import examples

WINDOW = Window("1h", 3600.0, "1m")
BINS = 5

# A row: the bin, the place inside it (few, so that ties are common), and whether it is positive.
ROWS = st.lists(st.tuples(st.integers(0, BINS - 1), st.integers(0, 3), st.booleans()), min_size=1, max_size=60)


def series(model: str, score: np.ndarray, actual: np.ndarray) -> list[dict[str, str]]:
    """What the rules read of one model: counts per bin, and those above."""
    counts = np.bincount(2 * score.astype(int) + actual, minlength=2 * BINS).astype(float)
    found = []

    def add(metric: names.Metric, value: float, **labels: str) -> None:
        inside = ", ".join(f'{k}="{v}"' for k, v in {"model": model, "version": "1", **labels}.items())
        name = names.R_INCREASES[metric.name].over(WINDOW.name)
        found.append({"series": f"{name}{{{inside}}}", "values": f"{value!r}x9"})

    for at in range(BINS):
        for cls in (0, 1):
            add(names.SCORE_BINS, float(counts[2 * at + cls]), bin=f"{at:02d}", actual=str(cls))
        add(names.SCORE_POSITIVES_ABOVE, float(positives_above(counts)[at]), bin=f"{at:02d}")
        add(names.SCORE_NEGATIVES_ABOVE, float(negatives_above(counts)[at]), bin=f"{at:02d}")
    return found


def outside(cases: list[list[tuple[int, int, bool]]], folder: Path, stretch: float = 1.0) -> str:
    """Promtool's complaint if the exact value of any case lies outside its bound; empty if all are inside."""
    inputs, expected = [], []
    for number, rows in enumerate(cases):
        score = np.array([bin_ + place / 10 for bin_, place, _ in rows])
        actual = np.array([positive for _, _, positive in rows], dtype=int)
        if not actual.any():
            continue
        inputs += series(f"m{number}", score, actual)
        exact = average_precision_score(actual, score)
        inputs.append({"series": f'exact{{model="m{number}", version="1"}}', "values": f"{exact!r}x9"})
        expected.append({"labels": f'{{model="m{number}", version="1"}}', "value": 1})
    if not inputs:
        return ""
    rules = Group("ap", "1m", tuple(average_precision(WINDOW)))
    value = f'max by (model, version) ({names.R_QUALITY.over(WINDOW.name)}{{metric="average_precision"}})'
    bound = names.R_AP_BOUND.over(WINDOW.name)
    test = {
        "interval": "1m",
        "input_series": inputs,
        "promql_expr_test": [
            {
                # 1e-8: where nothing stands above a bin, a quotient of nothings is kept finite.
                "expr": f"abs({value} - on (model, version) exact) <= bool on (model, version) {stretch} * {bound} + 1e-8",
                "eval_time": "5m",
                "exp_samples": expected,
            }
        ],
    }
    return complaints(folder, [rules.as_dict()], [test])


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=st.lists(ROWS, min_size=20, max_size=20))
def test_exact_average_precision_is_never_outside_the_recorded_bound(
    cases: list[list[tuple[int, int, bool]]], tmp_path: Path
) -> None:
    assert outside(cases, tmp_path) == ""


@pytest.mark.parametrize(
    "rows",
    [
        # all positives of a bin tied above all its negatives, below a negative of a higher bin: the upper end
        [(4, 0, False), *[(2, 3, True)] * 9, *[(2, 0, False)] * 9],
        # all negatives of a bin above its positives: the lower end
        [*[(2, 3, False)] * 9, *[(2, 0, True)] * 9],
        [(0, 0, True)],
        [(4, 0, True), (0, 0, False)],
    ],
)
def test_the_worst_orders_inside_a_bin_are_within_the_bound(rows: list[tuple[int, int, bool]], tmp_path: Path) -> None:
    assert outside([rows], tmp_path) == ""


def test_the_bound_is_needed(tmp_path: Path) -> None:
    upper = [(4, 0, False), *[(2, 3, True)] * 9, *[(2, 0, False)] * 9]
    assert outside([upper], tmp_path, stretch=0.9) != ""
