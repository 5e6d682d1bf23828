"""Every alert under every condition of METHODS R12: no data, NaN, counter reset, restart, scrape gap, first start.

The rule tests in ``alerting/tests`` say when an alert fires and when it is over. From each of them this module
takes the healthy beginning, lets it go on, disturbs it in the middle, and asks promtool whether the alert stayed
silent throughout. So an alert that is added with its rule test is held to all of it; there is nothing to repeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.catalogue.model import Catalogue
from plumbline.units import format_duration, parse_duration
from plumbline_alerting.generate import generate
from support.rulefiles import complaints, groups_of, needed

ROOT = Path(__file__).parents[2]
RULE_TESTS = sorted((ROOT / "alerting" / "tests").glob("[A-Z]*.yml"))
_STEP = re.compile(r"^(?P<start>-?[\d.e+]+?)(?P<by>[+-][\d.e]+)?x(?P<times>\d+)$")
_MISSING = "_"
AFTER = 48  # samples after the disturbance: longer than every window of the test catalogue, and its waits

Samples = list[str]


def expand(values: str) -> Samples:
    """promtool's short form, ``0+4x2 _x2 7``, as single samples: 0 4 8 _ _ 7."""
    found: Samples = []
    for word in values.split():
        step = _STEP.match(word)
        if word.startswith("_"):
            found += [_MISSING] * int(word.removeprefix("_x") if "x" in word else 1)
        elif step is None:
            found.append(word)
        else:
            start, by = float(step["start"]), float(step["by"] or 0)
            found += [repr(start + by * i) for i in range(int(step["times"]) + 1)]
    return found


def is_counter(series: str) -> bool:
    return series.partition("{")[0].endswith(("_total", "_bucket", "_count", "_sum"))


@dataclass(frozen=True)
class Scene:
    """One alert's rule test, and the healthy beginning of its first group.

    Attributes:
        alert: its name.
        interval: seconds between samples.
        series: name with labels -> samples, healthy ones only, all of one length.
    """

    alert: str
    interval: float
    series: dict[str, Samples]

    def going_on(self, count: int) -> Scene:
        """The same for ``count`` more samples: what rose goes on rising as it did, what stood stands."""
        return replace(self, series={name: prolonged(s, count) for name, s in self.series.items()})


def prolonged(samples: Samples, count: int) -> Samples:
    if len(samples) < 2 or _MISSING in samples[-2:]:
        return samples + samples[-1:] * count
    last, rise = float(samples[-1]), float(samples[-1]) - float(samples[-2])
    return samples + [repr(last + rise * (i + 1)) for i in range(count)]


def read_scene(path: Path) -> Scene:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    group = document["tests"][0]
    interval = parse_duration(group["interval"])
    cases = [c for c in group["promql_expr_test"] if f'"{path.stem}"' in c["expr"]]
    first = parse_duration(cases[0]["eval_time"]) if cases and not cases[0]["exp_samples"] else -interval
    kept = int(first / interval) + 1
    series = {e["series"]: expand(str(e["values"]))[:kept] for e in group["input_series"] or []}
    if any('model="bad"' in name for name in series):  # the others are as healthy, and cost as much
        series = {n: s for n, s in series.items() if 'model="bad"' in n or "model=" not in n}
    return Scene(path.stem, interval, series)


# --- conditions: from a healthy scene to one that must not alarm either ---


def undisturbed(scene: Scene) -> Scene:
    return scene.going_on(AFTER)


def no_data(scene: Scene) -> Scene:
    return replace(scene, series={})


def nan(scene: Scene) -> Scene:
    """Every value is NaN for two minutes."""
    later = scene.going_on(AFTER)
    return replace(later, series={name: s[:-AFTER] + ["NaN"] * 8 + s[8 - AFTER :] for name, s in later.series.items()})


def counter_reset(scene: Scene) -> Scene:
    """Counters begin again at 0, as after a lost store or a new baseline."""

    def begun_again(samples: Samples) -> Samples:
        end = next((s for s in reversed(samples[:-AFTER]) if s not in (_MISSING, "stale")), "0")
        return samples[:-AFTER] + [
            s if s in (_MISSING, "stale") else repr(max(0.0, float(s) - float(end))) for s in samples[-AFTER:]
        ]

    later = scene.going_on(AFTER)
    return replace(later, series={n: begun_again(s) if is_counter(n) else s for n, s in later.series.items()})


def restart(scene: Scene) -> Scene:
    """One scrape fails (Prometheus marks every series stale), the store gives everything back."""
    return absent_for(scene, 1)


def scrape_gap(scene: Scene) -> Scene:
    """Six minutes without a scrape, longer than Prometheus looks back; the counters went on."""
    return absent_for(scene, 24)


def absent_for(scene: Scene, count: int) -> Scene:
    later = scene.going_on(count + AFTER)
    return replace(
        later,
        series={
            name: s[: -AFTER - count] + ["stale"] + [_MISSING] * (count - 1) + s[-AFTER:]
            for name, s in later.series.items()
        },
    )


def first_start(scene: Scene) -> Scene:
    """Prometheus meets an exporter that has counted for long: every series is born at once, large."""
    later = scene.going_on(AFTER)
    cut = len(next(iter(later.series.values()), [])) - AFTER
    return replace(later, series={name: [_MISSING] * cut + s[-AFTER:] for name, s in later.series.items()})


CONDITIONS: dict[str, Callable[[Scene], Scene]] = {
    "undisturbed": undisturbed,
    "no data": no_data,
    "NaN": nan,
    "counter reset": counter_reset,
    "restart": restart,
    "scrape gap": scrape_gap,
    "first start": first_start,
}

# What is meant to fire where nothing is known: these are the alerts that watch for absence.
BY_DESIGN = {
    ("ExporterDown", "no data"): "no target is configured",
    ("ExporterDown", "scrape gap"): "nothing is scraped",
    ("ExporterDown", "first start"): "nothing is scraped before it",
    ("RulesSlow", "first start"): "Prometheus does not scrape itself before it",
    ("RulesSlow", "no data"): "Prometheus does not scrape itself",
    ("RulesSlow", "scrape gap"): "Prometheus does not scrape itself",
    **{("Watchdog", condition): "it always fires" for condition in CONDITIONS},
}


def group(condition: str, scene: Scene) -> dict[str, Any]:
    """A promtool test: whether the alert fired at any time of the scene."""
    samples = max((len(s) for s in scene.series.values()), default=AFTER)
    fired = f'max_over_time(ALERTS{{alertname="{scene.alert}", alertstate="firing"}}[1d])'
    meant = (scene.alert, condition) in BY_DESIGN
    return {
        "name": condition,
        "interval": format_duration(scene.interval),
        "input_series": [{"series": n, "values": " ".join(s)} for n, s in scene.series.items()],
        "promql_expr_test": [
            {
                # The label says in promtool's message which condition it was.
                "expr": f'label_replace(count({fired}) > bool 0, "condition", "{condition}", "", "")',
                "eval_time": format_duration(samples * scene.interval),
                "exp_samples": [{"labels": f'{{condition="{condition}"}}', "value": 1}] if meant else [],
            }
        ],
    }


@pytest.fixture(scope="module")
def every_group(test_catalogue: Catalogue) -> list[dict[str, Any]]:
    return groups_of(generate(test_catalogue))


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda p: p.stem)
def test_no_alert_fires_on_what_is_no_fault(path: Path, every_group: list[dict[str, Any]], tmp_path: Path) -> None:
    scene = read_scene(path)
    groups = [group(name, disturb(scene)) for name, disturb in CONDITIONS.items()]
    assert complaints(tmp_path, needed([path.stem], every_group), groups, "15s") == ""


@pytest.mark.parametrize("path", [p for p in RULE_TESTS if p.stem != "Watchdog"], ids=lambda p: p.stem)
def test_every_rule_test_shows_health_then_the_fault_then_recovery(path: Path) -> None:
    """The healthy beginning is what the conditions are tried on."""
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))["tests"][0]["promql_expr_test"]
    fires = [bool(c["exp_samples"]) for c in cases if f'"{path.stem}"' in c["expr"]]
    assert True in fires
    assert not fires[0], "the first check must be of a healthy scene"
    assert not fires[-1], "the last check must be of the recovery"
    scene = read_scene(path)
    assert all(len(samples) * scene.interval >= 300 for samples in scene.series.values())


def test_samples_are_expanded_as_promtool_does(every_group: list[dict[str, Any]], tmp_path: Path) -> None:
    """The short form and ours must give the same alert at the same times, from the rules that it needs."""
    path = next(p for p in RULE_TESTS if p.stem == "ModelTrafficLost")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    rules = needed([path.stem], every_group)
    for one in document["tests"]:
        for entry in one["input_series"]:
            entry["values"] = " ".join(expand(entry["values"]))
    assert complaints(tmp_path, rules, document["tests"], "15s") == ""
    document["tests"][0]["promql_expr_test"][1]["exp_samples"] = []
    assert "FAILED" in complaints(tmp_path, rules, document["tests"], "15s")
    assert expand("0+4x2 _x2 7 stale") == ["0.0", "4.0", "8.0", "_", "_", "7", "stale"]


# --- two exporters that describe the same thing otherwise, as in a rolling deployment ---

# An ambiguous match fails the whole rule: not the model concerned, every model loses its alert.
DISAGREED = {"owner": "other", "commit": "other", "baseline": "other", "training_data": "other", "stage": "canary"}
_DESCRIPTION = re.compile(r"(\w+_info|ml_model_declared_timestamp_seconds)\{")


def with_other_exporters(series: dict[str, str]) -> dict[str, str]:
    """Add an exporter for each label in which descriptions may differ."""
    found = dict(series)
    for name, values in series.items():
        if _DESCRIPTION.match(name):
            for label, value in DISAGREED.items():
                other, changes = re.subn(rf'\b{label}="[^"]*"', f'{label}="{value}"', name)
                if changes and not (label == "stage" and "pipeline" in name):
                    found[other.replace("{", f'{{instance="{label}", ', 1)] = values
    return found


@pytest.mark.parametrize("path", [p for p in RULE_TESTS if p.stem != "Watchdog"], ids=lambda p: p.stem)
def test_alert_fires_for_one_owner_where_exporters_describe_its_subject_otherwise(
    path: Path, every_group: list[dict[str, Any]], tmp_path: Path
) -> None:
    one = yaml.safe_load(path.read_text(encoding="utf-8"))["tests"][0]
    series = {e["series"]: str(e["values"]) for e in one["input_series"] or []}
    one["input_series"] = [{"series": n, "values": v} for n, v in with_other_exporters(series).items()]
    fired = f'max_over_time(ALERTS{{alertname="{path.stem}", alertstate="firing"}}[1d])'
    one["promql_expr_test"] = [
        {
            "expr": f"max(count without (owner) ({fired}))",
            "eval_time": one["promql_expr_test"][-1]["eval_time"],
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
    ]
    one.pop("alert_rule_test", None)
    assert complaints(tmp_path, needed([path.stem], every_group), [one], "15s") == ""
