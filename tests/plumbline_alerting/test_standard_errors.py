"""Standard errors of a model without fault: 0, not the root of what rounding left below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting import quality
from plumbline_alerting.model import Group
from plumbline_alerting.windows import Window
from support.rulefiles import compare, complaints
from support.samples import catalogue

WINDOW = Window("1h", 3600.0, "1m")
ABOVE_1 = 1.0000000000000002  # the float after 1: increase() multiplies, so that sums of parts differ in the last bit
METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")


def series(recorded: names.Recorded, number: float, **labels: str) -> dict[str, str]:
    pairs = ", ".join(f'{k}="{v}"' for k, v in {"model": "bad", "version": "1", **labels}.items())
    return {"series": f"{recorded.over('1h')}{{{pairs}}}", "values": f"{number!r}x9"}


@pytest.mark.parametrize("metric", METRICS)
def test_a_share_that_rounding_left_above_one_has_the_standard_error_zero(
    metric: str, test_catalogue: Catalogue, tmp_path: Path
) -> None:
    whole = {"slice": names.ALL, "value": names.ALL}
    confusion, bins = names.R_INCREASES[names.CONFUSION.name], names.R_INCREASES[names.SCORE_BINS.name]
    inputs = [
        series(names.R_QUALITY, ABOVE_1, metric=metric, **whole),
        series(names.R_QUALITY_SAMPLES, 100.0, **whole),
        series(confusion, 30.0, actual="1", predicted="1", **whole),
        series(confusion, 0.0, actual="1", predicted="0", **whole),
        series(confusion, 0.0, actual="0", predicted="1", **whole),
        series(confusion, 70.0, actual="0", predicted="0", **whole),
        series(bins, 30.0, bin="01", actual="1"),
        series(bins, 70.0, bin="00", actual="0"),
    ]
    stderr = names.R_QUALITY_STDERR.over("1h")
    rules = tuple(r for r in quality.rules(WINDOW, test_catalogue) if r.record == stderr)
    # NaN is below nothing.
    case = {
        "expr": f'count({stderr}{{metric="{metric}"}} < 1e-6)',
        "eval_time": "5m",
        "exp_samples": [{"labels": "{}", "value": 1}],
    }
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": [case]}
    assert complaints(tmp_path, [Group("errors", "1m", rules).as_dict()], [test]) == ""


def test_brier_of_several_classes_strays_as_numbers_up_to_2_do(tmp_path: Path) -> None:
    """Their Brier goes from 0 to 2: b (1 - b) would say that 1 strays by nothing."""
    models = catalogue().model_dump(mode="json")["models"]
    models["many"] = models["clf"] | {
        "task": "multiclass",
        "classes": ["a", "b", "c"],
        "positive_class": None,
        "objectives": [],
        "kpis": [],
    }
    whole = f'version="1", slice="{names.ALL}", value="{names.ALL}"'
    counters = {names.SCORED: 1.0, names.SQUARED_SCORE_ERROR: {"clf": 0.2, "many": 1.0}}
    series = {
        f'{metric.name}{{model="{model}", {whole}}}': f"0+{each if isinstance(each, float) else each[model]}x40"
        for metric, each in counters.items()
        for model in ("clf", "many")
    }
    stderr = names.R_QUALITY_STDERR.over("5m")
    n = names.R_INCREASES[names.SCORED.name].over("5m")
    compare(
        catalogue(models=models),
        tmp_path,
        series,
        {
            f'sum by (model) ({stderr}{{metric="brier"}} ^ 2 * on (model, version, slice, value) {n})': [
                ('{model="clf"}', 0.16),
                ('{model="many"}', 1.0),
            ]
        },
    )
