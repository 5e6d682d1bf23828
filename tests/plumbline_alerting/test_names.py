"""Names as data have them, in rules, templates and configuration: what Prometheus and Alertmanager read is the name."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.generated import run_generators, write_files
from plumbline_alerting.promql import matching, one_of, quoted
from support.samples import OWNER

HOSTILE = (
    "sepal length (cm)",
    "{{ .Labels }}",
    "a{{",
    "}}b",
    '"quoted" \\ back`tick',
    "%s %q %",
    "^$.*+?()[]|{1}",
    "../../etc/passwd",
    "=1+1",
    "Gr\u00f6\u00dfe \U0001d54f \u202e\xa0",
    "x" * 128,
)


def hostile(name: str) -> Catalogue:
    """Every task, under one hostile name for everything that may have it."""
    shared = {
        "owner": "team",
        "features": {name: {"type": "numeric", "importance": 1}, "c": {"type": "categorical", "categories": [name]}},
        "slices": {"c": [name], f"{name[:100]} 2": [name, "b"]},
        "intersections": [["c", f"{name[:100]} 2"]],
        "kpis": [name],
        "kpi_objectives": {name: {"floor": 1}},
        "outcome": {"maturity": "1h"},
        "runbook_url": "https://example.org/runbooks",
    }
    classes = {"classes": ["no", name], "positive_class": name}
    models = {
        name: {**shared, **classes, "task": "binary"},
        f"m{name[:100]}": {**shared, "task": "multiclass", "classes": ["a", "b", name]},
        f"r{name[:100]}": {**shared, "task": "regression"},
    }
    pipeline = {"owner": "team", "stages": [name], "cadence": "1d", "freshness": "2d", "models": list(models)}
    pipeline |= {"rows": {"min": 1, "max": 9}, "checks": [name]}
    return Catalogue.model_validate(
        {
            "version": 1,
            "owners": {"team": OWNER},
            "platform_owner": "team",
            "models": models,
            "pipelines": {name: pipeline},
        }
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_prometheus_and_alertmanager_take_what_is_made_of_any_name(name: str, tmp_path: Path) -> None:
    written = write_files(run_generators(hostile(name)), tmp_path)
    assert all((tmp_path / path).resolve().is_relative_to(tmp_path.resolve()) for path in written)
    rules = sorted(tmp_path.rglob("rules/*.yml"))
    for command in (
        ["promtool", "check", "rules", *rules],
        ["promtool", "check", "config", tmp_path / "prometheus" / "prometheus.yml"],
        ["amtool", "check-config", tmp_path / "alerting" / "alertmanager.yml"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    for path in (tmp_path / "dashboards").rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


def test_a_positive_class_of_any_name_is_found_and_no_other(tmp_path: Path) -> None:
    name = 'a{{ "b" \\d.%s'
    files = {file.path: file.content for file in run_generators(hostile(name))}
    rules = yaml.safe_load(files["prometheus/rules/quality.yml"])["groups"][0]
    record = names.R_QUALITY.over("5m")
    [recall] = (r for r in rules["rules"] if r.get("labels") == {"metric": "recall"} and r["record"] == record)
    labels = f"model={quoted(name)}, version='1', slice='all', value='all'"
    increase = names.R_INCREASES[names.CONFUSION.name].over("5m")
    series = [
        {"series": f"{increase}{{{labels}, actual={quoted(name)}, predicted={quoted(predicted)}}}", "values": count}
        for predicted, count in ((name, "3"), ("no", "1"))
    ]
    expected = [{"labels": f"{record}{{{labels}, metric='recall'}}", "value": 0.75}]
    group = {"name": "g", "interval": "1m", "rules": [recall]}
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [group]}), encoding="utf-8")
    test = {"expr": record, "eval_time": "0m", "exp_samples": expected}
    document = {"rule_files": ["rules.yml"], "tests": [{"input_series": series, "promql_expr_test": [test]}]}
    (tmp_path / "test.yml").write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), min_size=1), st.text())
def test_a_matcher_matches_its_values_and_nothing_else(values: list[str], other: str) -> None:
    assert matching("model", values) == f"model=~{quoted(one_of(values))}"
    found = re.compile(json.loads(quoted(one_of(values)), strict=False))
    assert all(found.fullmatch(value) for value in values)
    assert bool(found.fullmatch(other)) == (other in values)
