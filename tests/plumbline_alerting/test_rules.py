from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.catalogue.model import Catalogue, Evaluation
from plumbline.generated import stale_files
from plumbline.units import parse_duration
from plumbline_alerting.generate import generate
from plumbline_alerting.windows import drift_windows, quality_windows
from support.rulefiles import needed, words

ROOT = Path(__file__).parents[2]
RULE_TESTS = sorted((ROOT / "alerting" / "tests").glob("[A-Z]*.yml"))


def promtool(*args: str | Path) -> str:
    done = subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def rule_files(test_catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """The groups of each generated rule file, by its path in the repository."""
    made = (file for file in generate(test_catalogue) if "/rules/" in file.path)
    return {file.path: yaml.safe_load(file.content)["groups"] for file in made}


def write_rule_test(
    document: dict[str, Any], rule_files: dict[str, list[dict[str, Any]]], folder: Path, asked: set[str] | None
) -> Path:
    """Write a rule test beside its rules, all of them or only those that make what is asked for."""
    paths = [os.path.normpath(Path("alerting", "tests", given)) for given in document["rule_files"]]
    groups = [{**group, "name": f"{path}: {group['name']}"} for path in paths for group in rule_files[path]]
    if asked is not None:
        messages = any("alert_rule_test" in one for one in document["tests"])
        groups = needed(asked, groups, annotations=messages)
    # JSON is YAML too, and written in a hundredth of the time.
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    written = folder / "test.yml"
    written.write_text(json.dumps({**document, "rule_files": ["rules.yml"]}), encoding="utf-8")
    return written


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda p: p.stem)
def test_alert_fires_stays_silent_and_recovers_as_its_rule_test_says(
    path: Path, rule_files: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    cases = [case for one in document["tests"] for case in one["promql_expr_test"]]
    asked = {path.stem}.union(*(words(case["expr"]) for case in cases))
    promtool("test", "rules", write_rule_test(document, rule_files, tmp_path, asked))


def evaluate_all(path: Path, rule_files: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    """Let promtool evaluate every rule of a rule test's files over its series; nothing is expected of results.

    An ambiguous match lasts for minutes, so a look every three of them is enough.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for one in document["tests"]:
        one.pop("alert_rule_test", None)
        last = max(one["promql_expr_test"], key=lambda case: parse_duration(case["eval_time"]))["eval_time"]
        always = {"expr": "vector(1)", "eval_time": last, "exp_samples": [{"labels": "{}", "value": 1}]}
        one["promql_expr_test"] = [always]
    document["evaluation_interval"] = "3m"
    promtool("test", "rules", write_rule_test(document, rule_files, folder, None))


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda p: p.stem)
def test_no_rule_fails_on_what_a_rule_test_shows(
    path: Path, rule_files: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Nor do those that the alert does not read: they meet its series in production too."""
    evaluate_all(path, rule_files, tmp_path)


def test_a_rule_that_fails_beside_the_alert_is_noticed(
    rule_files: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    path = next(p for p in RULE_TESTS if p.stem == "ModelSilent")
    ambiguous = {"record": "a:b", "expr": "ml_model_info * on (owner) ml_model_info"}
    more = {name: [*groups, {"name": "more", "rules": [ambiguous]}] for name, groups in rule_files.items()}
    with pytest.raises(AssertionError, match="many-to-many"):
        evaluate_all(path, more, tmp_path)


def test_promtool_accepts_config_and_finds_no_fault_in_the_rules(generated: Path) -> None:
    said = promtool("check", "config", generated / "prometheus" / "prometheus.yml")
    assert "6 rule files found" in said
    assert "lint error" not in said
    for path in generated.rglob("rules/*.yml"):
        promtool("check", "rules", "--lint-fatal", path)


def test_committed_files_are_what_the_root_catalogue_generates(root_catalogue: Catalogue) -> None:
    assert stale_files(generate(root_catalogue), ROOT) == []


def test_generating_twice_gives_the_same_bytes(any_catalogue: Catalogue) -> None:
    assert list(generate(any_catalogue)) == list(generate(any_catalogue))


def test_each_file_says_that_it_is_generated(any_catalogue: Catalogue) -> None:
    for file in generate(any_catalogue):
        assert file.content.startswith("# generated by plumbline generate; do not edit")


def test_every_group_runs_within_the_look_back_and_its_tile(any_catalogue: Catalogue) -> None:
    shortest = min(parse_duration(w) for w in any_catalogue.evaluation.drift)
    for file in generate(any_catalogue):
        if file.path.startswith("prometheus/rules/"):
            for group in yaml.safe_load(file.content)["groups"]:
                assert 1 <= parse_duration(group["interval"]) <= min(240, shortest)


def test_default_windows_run_every_1_2_4_and_4_minutes() -> None:
    assert [w.interval for w in drift_windows(Evaluation())] == ["1m", "2m", "4m", "4m"]


def test_long_windows_are_sums_of_tiles_that_fill_them_exactly(any_catalogue: Catalogue) -> None:
    evaluation = any_catalogue.evaluation
    windows = (*drift_windows(evaluation), *quality_windows(evaluation))
    assert any(window.tile for window in windows)
    for window in windows:
        text = window.increase("c_total", "c:increase", ("model",))
        if not window.tile:
            assert text == f"sum by (model) (increase(c_total[{window.name}]))"
            continue
        found = re.fullmatch(r"sum_over_time\(c:increase_(\w+)\[(\d+)ms:\1\]\)", text)
        assert found is not None
        tile, width = parse_duration(found[1]), int(found[2])
        aligned = [k for k in range(1, 1000) if k * tile * 1000 <= width]
        assert len(aligned) + 1 == window.seconds / tile


def test_quality_windows_are_raw_up_to_six_hours_by_default() -> None:
    tiles = {w.name: w.tile for w in quality_windows(Evaluation())}
    assert tiles == {"5m": "", "1h": "", "6h": "", "1d": "1h", "7d": "6h"}


def test_a_long_window_over_tiny_ones_is_summed_from_the_longest_of_them() -> None:
    evaluation = Evaluation(scrape_interval="1s", quality=("15s", "2m", "1d", "7d"))
    assert [w.tile for w in quality_windows(evaluation)] == ["", "", "2m", "1d"]


def test_models_with_different_positive_classes_get_one_rule_without_duplicates(test_catalogue: Catalogue) -> None:
    (text,) = (f.content for f in generate(test_catalogue) if f.path == "prometheus/rules/quality.yml")
    rules = [r for g in yaml.safe_load(text)["groups"] for r in g["rules"]]
    (precision,) = (
        r for r in rules if r["record"] == "slice:ml_quality:value_2m" and r["labels"]["metric"] == "precision"
    )
    assert 'model=~"named", actual="yes", predicted="yes"' in precision["expr"]
    assert (
        'model=~"bad|broken|few|gap|reset|silent|small|uncovered|undeclared|unknown", actual="1"' in precision["expr"]
    )
