"""Alerts ship when an evaluation of these very rules shows them in budget; each lack is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plumbline.backfill.rules import RecordingRule
from plumbline.evaluate.alerts import AlertRule
from plumbline.evaluate.required import digests, shortcomings

ALERTS = [AlertRule("Page", "bad_1d > 1", labels=(("severity", "critical"),)), AlertRule("Ticket", "worse")]
RECORDING = [RecordingRule("bad_1d", "a", (("metric", "mae"),)), RecordingRule("bad_1d", "b")]
BOUNDS = {"pages-per-quarter": 1.0, "tickets-per-month": 1.0}


def report(path: Path, **changes: Any) -> Path:
    said = {
        "alerts": [{"alert": "Page", "precision": 1.0}, {"alert": "Ticket"}],
        "not_judged": {},
        "model_months": 12.0,
        "spent": {"pages-per-quarter": 0.5, "tickets-per-month": 1.0},
        "rules": digests(ALERTS, RECORDING),
        **changes,
    }
    path.write_text(json.dumps(said))
    return path


def test_an_evaluation_of_these_rules_in_budget_lacks_nothing(tmp_path: Path):
    assert shortcomings(report(tmp_path / "r.json"), ALERTS, RECORDING, BOUNDS) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"spent": {"pages-per-quarter": 1.25, "tickets-per-month": 0}},
            "false pages-per-quarter are 1.25, the budget is 1",
        ),
        ({"spent": {"pages-per-quarter": 0}}, "false tickets-per-month are not stated, the budget is 1"),
        ({"model_months": 1.5}, "covers 1.5 model-months; at least 3 are needed to show a budget per quarter"),
        ({"alerts": [{"alert": "Page"}]}, "does not judge Ticket"),
        (
            {"rules": {}},
            "is older than the rules: alert Page, alert Ticket, recording rule bad_1d read otherwise today",
        ),
        ({"alerts": "none"}, "not the JSON of an evaluation"),
    ],
)
def test_each_lack_is_one_sentence(tmp_path: Path, changes: dict[str, Any], said: str):
    (found,) = shortcomings(report(tmp_path / "r.json", **changes), ALERTS, RECORDING, BOUNDS)
    assert said in found


def test_a_missing_evaluation_says_how_to_make_one(tmp_path: Path):
    (found,) = shortcomings(tmp_path / "none.json", ALERTS, RECORDING, BOUNDS)
    assert "no such evaluation" in found
    assert "run plumbline evaluate again, with --json" in found


@pytest.mark.parametrize(
    "changed",
    [
        ([AlertRule("Page", "bad_1d > 2", labels=(("severity", "critical"),)), ALERTS[1]], RECORDING),
        ([AlertRule("Page", "bad_1d > 1", 300.0, labels=(("severity", "critical"),)), ALERTS[1]], RECORDING),
        (ALERTS, [RECORDING[0], RecordingRule("bad_1d", "c")]),
    ],
)
def test_a_rule_that_reads_otherwise_was_not_judged(tmp_path: Path, changed: Any):
    (found,) = shortcomings(report(tmp_path / "r.json"), *changed, BOUNDS)
    assert "is older than the rules" in found
