"""promtool on rules and series that a test made up, and on no more rules than the question reads.

promtool evaluates every rule it is given, at every step.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile
from plumbline_alerting.generate import generate

# Whatever may name a series or an alert, inside of strings too: a rule too many costs time, one too few a result.
_WORD = re.compile(r"[A-Za-z_][\w:]*")


def words(text: str) -> set[str]:
    """Everything in an expression or a template that may be the name of a series or an alert."""
    return set(_WORD.findall(text))


def needed(asked: Iterable[str], groups: list[dict[str, Any]], *, annotations: bool = False) -> list[dict[str, Any]]:
    """Keep only those rules that make what is asked for, directly or not.

    Args:
        asked: names of series or alerts; those that no rule makes are passed over.
        groups: the rule groups, as in a rule file's ``groups``; they stay as they are.
        annotations: whether the alerts' annotations count too, whose templates may query.

    Returns:
        The groups that have rules left, with these rules, in order.
    """
    made: dict[str, list[dict[str, Any]]] = {}
    for group in groups:
        for rule in group["rules"]:
            made.setdefault(_name(rule), []).append(rule)
    wanted: set[str] = set()
    waiting = list(asked)
    while waiting:
        name = waiting.pop()
        if name in made and name not in wanted:
            wanted.add(name)
            for rule in made[name]:
                templates = rule.get("annotations", {}).values() if annotations else ()
                waiting += words(" ".join([rule["expr"], *templates]))
    kept = [{**group, "rules": [rule for rule in group["rules"] if _name(rule) in wanted]} for group in groups]
    return [group for group in kept if group["rules"]]


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def groups_of(files: Iterable[GeneratedFile]) -> list[dict[str, Any]]:
    """The groups of all rule files among these."""
    contents = (file.content for file in files if "/rules/" in file.path)
    return [group for text in contents for group in yaml.load(text, yaml.CSafeLoader)["groups"]]


def complaints(
    folder: Path, groups: Sequence[dict[str, Any]], tests: Sequence[dict[str, Any]], interval: str = "1m"
) -> str:
    """Return what promtool finds wrong with the tests of these rules; empty if nothing."""
    # JSON is YAML too, and written in a hundredth of the time.
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    document = {"rule_files": ["rules.yml"], "evaluation_interval": interval, "tests": tests}
    (folder / "test.yml").write_text(json.dumps(document), encoding="utf-8")
    command = ["promtool", "test", "rules", folder / "test.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def compare(catalogue: Catalogue, folder: Path, series: dict[str, str], expected: dict[str, list[Any]]) -> None:
    """Evaluate the generated rules over series every 15 seconds and compare the results at 4 minutes."""
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"round({expr}, 0.001)",
                "eval_time": "4m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
            }
            for expr, samples in expected.items()
        ],
    }
    rules = needed(words(" ".join(expected)), groups_of(generate(catalogue)))
    assert complaints(folder, rules, [test], "15s") == ""
