"""The recorded share of skew: mismatches over rows compared, silent where nothing was."""

from __future__ import annotations

from pathlib import Path

from plumbline.catalogue.model import Catalogue
from plumbline_alerting.generate import generate
from support.rulefiles import complaints, groups_of, needed


def test_the_share_is_mismatches_over_rows_and_absent_without_rows(root_catalogue: Catalogue, tmp_path: Path) -> None:
    window = root_catalogue.evaluation.drift[0]
    assert window == "1h"

    def series(feature: str, instance: str, rows: str, mismatches: str) -> list[dict[str, str]]:
        labels = f'model="m", version="1", feature="{feature}", instance="{instance}"'
        return [
            {"series": f"ml_feature_skew_rows_total{{{labels}}}", "values": rows},
            {"series": f"ml_feature_skew_mismatches_total{{{labels}}}", "values": mismatches},
        ]

    # x on two exporters, one of which restarts: 8 and 4 a minute compared, 2 and 1 differ. y: never compared.
    inputs = [*series("x", "a", "0+8x90", "0+2x90"), *series("x", "b", "0+4x40 0+4x49", "0+1x40 0+1x49")]
    inputs += series("y", "a", "0+0x90", "0+0x90")
    recorded = f"feature:ml_feature_skew:ratio_{window}"
    case = {
        "expr": f"round({recorded}, 0.001)",
        "eval_time": "85m",
        "exp_samples": [{"labels": '{model="m", version="1", feature="x"}', "value": 0.25}],
    }
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": [case]}
    assert complaints(tmp_path, needed([recorded], groups_of(generate(root_catalogue))), [test]) == ""
