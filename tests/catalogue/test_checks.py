"""Each check finds what it is for, at the right line, and nothing in a good catalogue."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from plumbline.catalogue import checks
from plumbline.catalogue.checks import CHECKS, capacity, hooks, models, objectives, people, pipelines, reach, timing
from plumbline.catalogue.checks.base import Check
from plumbline.catalogue.load import load_catalogue
from plumbline.errors import CatalogueError

GOOD = """\
version: 1
owners:
  a:
    team: A
    page: [{webhook: "http://localhost:9/"}]
    ticket: [{webhook: "http://localhost:9/"}]
    ticket_hours: office
platform_owner: a
time_intervals:
  office: [{weekdays: ["monday:friday"], times: [{start_time: "08:00", end_time: "18:00"}], location: UTC}]
retention:
  standard: {minimum: 1d, maximum: 2d}
models:
  m:
    task: binary
    owner: a
    retention: standard
    classes: ["0", "1"]
    positive_class: "1"
    features: {x: {type: numeric}, c: {type: categorical, categories: [u, v]}, b: {type: boolean}}
    slices: {c: [u], region: [north, south]}
    kpis: [sales]
    objectives:
      - {metric: accuracy, floor: 0.8, severity: warning}
      - {metric: accuracy, floor: 0.7, severity: critical}
      - {metric: brier, ceiling: 0.2, severity: warning}
    serving: {latency_p99: 250ms}
  r:
    task: regression
    owner: a
    features: {x: {type: numeric}}
pipelines:
  p: {owner: a, stages: [load, join], cadence: 1d, freshness: 2d, rows: {min: 1, max: 9}, models: [m, r]}
evaluation:
  scrape_interval: 15s
  drift: [1h, 6h, 1d]
  quality: [5m, 1h, 1d]
  fast: 1h
  slow: 1d
"""

# (what stands there, what we write instead, rule, part of the message)
CASES = [
    (
        "    kpis: [sales]",
        "    kpis: [sales]\n    kpi_objectives: {sale: {floor: 1}}",
        "kpi-objectives",
        "'sale' is no KPI of the model (did you mean 'sales'?)",
    ),
    (
        "    kpis: [sales]",
        "    kpis: [sales]\n    kpi_objectives: {sales: {per: prediction}}",
        "kpi-objectives",
        "has no bound",
    ),
    (
        "    kpis: [sales]",
        "    kpis: [sales]\n    intersections: [[c, regin]]",
        "intersections",
        "'regin' is no slice of the model (did you mean 'region'?)",
    ),
    (
        "    kpis: [sales]",
        "    kpis: [sales]\n    intersections: [[c, c]]",
        "intersections",
        "needs two or more different slices",
    ),
    (
        "    kpis: [sales]",
        "    kpis: [sales]\n    intersections: [[c, region], [region, c]]",
        "intersections",
        "intersected twice",
    ),
    (
        "region: [north, south]",
        f"region: [n{', n'.join(map(str, range(51)))}]}}\n    intersections: [[c, region]]\n    hooks: {{dry_run: true",
        "intersections",
        "51 combinations are too many",
    ),
    (
        "    kpis: [sales]",
        "    kpis: [sales]\n    disparities: {mae: 1.0}",
        "disparities",
        "'mae' is not compared for a binary model",
    ),
    ("    kpis: [sales]", "    kpis: [sales]\n    disparities: {tpr: 1.0}", "disparities", "can never fire"),
    (
        "    owner: a\n    features: {x: {type: numeric}}\npipelines",
        "    owner: a\n    features: {x: {type: numeric}}\n    disparities: {mae: 1.0}\npipelines",
        "disparities",
        "has no slices to compare",
    ),
    ("platform_owner: a", "platform_owner: b", "unknown-owner", "unknown owner 'b'"),
    ("    task: binary\n    owner: a", "    task: binary\n    owner: ab", "unknown-owner", "'ab' (did you mean 'a'?)"),
    ("p: {owner: a", "p: {owner: zz", "unknown-owner", "unknown owner 'zz': declare it under owners"),
    ("ticket_hours: office", "ticket_hours: ofice", "unknown-time-interval", "did you mean 'office'?"),
    ('page: [{webhook: "http://localhost:9/"}]', "page: [{}]", "receiver-kind", "the receiver says nobody"),
    (
        'page: [{webhook: "http://localhost:9/"}]',
        'page: [{webhook: "http://h/", pagerduty_routing_key_file: k}]',
        "receiver-kind",
        "several kinds (webhook, pagerduty_routing_key_file)",
    ),
    (
        'page: [{webhook: "http://localhost:9/"}]',
        'page: [{slack_channel: "#x"}]',
        "receiver-kind",
        "needs both slack_channel and slack_api_url_file",
    ),
    ('page: [{webhook: "http://localhost:9/"}]', "page: [{email: a@b.c}]", "email", "needs the top-level section smtp"),
    (
        'page: [{webhook: "http://localhost:9/"}]',
        "page: [{email: nobody}]",
        "email",
        "'nobody' is not an e-mail address",
    ),
    (
        'page: [{webhook: "http://localhost:9/"}]',
        'page: [{webhook: "https://hooks.slack.com/services/T/B/x"}]',
        "inline-secret",
        "give the URL of a relay",
    ),
    (
        'page: [{webhook: "http://localhost:9/"}]',
        'page: [{webhook: "https://u:p@host/"}]',
        "inline-secret",
        "give the URL of a relay",
    ),
    (
        'page: [{webhook: "http://localhost:9/"}]',
        'page: [{webhook: "https://host/x?api_key=1"}]',
        "inline-secret",
        "give the URL of a relay",
    ),
    ('page: [{webhook: "http://localhost:9/"}]', "page: [{webhook: localhost}]", "bad-url", "'localhost' is not a URL"),
    ('page: [{webhook: "http://localhost:9/"}]', 'page: [{webhook: "http://h:port/"}]', "bad-url", "is not a URL"),
    ("    kpis: [sales]", "    kpis: [sales]\n    runbook_url: wiki/page", "bad-url", "'wiki/page' is not a URL"),
    ("evaluation:", 'targets: {exporters: ["http://host:1"]}\nevaluation:', "bad-target", "write host:port"),
    ("evaluation:", 'targets: {exporters: ["host:99999"]}\nevaluation:', "bad-target", "write host:port"),
    ("location: UTC", "zone: UTC", "time-interval", "unknown key 'zone'"),
    ("location: UTC", "location: Europe/Zuerich", "time-interval", "did you mean 'Europe/Zurich'?"),
    ('"monday:friday"', "mon", "time-interval", "'mon' is no weekday"),
    ('"monday:friday"', '"saturday:sunday"', "time-interval", "runs backwards"),
    ('end_time: "18:00"', "end_time: 18:00", "time-interval", "write HH:MM in quotes"),
    ('end_time: "18:00"', 'end_time: "06:00"', "time-interval", "not after its start"),
    ("retention: standard", "retention: standart", "unknown-retention", "did you mean 'standard'?"),
    ("minimum: 1d", "minimum: 3d", "retention-order", "minimum 3d is longer than maximum 2d"),
    ('    classes: ["0", "1"]\n', "", "classes", "a binary model needs classes"),
    ('classes: ["0", "1"]', 'classes: ["0", "1", "2"]', "classes", "exactly 2 classes, not 3"),
    ('    positive_class: "1"\n', "", "classes", "needs positive_class"),
    ('positive_class: "1"', 'positive_class: "yes"', "classes", "'yes' is not one of classes (0, 1)"),
    ("task: binary", "task: multiclass", "classes", "has 3 to 50 classes, not 2"),
    ("task: binary", "task: multiclass", "classes", "a multiclass model has no positive_class"),
    (
        "    task: regression",
        '    task: regression\n    positive_class: "1"',
        "classes",
        "a regression model has no positive_class",
    ),
    ('classes: ["0", "1"]', 'classes: ["1", "1"]', "class-names", "class '1' is listed 2 times"),
    ('classes: ["0", "1"]', 'classes: ["other", "1"]', "class-names", "'other' is reserved"),
    ("b: {type: boolean}", "b: {type: boolean, categories: [x]}", "categories", "a boolean feature has no categories"),
    ("[u, v]", "[" + ", ".join(f"c{i}" for i in range(51)) + "]", "categories", "51 categories"),
    ("[u, v]", "[u, v, v]", "categories", "category 'v' is listed 2 times"),
    ("slices: {c: [u]", "slices: {c: [w]", "slices", "'w' is no category of feature 'c' (u, v)"),
    ("slices: {c: [u]", "slices: {x: [u]", "slices", "feature 'x' is numeric"),
    ("slices: {c: [u]", "slices: {all: [u]", "slices", "'all' is reserved"),
    ("region: [north, south]", "region: []", "slices", "the slice has no values"),
    ("kpis: [sales]", "kpis: [sales, sales]", "kpis", "KPI 'sales' is listed 2 times"),
    ("metric: brier", "metric: mae", "metric", "'mae' is not a metric of a binary model"),
    (
        "    task: regression",
        "    task: regression\n    objectives: [{metric: bias, ceiling: 1, severity: warning}]",
        "metric",
        "bias is best at 0",
    ),
    ("ceiling: 0.2, ", "", "one-bound", "the objective has no bound"),
    ("ceiling: 0.2,", "ceiling: 0.2, max_drop: 0.1,", "one-bound", "the objective has ceiling and max_drop"),
    ("ceiling: 0.2", "floor: 0.2", "bound-direction", "use ceiling instead of floor"),
    ("floor: 0.8", "ceiling: 0.8", "bound-direction", "use floor instead of ceiling"),
    (
        "floor: 0.7, severity: critical",
        "floor: 0.7, severity: warning",
        "duplicate-objective",
        "a second warning objective",
    ),
    ("floor: 0.7", "floor: 0.8", "severity-order", "critical floor 0.8 is reached no later than warning floor 0.8"),
    ("ceiling: 0.2", "ceiling: 1", "never-fires", "ceiling 1 can never fire"),
    ("ceiling: 0.2", "max_drop: 1.5", "never-fires", "a drop of 1.5 can never fire"),
    ("floor: 0.8", "floor: 1", "never-fires", "would always fire"),
    ("floor: 0.7", "floor: 0", "never-fires", "floor 0 can never fire"),
    ("ceiling: 0.2", "ceiling: 0", "never-fires", "would always fire"),
    ("latency_p99: 250ms", "latency_p99: 10s", "latency-objective", "10s can never fire"),
    (
        "floor: 0.7, severity: critical",
        "floor: 0.5, severity: critical",
        "chance",
        "accuracy 0.5 is what a coin reaches (0.5)",
    ),
    ("ceiling: 0.2", "ceiling: 0.25", "chance", "brier 0.25 is what a coin reaches"),
    (
        "metric: brier, ceiling: 0.2",
        "metric: roc_auc, max_drop: 0.5",
        "chance",
        "roc_auc 0.5 (the best possible 1 less 0.5)",
    ),
    (
        "serving: {latency_p99: 250ms}",
        "serving: {predictions_per_day: 90}",
        "samples",
        "the longest quality window 1d holds 90 outcomes, not 100",
    ),
    (
        "serving: {latency_p99: 250ms}",
        "serving: {latency_p99: 250ms, predictions_per_day: 2000}",
        "samples",
        "holds 83.3 predictions, not 100: it can never fire",
    ),
    (
        "serving: {latency_p99: 250ms}",
        "serving: {error_ratio: 0.5, predictions_per_day: 200}",
        "samples",
        "too few to tell 0.5 from 1",
    ),
    (
        "serving: {latency_p99: 250ms}",
        "serving: {predictions_per_second: 0.01}",
        "quiet-traffic",
        "is 3 predictions per 5m: any pause would page",
    ),
    (
        "serving: {latency_p99: 250ms}",
        "serving: {predictions_per_second: 1, predictions_per_day: 5000}",
        "quiet-traffic",
        "would always fire",
    ),
    ("    kpis: [sales]", "    outcome: {minimum_coverage: 1}", "full-coverage", "a single missing outcome"),
    (
        "    kpis: [sales]",
        "    outcome: {maturity: 2d}",
        "maturity",
        "outcomes mature after 2d, and retention standard is declared to keep predictions for 2d at most",
    ),
    ("rows: {min: 1", "rows: {min: 0", "row-bounds", "min 0 can never fire"),
    ("models: [m, r]", "models: [m, s]", "unknown-model", "unknown model 's'"),
    ("models: [m, r]", "models: [m, m]", "unknown-model", "listed twice"),
    ("stages: [load, join]", "stages: [load, load]", "stages", "'load' is listed twice"),
    ("freshness: 2d", "freshness: 1d", "freshness", "is not longer than cadence 1d"),
    ("rows: {min: 1", "rows: {min: 10", "row-bounds", "min 10 is larger than max 9"),
    ("fast: 1h", 'fast: "0"', "zero-duration", "is not a time at all"),
    ("drift: [1h, 6h, 1d]", "drift: [1h, 90m, 1d]", "drift-chain", "window 90m is no larger multiple of 1h"),
    ("drift: [1h, 6h, 1d]", "drift: [1h, 1h, 1d]", "drift-chain", "no larger multiple"),
    ("fast: 1h", "fast: 2h", "unknown-window", "fast 2h is not among evaluation.quality (5m, 1h, 1d)"),
    ("    kpis: [sales]", "    outcome: {maturity: 2h, early: 2h}", "early-horizon", "is not shorter than maturity 2h"),
    ("    kpis: [sales]", "    outcome: {early: 1h}", "early-horizon", "is not shorter than maturity 0"),
    ("slow: 1d", "slow: 5m", "fast-slow", "fast 1h is not shorter than slow 5m"),
    ("scrape_interval: 15s", "scrape_interval: 2m", "short-window", "window 5m spans fewer than 4 scrapes of 2m"),
    ("scrape_interval: 15s", "rule_interval: 5m", "short-window", "look-back of 5m"),
    (
        "    kpis: [sales]",
        "    hooks: {rollback_on: [ModelQualityDecay]}",
        "hook-alerts",
        "is no critical alert about a model",
    ),
    (
        "    kpis: [sales]",
        "    hooks: {retrain_on: [ModelQualityDecai]}",
        "hook-alerts",
        "did you mean 'ModelQualityDecay'?",
    ),
    ("    kpis: [sales]", "    hooks: {retrain_on: []}", "hook-alerts", "the list is empty"),
    ("    kpis: [sales]", "    hooks: {timeout: 5m}", "hook-timeout", "at most 60s"),
    ("    kpis: [sales]", '    hooks: {timeout: "0"}', "hook-timeout", "more than 0"),
    ("    kpis: [sales]", "    hooks: {retrain_period: 0s}", "hook-timeout", "the period is empty"),
    ("    kpis: [sales]", '    hooks: {rollback: "https://ci/x?token=1"}', "inline-secret", "authorization_file"),
    ("    kpis: [sales]", "    hooks: {retrain: ci}", "bad-url", "'ci' is not a URL"),
    (
        "evaluation:",
        "series_budget: {per_model: 100}\nevaluation:",
        "model-budget",
        "more than series_budget.per_model = 100",
    ),
    ("evaluation:", "series_budget: {total: 100}\nevaluation:", "total-budget", "more than series_budget.total = 100"),
]


def findings(tmp_path: Path, text: str) -> list[tuple[int, str, str]]:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    try:
        load_catalogue(path)
    except CatalogueError as error:
        return [(p.line, p.message, p.rule) for p in error.problems]
    return []


def test_the_good_catalogue_has_no_finding(tmp_path):
    assert findings(tmp_path, GOOD) == []


@pytest.mark.parametrize(("old", "new", "rule", "message"), CASES)
def test_each_mistake_is_found_under_its_rule(tmp_path, old, new, rule, message):
    assert old in GOOD
    found = findings(tmp_path, GOOD.replace(old, new, 1))
    assert [text for _, text, id_ in found if id_ == f"catalogue/{rule}" and message in text], found
    assert all(line > 0 for line, _, _ in found)


def test_every_check_is_listed_and_has_a_test_case():
    modules = (people, models, hooks, objectives, pipelines, reach, timing, capacity)
    written = {c.rule for module in modules for _, c in inspect.getmembers(module, lambda o: isinstance(o, Check))}
    assert written == {c.rule for c in CHECKS}
    assert len({c.rule for c in CHECKS}) == len(CHECKS)
    assert written == {f"catalogue/{rule}" for _, _, rule, _ in CASES}


def test_every_check_says_what_it_demands():
    assert all(c.function.__doc__ for c in checks.CHECKS)
