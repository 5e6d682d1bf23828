"""What ECE is by chance: the recorded level is that of models that are calibrated, drawn here by the thousand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plumbline import names
from plumbline_alerting.model import Group
from plumbline_alerting.scores import calibration_error
from plumbline_alerting.windows import Window
from support.rulefiles import complaints

WINDOW = Window("1h", 3600.0, "1m")
BINS, ROWS, DRAWS = 20, 1000, 2000


def test_the_level_by_chance_is_the_mean_ece_of_perfectly_calibrated_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    score = np.sort(rng.beta(1.0, 2.0, ROWS))
    bin_ = np.arange(ROWS) * BINS // ROWS
    sums = np.bincount(bin_, weights=score)
    drawn = (rng.random((DRAWS, ROWS)) < score).astype(float)
    positives = np.add.reduceat(drawn, np.searchsorted(bin_, np.arange(BINS)), axis=1)
    eces = np.abs(positives - sums).sum(axis=1) / ROWS

    def series(metric: names.Metric, value: float, bin_name: int, **labels: str) -> dict[str, str]:
        pairs = {"model": "m", "version": "1", "bin": f"{bin_name:02d}", **labels}
        inside = ", ".join(f'{k}="{v}"' for k, v in pairs.items())
        return {"series": f"{names.R_INCREASES[metric.name].over('1h')}{{{inside}}}", "values": f"{float(value)!r}x9"}

    inputs = []
    for at in range(BINS):
        inputs.append(series(names.SCORE_BIN_SUM, sums[at], at))
        inputs.append(series(names.SCORE_BINS, positives[0, at], at, actual="1"))
        inputs.append(series(names.SCORE_BINS, ROWS / BINS - positives[0, at], at, actual="0"))
    rules = Group("ece", "1m", tuple(calibration_error(WINDOW)))
    ece, chance = names.R_ECE.over("1h"), names.R_ECE_CHANCE.over("1h")
    cases = [
        f"abs({ece} - {float(eces[0])!r}) < bool 1e-12",
        # The normal approximation and the mean score of a bin in place of its scores: a few percent.
        f"abs({chance} / {float(eces.mean())!r} - 1) < bool 0.05",
    ]
    test = {
        "interval": "1m",
        "input_series": inputs,
        "promql_expr_test": [
            {"expr": c, "eval_time": "5m", "exp_samples": [{"labels": '{model="m", version="1"}', "value": 1}]}
            for c in cases
        ],
    }
    assert complaints(tmp_path, [rules.as_dict()], [test]) == ""
