"""``plumbline check`` and ``plumbline generate``."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from plumbline.backfill.rules import read_recording
from plumbline.baseline.artefact import Baseline, FeatureBins, Lineage, Quality, save_baseline
from plumbline.cli.main import run
from plumbline.evaluate.alerts import choose, read_alerts
from plumbline.evaluate.required import digests

RULES = "groups:\n- name: g\n  rules:\n  - record: a:b:sum\n    expr: sum(up)\n"
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def artefact(**changes) -> Baseline:
    numeric = FeatureBins(
        kind="numeric",
        labels=["00 < 1", "01 = 1", "02 > 1", "missing"],
        counts=[0, 5, 0, 0],
        noise=0.0,
        chi2=1.0,
        uppers=[0.9, 1.0],
    )
    categorical = FeatureBins(
        kind="categorical", labels=["00", "other", "missing"], counts=[5, 0, 0], noise=0.0, chi2=1.0, categories=["a"]
    )
    fields = {
        "model": "churn",
        "version": "1",
        "task": "binary",
        "classes": ["0", "1"],
        "features": {"x": numeric, "c": categorical},
        "lineage": Lineage(training_data="sha256:0", source="t.csv", rows=5, quality_rows=5),
    }
    return Baseline(**{**fields, **changes})


def test_generate_writes_what_differs_and_check_then_agrees(catalogue, generators, capsys):
    generators(a__txt="one\n", b__txt="two\n")
    assert run(["generate", str(catalogue), "--check"]) == 1
    assert "a.txt: not up to date" in capsys.readouterr().out
    assert not (catalogue.parent / "a.txt").exists()
    assert run(["generate", str(catalogue)]) == 0
    assert capsys.readouterr().out == "a.txt: written\nb.txt: written\n"
    (catalogue.parent / "b.txt").write_text("edited\n")
    assert run(["check", str(catalogue)]) == 1
    assert "b.txt: not up to date: run 'plumbline generate'" in capsys.readouterr().out
    assert run(["generate", str(catalogue), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": ["a.txt", "b.txt"], "changed": ["b.txt"]}
    assert run(["check", str(catalogue)]) == 0


def test_generate_can_write_elsewhere(catalogue, generators, tmp_path):
    generators(a__txt="one\n")
    assert run(["generate", str(catalogue), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "a.txt").read_text() == "one\n"
    assert run(["check", str(catalogue), "--generated", str(tmp_path / "out")]) == 0


def test_check_shows_the_series_budget(catalogue, generators, capsys):
    generators()
    assert run(["check", str(catalogue)]) == 0
    out = capsys.readouterr().out
    assert "no problem found" in out
    assert "one version" in out
    assert run(["check", str(catalogue), "--json"]) == 0
    series = json.loads(capsys.readouterr().out)["series"]["churn"]
    assert series["per_version"] * series["versions"] + series["unknown_versions"] == series["total"]
    assert series["total"] <= series["limit"]
    assert sum(series["parts"].values()) == series["per_version"]


def test_check_prints_every_problem_and_exits_1(catalogue, capsys):
    catalogue.write_text(catalogue.read_text().replace("owner: team\n", "owner: tem\n"))
    assert run(["check", str(catalogue)]) == 1
    err = capsys.readouterr().err.replace(str(catalogue), "plumbline.yaml")
    advice = "unknown owner 'tem' (did you mean 'team'?): declare it under owners, or correct the name"
    assert err.splitlines() == [
        f"plumbline.yaml:4: {advice} (catalogue/unknown-owner)",
        f"plumbline.yaml:8: {advice} (catalogue/unknown-owner)",
        "2 problems; further checks run once the catalogue is mended",
    ]
    assert run(["check", str(catalogue), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert {problem["rule"] for problem in report["problems"]} == {"catalogue/unknown-owner"}


@promtool
@pytest.mark.parametrize(
    ("rules", "code", "word"), [(RULES, 0, "ok"), (RULES.replace("sum(up)", "sum(up"), 1, "failed")]
)
def test_check_asks_promtool_about_generated_rules(catalogue, generators, capsys, rules, code, word):
    generators(rules__yml=rules)
    (catalogue.parent / "rules.yml").write_text(rules)
    assert run(["check", str(catalogue)]) == code
    assert f"promtool check rules: {word}" in capsys.readouterr().out


def test_check_says_when_a_tool_is_absent(catalogue, generators, capsys, monkeypatch):
    generators(rules__yml=RULES)
    (catalogue.parent / "rules.yml").write_text(RULES)
    monkeypatch.setattr("plumbline.cli.tools.shutil.which", lambda name: None)
    assert run(["check", str(catalogue)]) == 0
    assert "promtool check rules: not run, promtool is not installed" in capsys.readouterr().out


def test_check_accepts_baselines_that_fit(catalogue, generators, tmp_path):
    generators()
    save_baseline(artefact(), tmp_path / "baselines")
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "baselines")]) == 0


@pytest.mark.parametrize(
    ("objective", "accuracy", "message"),
    [
        (
            "{metric: accuracy, max_drop: 0.2, severity: warning}",
            0.65,
            "accuracy 0.45 (the baseline's 0.65 less 0.2) is what a coin reaches",
        ),
        (
            "{metric: accuracy, floor: 0.7, severity: critical}",
            0.65,
            "has accuracy 0.65, already past its critical bound",
        ),
        (
            "{metric: accuracy, floor: 0.6, severity: critical}",
            None,
            "has no accuracy: its critical objective can never fire",
        ),
    ],
)
def test_check_names_objectives_that_a_baseline_makes_pointless(
    catalogue, generators, tmp_path, capsys, objective, accuracy, message
):
    document = yaml.safe_load(catalogue.read_text())
    document["models"]["churn"]["objectives"] = [yaml.safe_load(objective)]
    catalogue.write_text(yaml.safe_dump(document))
    generators()
    quality = {} if accuracy is None else {"accuracy": Quality(value=accuracy, stddev=0.01, rows=5)}
    save_baseline(artefact(quality=quality), tmp_path / "baselines")
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "baselines")]) == 1
    assert message in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "other"}, "model 'other' is not in the catalogue"),
        ({"task": "regression"}, "is of a regression model, the catalogue says binary"),
        ({"classes": ["a", "b"]}, "has the classes ['a', 'b'], the catalogue ['0', '1']"),
        ({"features": {}}, "has no feature 'x', which the catalogue declares"),
        (
            {"features": {**artefact().features, "z": artefact().features["x"]}},
            "has the feature 'z', which the catalogue does not declare",
        ),
        (
            {"features": {"x": artefact().features["c"], "c": artefact().features["c"]}},
            "has a categorical feature 'x', the catalogue numeric",
        ),
    ],
)
def test_check_names_what_does_not_fit_in_a_baseline(catalogue, generators, tmp_path, capsys, changes, message):
    generators()
    save_baseline(artefact(**changes), tmp_path / "baselines")
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "baselines")]) == 1
    assert message in capsys.readouterr().out.replace("\n", "")


def test_check_finds_a_damaged_baseline_and_an_absent_folder(catalogue, generators, tmp_path, capsys):
    generators()
    path = save_baseline(artefact(), tmp_path / "baselines")
    path.write_bytes(path.read_bytes()[:-5])
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "baselines")]) == 1
    assert "the file was changed or cut off" in capsys.readouterr().out
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().out


def test_a_generated_file_that_became_something_else_is_out_of_date(catalogue, generators):
    generators(a__txt="one\n")
    (catalogue.parent / "a.txt").write_bytes(b"\xff\x00")
    assert run(["check", str(catalogue)]) == 1
    assert run(["generate", str(catalogue)]) == 0
    assert (catalogue.parent / "a.txt").read_bytes() == b"one\n"


def test_generate_says_when_it_cannot_write(catalogue, generators, capsys):
    generators(a__txt="one\n")
    assert run(["generate", str(catalogue), "--output", str(catalogue)]) == 1
    assert "cannot be written" in capsys.readouterr().err


def judged(folder, generated, **changes):
    """Write the JSON that an evaluation of the generated rules would have."""
    alerts, _ = choose(read_alerts([generated / "alerting/rules/models.yml"]), ())
    recording = read_recording(sorted((generated / "prometheus/rules").glob("*.yml")))
    said = {
        "alerts": [{"alert": alert.name} for alert in alerts],
        "not_judged": {},
        "model_months": 6.0,
        "spent": {"pages-per-quarter": 0.4, "tickets-per-month": 0.9},
        "rules": digests(alerts, recording),
        **changes,
    }
    (folder / "evaluation.json").write_text(json.dumps(said))


def test_check_demands_the_evaluation_that_the_catalogue_names(catalogue, capsys):
    """Missing, in budget, over budget, and older than the rules after a window has changed."""
    catalogue.write_text(
        catalogue.read_text() + "alert_budget: {evaluation: evaluation.json, tickets_per_month: 0.95}\n"
    )
    assert run(["generate", str(catalogue)]) == 0
    assert run(["check", str(catalogue)]) == 1
    assert "evaluation.json: no such evaluation" in capsys.readouterr().out
    judged(catalogue.parent, catalogue.parent)
    assert run(["check", str(catalogue)]) == 0
    assert run(["check", str(catalogue), "--budget", "pages-per-quarter=0.2", "--json"]) == 1
    said = capsys.readouterr().out
    (problem,) = json.loads(said[said.index("{\n") :])["alert_budget_problems"]
    assert problem.endswith("false pages-per-quarter are 0.40, the budget is 0.2")
    catalogue.write_text(catalogue.read_text() + "evaluation: {slow: 7d}\n")
    assert run(["generate", str(catalogue)]) == 0
    assert run(["check", str(catalogue)]) == 1
    assert "is older than the rules" in capsys.readouterr().out


def test_a_budget_without_an_evaluation_is_wrong_use(catalogue, generators, capsys):
    generators()
    assert run(["check", str(catalogue), "--budget", "pages-per-quarter=1"]) == 2
    assert "--budget needs --evaluation" in capsys.readouterr().err


def test_check_remarks_on_a_baseline_without_its_worst_windows(catalogue, generators, tmp_path, capsys):
    generators()
    save_baseline(artefact(), tmp_path / "old")
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "old")]) == 0
    assert "was built before the worst windows of missing values were measured" in capsys.readouterr().out


@pytest.mark.parametrize(("spread", "said"), [(0.05, "a ticket comes at a loss of 0.165, not of 0.1"), (0.01, "")])
def test_check_remarks_on_an_objective_within_what_the_baseline_strays(
    catalogue, generators, tmp_path, capsys, spread, said
):
    """The alert waits for more than was declared; whoever declared it should know."""
    generators()
    document = yaml.safe_load(catalogue.read_text())
    document["models"]["churn"]["objectives"] = [{"metric": "accuracy", "max_drop": 0.1, "severity": "warning"}]
    catalogue.write_text(yaml.safe_dump(document))
    quality = {"accuracy": Quality(value=0.9, stddev=0.02, rows=500, spreads={"1d": spread})}
    save_baseline(artefact(quality=quality), tmp_path / "baselines")
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "baselines")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert ("of the baseline itself stray" in out) is bool(said)
    assert said in out


def test_check_remarks_on_a_baseline_without_the_spread_by_window(catalogue, generators, tmp_path, capsys):
    generators()
    quality = {"accuracy": Quality(value=0.9, stddev=0.02, rows=500)}
    lineage = Lineage(training_data="sha256:0", source="t.csv", rows=5, quality_rows=5, start="2024-01-01T00:00:00Z")
    save_baseline(artefact(quality=quality, lineage=lineage), tmp_path / "old")
    assert run(["check", str(catalogue), "--baselines", str(tmp_path / "old")]) == 0
    assert "before the spread of the quality was measured" in " ".join(capsys.readouterr().out.split())
