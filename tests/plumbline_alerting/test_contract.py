"""Alert <-> runbook <-> rule test; queried is exposed or recorded; recorded is in the contract."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.generate import generate
from support.rulefiles import groups_of
from support.series import exposed, series_in

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "alerting" / "runbooks"
RULE_TESTS = ROOT / "alerting" / "tests"

FOREIGN = re.compile(r"^(up|ALERTS|prometheus_\w+|alertmanager_\w+)$")


def rules(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for group in groups_of(generate(catalogue)):
        yield from group["rules"]


def alerts(catalogue: Catalogue) -> list[dict[str, Any]]:
    return [r for r in rules(catalogue) if "alert" in r]


def test_series_in_reads_names_and_nothing_else() -> None:
    expr = 'sum by (a, b) (x:y:z_1h{c="d"}) / on (a) group_left () (up[5m] > 1e9 and rate(q_total[1m]))'
    assert series_in(expr) == {"x:y:z_1h", "up", "q_total"}


def test_alerts_are_those_of_the_contract_with_their_severity(root_catalogue: Catalogue) -> None:
    assert {a["alert"]: a["labels"]["severity"] for a in alerts(root_catalogue)} == names.ALERT_SEVERITY


def test_every_alert_has_a_rule_test_and_a_runbook_and_none_is_left_over(root_catalogue: Catalogue) -> None:
    wanted = {a["alert"] for a in alerts(root_catalogue)}
    assert {p.stem for p in RULE_TESTS.glob("*.yml")} == wanted
    assert {p.stem for p in RUNBOOKS.glob("*.md")} == wanted


def test_every_rule_test_sees_its_alert_both_fire_and_be_silent(root_catalogue: Catalogue) -> None:
    for path in RULE_TESTS.glob("*.yml"):
        cases = [c for t in yaml.safe_load(path.read_text())["tests"] for c in t["promql_expr_test"]]
        mine = [c for c in cases if f'"{path.stem}"' in c["expr"]]
        assert any(c["exp_samples"] for c in mine), path.name
        assert path.stem == "Watchdog" or any(not c["exp_samples"] for c in mine), path.name


@pytest.mark.parametrize("heading", ["Meaning", "Impact", "Diagnosis", "Mitigation", "False positives"])
def test_every_runbook_has_its_sections(heading: str) -> None:
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.stem}\n"), path.name
        assert f"\n## {heading}\n" in text, path.name


def test_series_named_in_runbooks_exist(root_catalogue: Catalogue) -> None:
    known = exposed() | {r["record"] for r in rules(root_catalogue) if "record" in r}
    for path in RUNBOOKS.glob("*.md"):
        for block in re.findall(r"```promql\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            for name in series_in(block):
                assert name in known or FOREIGN.match(name), f"{path.name}: {name}"


def test_every_query_of_a_runbook_is_promql_and_every_diagnosis_has_one(tmp_path: Path) -> None:
    """Who is woken copies them; promtool reads them as rules, because it parses no bare query."""
    rules = []
    for path in sorted(RUNBOOKS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        diagnosis = text.partition("\n## Diagnosis\n")[2].partition("\n## ")[0]
        assert "```promql\n" in diagnosis, path.name
        blocks = re.findall(r"```promql\n(.*?)```", text, re.DOTALL)
        rules += [{"record": f"runbook:{path.stem}:{n}", "expr": block} for n, block in enumerate(blocks)]
    file = tmp_path / "runbooks.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_every_query_reads_only_what_is_exposed_or_recorded(any_catalogue: Catalogue) -> None:
    every = list(rules(any_catalogue))
    known = exposed() | {r["record"] for r in every if "record" in r}
    for rule in every:
        for name in series_in(rule["expr"]):
            assert name in known or FOREIGN.match(name), f"{rule.get('alert', rule.get('record'))}: {name}"


def test_recorded_names_are_those_of_the_contract(any_catalogue: Catalogue) -> None:
    windows = {*any_catalogue.evaluation.drift, *any_catalogue.evaluation.quality, "life", "fast", "slow"}
    allowed = {recorded.over(w) for recorded in names.RECORDED for w in windows}
    made = {r["record"] for r in rules(any_catalogue) if "record" in r}
    assert made <= allowed
    tasks = {(model.task, bool(model.slices)) for model in any_catalogue.models.values()}
    absent = set() if tasks & {("multiclass", True), ("multiclass", False)} else {names.R_CLASS_QUALITY.stem}
    if ("regression", True) not in tasks:  # means of slices
        absent |= {names.R_FAIRNESS_SQUARES.stem, names.R_FAIRNESS_STDERR.stem}
    expected = {r.stem for r in names.RECORDED} - absent
    assert expected == {name.rsplit("_", 1)[0] for name in made}


def test_every_alert_carries_what_a_person_needs(any_catalogue: Catalogue) -> None:
    for alert in alerts(any_catalogue):
        notes = alert["annotations"]
        assert notes["summary"].endswith(".")
        assert "{{" not in notes["summary"]
        assert (
            any(c.isdigit() for c in notes["description"])
            or "$value" in notes["description"]
            or (alert["alert"] == "ModelInputBroken")
        )
        assert notes["runbook_url"].endswith(f"/{alert['alert']}.md")
        assert any(uid in notes["dashboard_url"] for uid in names.DASHBOARD_UIDS.values())
        assert "owner" in alert["labels"] or "owner" in alert["expr"]
        about_a_model = "var-version" in notes["dashboard_url"]
        assert ("verdict" in notes) == (alert["labels"]["severity"] == "critical" and about_a_model)
