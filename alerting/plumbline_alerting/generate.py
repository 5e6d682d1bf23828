"""Catalogue -> recording rules, alerts, Alertmanager's and Prometheus's configuration.

The entry point of ``plumbline generate`` for this part. It reads the catalogue only, so the same
catalogue gives the same files.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile
from plumbline_alerting import (
    alertmanager,
    alerts,
    beside,
    drift,
    fairness,
    kpis,
    prometheus,
    quality,
    serving,
    sized,
    trials,
)
from plumbline_alerting.model import Group, rule_file, to_yaml
from plumbline_alerting.windows import drift_windows, life_window, quality_windows


def generate(catalogue: Catalogue) -> Iterable[GeneratedFile]:
    """Return every file of this part."""
    yield from recording_rules(catalogue)
    for name, group in alerts.groups(catalogue).items():
        yield GeneratedFile(f"alerting/rules/{name}.yml", rule_file([group]))
    yield GeneratedFile("alerting/alertmanager.yml", to_yaml(alertmanager.configuration(catalogue)))
    yield GeneratedFile("prometheus/prometheus.yml", to_yaml(prometheus.configuration(catalogue)))


def recording_rules(catalogue: Catalogue) -> Iterable[GeneratedFile]:
    """Return the recording rules: one group per window, so that each window has its own clock."""
    evaluation = catalogue.evaluation
    yield GeneratedFile("prometheus/rules/drift.yml", rule_file([drift.group(w) for w in drift_windows(evaluation)]))
    life = life_window(evaluation)
    yield GeneratedFile(
        "prometheus/rules/life.yml",
        rule_file(
            [
                Group(
                    "plumbline-life",
                    life.interval,
                    (
                        *drift.group(life).rules,
                        *serving.increases(life),
                        *serving.young(),
                        *quality.rules(life, catalogue),
                        *beside.rules(life, catalogue),
                        *fairness.rules(life, catalogue),
                        *kpis.rules(life),
                        *trials.rules(),
                    ),
                )
            ]
        ),
    )
    yield GeneratedFile(
        "prometheus/rules/quality.yml",
        rule_file(
            [
                Group(
                    f"plumbline-quality-{w.name}",
                    w.interval,
                    (
                        *serving.increases(w),
                        *serving.rules(w),
                        *quality.rules(w, catalogue),
                        *beside.rules(w, catalogue),
                        *fairness.rules(w, catalogue),
                        *kpis.rules(w),
                    ),
                )
                for w in quality_windows(evaluation)
            ]
            + [sized.group(catalogue)]
        ),
    )
