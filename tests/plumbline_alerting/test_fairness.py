"""Slices of a multiclass model; the other tasks are compared with scipy in tests/e2e/test_comparisons.py."""

from __future__ import annotations

from pathlib import Path

from plumbline import names
from plumbline_alerting import fairness
from plumbline_alerting.model import Group
from plumbline_alerting.windows import life_window
from support.rulefiles import complaints
from support.samples import catalogue


def test_accuracy_of_a_multiclass_slice_stands_beside_that_of_the_rest(tmp_path: Path) -> None:
    features = {"x": {"type": "numeric"}}
    multi = {
        "task": "multiclass",
        "owner": "team",
        "features": features,
        "classes": ["cat", "dog", "owl"],
        "slices": {"size": ["small"]},
    }
    declared = catalogue(models={"multi": multi}, pipelines={})
    rules = tuple(fairness.rules(life_window(declared.evaluation), declared))
    recorded = names.R_INCREASES[names.CLASS_OUTCOMES.name].over("life")
    # all rows: 70 of 100 right; the small ones: 10 of 40, so of the rest 60 of 60
    cells = {
        ("all", "all"): {"cat": (40, 10, 20), "dog": (30, 20, 10)},
        ("size", "small"): {"cat": (6, 10, 20), "dog": (4, 20, 10)},
    }
    series = [
        {
            "series": f'{recorded}{{model="multi", version="1", slice="{s}", value="{v}", class="{c}", result="{r}"}}',
            "values": f"{count}x5",
        }
        for (s, v), classes in cells.items()
        for c, counts in classes.items()
        for r, count in zip(("hit", "false_positive", "false_negative"), counts, strict=True)
    ]
    of = 'model="multi", version="1", slice="size", value="small", metric="accuracy"'
    cases = [
        {
            "expr": f'{recorded_.over("life")}{{part="{part}"}}',
            "eval_time": "3m",
            "exp_samples": [{"labels": f'{recorded_.over("life")}{{{of}, part="{part}"}}', "value": value}],
        }
        for recorded_, part, value in (
            (names.R_FAIRNESS, "own", 0.25),
            (names.R_FAIRNESS, "rest", 1),
            (names.R_FAIRNESS_COUNT, "own", 40),
            (names.R_FAIRNESS_COUNT, "rest", 60),
        )
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": cases}
    assert complaints(tmp_path, [Group("slices", "1m", rules).as_dict()], [test]) == ""
