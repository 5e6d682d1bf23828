"""Alerting rules, from Prometheus rule files, and which of them a history can answer.

A history holds the series of models and pipelines. It cannot answer an alert that reads ``ALERTS`` (the
state of other alerts is not in it), and one with ``absent()`` would fire throughout, because the series
it misses were never loaded; the latter can be asked for by name. ``time()`` is the time of each step, so
it works.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from plumbline import names
from plumbline.backfill.rules import identifiers
from plumbline.errors import UsageError
from plumbline.units import parse_duration

_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule.

    Attributes:
        name: of the alert.
        expr: its PromQL.
        hold: seconds the condition must hold (``for``).
        keep: seconds it fires on after the condition (``keep_firing_for``).
        labels: labels that the rule sets.
        interval: seconds between evaluations of its group; 0 = the file leaves it to Prometheus.
    """

    name: str
    expr: str
    hold: float = 0.0
    keep: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()
    interval: float = 0.0

    @property
    def severity(self) -> str:
        """The rule's label ``severity``; empty if it has none."""
        return dict(self.labels).get("severity", "")

    def labelled(self, series: Mapping[str, str]) -> dict[str, str]:
        """Return the labels of the alert that a series of the expression makes, as Prometheus does."""
        made = {key: value for key, value in series.items() if key != "__name__"}
        for key, text in self.labels:
            made[key] = _LABEL.sub(lambda match: series.get(match[1], ""), text)
        return {key: value for key, value in made.items() if value}


def read_alerts(paths: Sequence[Path]) -> list[AlertRule]:
    """Return the alerting rules of Prometheus rule files, in their order.

    Raises:
        UsageError: naming the file, if it cannot be read or is not a rule file, or none holds an alert.
    """
    rules: list[AlertRule] = []
    for path in paths:
        try:
            document: Any = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
            for group in document["groups"]:
                interval = parse_duration(str(group.get("interval") or "0"))
                rules += [_rule(rule, interval) for rule in group["rules"] if "alert" in rule]
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise UsageError(f"{path}: not a Prometheus rule file: {error}") from error
    if not rules:
        raise UsageError(f"no alerting rule in {', '.join(str(path) for path in paths)}")
    return rules


def _rule(rule: dict[str, Any], interval: float) -> AlertRule:
    labels = tuple((str(key), str(value)) for key, value in (rule.get("labels") or {}).items())
    return AlertRule(
        str(rule["alert"]),
        str(rule["expr"]),
        parse_duration(str(rule.get("for") or "0")),
        parse_duration(str(rule.get("keep_firing_for") or "0")),
        labels,
        interval,
    )


def choose(rules: Sequence[AlertRule], wanted: Collection[str]) -> tuple[list[AlertRule], dict[str, str]]:
    """Return the rules to judge, and why each other one is not.

    Args:
        rules: all rules.
        wanted: names of the alerts to judge; empty = every alert of severity critical or warning that a
            history can answer.

    Raises:
        UsageError: if a wanted alert is not in the files.
    """
    unknown = sorted(set(wanted) - {rule.name for rule in rules})
    if unknown:
        raise UsageError(f"no alert {', '.join(unknown)} in the rule files")
    chosen: list[AlertRule] = []
    left: dict[str, str] = {}
    for rule in rules:
        why = _unanswerable(rule)
        if wanted and rule.name not in wanted:
            why = "not asked for"
        elif not wanted and rule.severity not in names.SEVERITIES[:2]:
            why = f"its severity is {rule.severity or 'not set'}: nobody is paged and no ticket is opened"
        elif not wanted and not why and "absent" in identifiers(rule.expr):
            why = "it reads absent(), and the series it misses are not part of a history"
        if why:
            left[rule.name] = why
        else:
            chosen.append(rule)
    if not chosen:
        raise UsageError("no alert to judge: " + "; ".join(f"{name}: {why}" for name, why in left.items()))
    return chosen, left


def _unanswerable(rule: AlertRule) -> str:
    if {"ALERTS", "ALERTS_FOR_STATE"} & identifiers(rule.expr):
        return "it reads ALERTS, the state of other alerts, which a history does not hold"
    if any("{{" in _LABEL.sub("", text) for _, text in rule.labels):
        return "a label of it is a template other than {{ $labels.name }}"
    return ""
