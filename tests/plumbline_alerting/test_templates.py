"""The texts that ask Prometheus for numbers, filled in by promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting import model_alerts
from plumbline_alerting.maker import Maker
from plumbline_alerting.templates import verdict
from support.rulefiles import complaints

LIFE = "slice:ml_quality:value_life"
THIS, OTHER = 'model="m", version="7"', 'model="m", version="6"'
# Version 6 went into production at 1m, version 7 at 10m; asked at 15m, when 7 is 5 minutes old. At that age, at 6m,
# version 6 had 24 samples of its rising accuracy behind it.
DEPLOYMENTS = {
    f'ml_model_rollback_info{{{THIS}, rollback_version="6"}}': "1x100",
    f"ml_model_deployed_timestamp_seconds{{{OTHER}}}": "60x39 600x60",
    f"ml_model_deployed_timestamp_seconds{{{THIS}}}": "_x40 600x59",
}
QUALITY = {
    f'ml_objective{{{THIS}, metric="accuracy", severity="critical"}}': "1x100",
    f'{LIFE}{{{OTHER}, slice="all", value="all", metric="accuracy"}}': "0+0.01x100",
    f'{LIFE}{{{OTHER}, slice="r", value="a", metric="accuracy"}}': "0+0.01x100",
    f'{LIFE}{{{OTHER}, slice="r", value="b", metric="accuracy"}}': "0.2x100",
    f'{LIFE}{{{OTHER}, slice="all", value="all", metric="f1"}}': "0.5x100",
    f'{LIFE}{{{THIS}, slice="all", value="all", metric="accuracy"}}': "0.1x100",
    f'{LIFE}{{{THIS}, slice="r", value="a", metric="accuracy"}}': "0.3x100",
    f'{LIFE}{{{THIS}, slice="r", value="b", metric="accuracy"}}': "0.1x100",
}
BROKEN = {
    'ml_pipeline_model_info{pipeline="feed", model="m"}': "1x100",
    'ALERTS{alertname="PipelineStale", alertstate="firing", pipeline="feed"}': "1x100",
}


@pytest.mark.parametrize(
    ("series", "metric", "said"),
    [
        (
            DEPLOYMENTS | QUALITY,
            "accuracy",
            "Roll back to version 6: at the same age its accuracy was 0.24, this version has 0.1; "
            "in 1 of 2 slices it was worse.",
        ),
        (
            DEPLOYMENTS | QUALITY,
            "",  # a page about the service: every metric that has an objective
            "Roll back to version 6: at the same age its accuracy was 0.24, this version has 0.1; "
            "in 1 of 2 slices it was worse.",
        ),
        (DEPLOYMENTS, "accuracy", "Roll back to version 6."),
        ({}, "accuracy", "No pipeline of this model is broken, and no earlier version is known to roll back to."),
        (
            DEPLOYMENTS | QUALITY | BROKEN,
            "accuracy",
            "Do not roll back: pipeline feed is broken, so every version sees the same bad data.",
        ),
    ],
    ids=["quality", "service", "unknown quality", "first version", "broken pipeline"],
)
def test_a_verdict_names_the_version_with_its_quality_at_the_same_age(
    tmp_path: Path, series: dict[str, str], metric: str, said: str
) -> None:
    labels = {"model": "m", "version": "7", **({"metric": metric} if metric else {})}
    source = "fault{" + ", ".join(f'{k}="{v}"' for k, v in labels.items()) + "}"
    rule = {"alert": "A", "expr": "fault > 0", "annotations": {"verdict": verdict()}}
    test = {
        "interval": "15s",
        "input_series": [{"series": n, "values": v} for n, v in {source: "1x100", **series}.items()],
        "alert_rule_test": [
            {
                "alertname": "A",
                "eval_time": "15m",
                "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"verdict": said}}],
            }
        ],
    }
    assert complaints(tmp_path, [{"name": "g", "rules": [rule]}], [test], "15s") == ""


def test_a_page_on_a_feature_that_only_the_longer_window_can_judge_tells_its_threshold(
    test_catalogue: Catalogue, tmp_path: Path
) -> None:
    (rule,) = (r for r in model_alerts.drift(Maker(test_catalogue)) if r.alert == "FeatureBroken")
    labels = {"model": "m", "version": "1", "feature": "x", "problem": "missing"}
    of = 'model="m", version="1", feature="x"'
    series = {
        f'fault{{{of}, problem="missing"}}': 0.75,
        f'{names.R_PROBLEMS_THRESHOLD.over("2m")}{{{of}, problem="missing"}}': 1,
        f'{names.R_PROBLEMS_THRESHOLD.over("4m")}{{{of}, problem="missing"}}': 0.625,
        f"{names.R_FEATURE_INCREASE.over('2m')}{{{of}}}": 40,
        f"{names.R_FEATURE_INCREASE.over('4m')}{{{of}}}": 80,
        f'{names.BASELINE_FEATURE_SHARE.name}{{{of}, bin="missing"}}': 0.5,
    }
    said = (
        "75% of the values of x for m 1 are missing (threshold over 2m 1, n = 40 values; where that is 1: "
        "threshold over 4m 0.625, n = 80 values; share missing in the baseline 0.5)."
    )
    shown = {"description": rule.annotations["description"]}
    fault = {"alert": "A", "expr": "fault > 0", "annotations": shown}
    firing = {"exp_labels": labels, "exp_annotations": {"description": said}}
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": f"{value}x9"} for name, value in series.items()],
        "alert_rule_test": [{"alertname": "A", "eval_time": "2m", "exp_alerts": [firing]}],
    }
    assert complaints(tmp_path, [{"name": "g", "rules": [fault]}], [test], "15s") == ""
