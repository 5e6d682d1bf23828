"""Every panel gets an answer, from two exporters at once.

promtool evaluates each query over made-up series: all that the exporter exposes, twice, as from two
replicas, and all that the rules record. A join that matches no labels comes out empty and one that matches
too many is an error; parsing alone sees neither.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue, KpiObjective
from plumbline.generated import GeneratedFile
from plumbline_dashboards.generate import generate
from support.rulefiles import complaints, words

OBJECTIVES = (
    *names.QUALITY_METRICS,
    names.OBJECTIVE_LATENCY,
    names.OBJECTIVE_ERRORS,
    names.OBJECTIVE_TRAFFIC,
    names.OBJECTIVE_COVERAGE,
    names.OBJECTIVE_SAMPLES,
)
# Values of each label. Labels that say something of a model version have one value.
VALUES: dict[str, tuple[str, ...]] = {
    "model": ("m1", "m2"),
    "version": ("1", "2"),
    "feature": ("temp", *names.PSEUDO_FEATURES),
    "bin": ("00", "01"),
    "problem": names.PROBLEMS,
    "state": ("total", "available"),
    "part": names.FAIRNESS_PARTS,
    "arm": names.TRIAL_ARMS,
    "agreement": names.AGREEMENTS,
    "better": names.BETTER,
    "per": names.KPI_PER,
    "bound": names.KPI_BOUNDS,
    "slice": (names.ALL,),
    "value": (names.ALL,),
    "actual": ("0", "1"),
    "predicted": ("0", "1"),
    "sign": names.SIGNS,
    "metric": OBJECTIVES,
    "severity": ("critical", "warning"),
    "mode": ("user", "idle"),
    "outcome": names.ROW_OUTCOMES,
    "objective": names.PIPELINE_OBJECTIVES,
}
REPLICAS = ("one:9877", "two:9877")
FOREIGN = (
    'ALERTS{alertname="Test", alertstate="firing", severity="critical", model="m1", version="1"}',
    'up{job="plumbline", instance="one:9877"}',
    'scrape_duration_seconds{job="plumbline", instance="one:9877"}',
    'prometheus_rule_group_last_duration_seconds{rule_group="drift"}',
    'prometheus_rule_group_interval_seconds{rule_group="drift"}',
    'alertmanager_notifications_total{integration="webhook"}',
    'alertmanager_notifications_failed_total{integration="webhook"}',
)


def label_sets(labels: Iterable[str]) -> Iterator[str]:
    """Every combination of the labels' values, as the inside of a selector."""
    choices = [[f'{label}="{value}"' for value in VALUES.get(label, ("x",))] for label in labels]
    for combination in itertools.product(*choices):
        yield ", ".join(combination)


def exposed() -> Iterator[str]:
    """Everything two exporters expose."""
    for metric, instance in itertools.product(names.METRICS.values(), REPLICAS):
        parts = ("",) if metric.kind != "histogram" else ("_bucket", "_bucket", "_sum", "_count")
        for part, le in zip(parts, ("0.1", "+Inf", "", ""), strict=False):
            for labels in label_sets(metric.labels):
                inside = [labels, f'le="{le}"' if le else "", f'instance="{instance}"']
                yield f"{metric.name}{part}{{{', '.join(filter(None, inside))}}}"


def recorded(windows: Iterable[str]) -> Iterator[str]:
    """Everything the rules record."""
    for series, window in itertools.product(names.RECORDED, windows):
        for labels in label_sets(series.labels):
            yield f"{series.over(window)}{{{labels}}}"


@pytest.fixture(scope="module")
def listing(files: list[GeneratedFile]) -> list[dict[str, Any]]:
    [text] = [f.content for f in files if f.path.endswith("queries.json")]
    return list(json.loads(text))


def evaluate(queries: Iterable[str], windows: Iterable[str], folder: Path) -> str:
    """Let promtool evaluate each query and return its complaints: errors and empty answers."""
    queries = list(queries)
    read = words(" ".join(queries))  # promtool appends every series it is given, sample by sample
    series = [one for one in (*exposed(), *recorded(windows), *FOREIGN) if one.partition("{")[0] in read]
    test = {
        "interval": "15s",
        # Counters grow; gauges do too, which harms none. Little is taken back of what was counted.
        "input_series": [
            {"series": name, "values": "1+0.1x40" if "_retracted_total" in name else "1+1x40"} for name in series
        ],
        "promql_expr_test": [
            {"expr": f"count({query}) > bool 0", "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": 1}]}
            for query in queries
        ],
    }
    return complaints(folder, [], [test])


def test_every_query_returns_data_from_two_replicas(
    listing: list[dict[str, Any]], catalogue: Catalogue, tmp_path: Path
) -> None:
    evaluation = catalogue.evaluation
    windows = {evaluation.fast, evaluation.slow, evaluation.drift_alert, *evaluation.quality, "life"}
    assert evaluate([entry["expr"] for entry in listing], sorted(windows), tmp_path) == ""


def test_business_panels_answer_where_a_model_declares_kpis(catalogue: Catalogue, tmp_path: Path) -> None:
    model = catalogue.models["flight_late"].model_copy(
        update={"kpis": ("sales",), "kpi_objectives": {"sales": KpiObjective(floor=1.0)}}
    )
    declared = catalogue.model_copy(update={"models": {"flight_late": model}})
    [text] = [f.content for f in generate(declared) if f.path.endswith("queries.json")]
    queries = [q["expr"] for q in json.loads(text) if "ml_kpi" in q["expr"]]
    assert len(queries) >= 5
    assert evaluate(queries, sorted(declared.evaluation.quality), tmp_path) == ""


def test_the_page_of_a_multiclass_model_is_answered_too(catalogue: Catalogue, tmp_path: Path) -> None:
    many = {
        name: m.model_copy(update={"task": "multiclass", "positive_class": None, "objectives": ()})
        for name, m in catalogue.models.items()
        if m.task == "binary"
    }
    made = generate(catalogue.model_copy(update={"models": many}))
    [text] = [f.content for f in made if f.path.endswith("queries.json")]
    queries = [
        e["expr"] for e in json.loads(text) if e["panel"] in ("Classes", "Confusion of the classes listed first")
    ]
    assert len(queries) == 5
    assert evaluate(queries, [catalogue.evaluation.slow], tmp_path) == ""


def test_an_empty_answer_and_an_ambiguous_join_are_noticed(tmp_path: Path) -> None:
    empty = f'{names.MODEL_INFO.name}{{model="nobody"}}'
    ambiguous = f"{names.MODEL_INFO.name} * on (model) {names.MODEL_DEPLOYED.name}"
    assert evaluate([empty], ["1h"], tmp_path) != ""
    assert "many-to-many" in evaluate([ambiguous], ["1h"], tmp_path)
