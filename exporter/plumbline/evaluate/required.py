"""Whether an evaluation shows that the alerts may ship: present, of these very rules, long enough, in budget.

Reads the JSON of ``plumbline evaluate --json`` and the generated rules; says in sentences what is wanting.
An evaluation carries a digest of every rule it was made with, so "older than the rules" is not a question
of clocks: a rule that reads otherwise today was not judged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from plumbline.backfill.rules import RecordingRule
from plumbline.evaluate.alerts import AlertRule

# Fewer model-months cannot show one false page a quarter.
FEWEST_MONTHS = 3.0
_NAMED = 5


class _Alert(msgspec.Struct):
    alert: str


class Report(msgspec.Struct):
    """What is needed of the JSON of an evaluation."""

    alerts: list[_Alert]
    not_judged: dict[str, str]
    model_months: float
    spent: dict[str, float]
    rules: dict[str, str] = {}


def digests(alerts: Sequence[AlertRule], recording: Sequence[RecordingRule]) -> dict[str, str]:
    """Return a digest of each rule, by what it is called in messages.

    Rules of one recorded name (one per metric, say) share one entry.
    """
    parts: dict[str, list[object]] = {}
    for alert in alerts:
        said = [alert.expr, alert.hold, alert.keep, list(alert.labels)]
        parts.setdefault(f"alert {alert.name}", []).append(said)
    for rule in recording:
        parts.setdefault(f"recording rule {rule.record}", []).append([rule.expr, list(rule.labels)])
    return {name: _digest(said) for name, said in sorted(parts.items())}


def shortcomings(
    path: Path, alerts: Sequence[AlertRule], recording: Sequence[RecordingRule], bounds: Mapping[str, float]
) -> list[str]:
    """Return why the evaluation in a file does not let these rules ship; nothing if it does.

    Args:
        path: JSON of an evaluation.
        alerts: those that must have been judged.
        recording: the recording rules in force.
        bounds: see ``plumbline.evaluate.budget``.
    """
    again = "run plumbline evaluate again, with --json, and give it the recording rules as well"
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return [f"{path}: no such evaluation, so nobody knows what the alerts are worth: {again}"]
    except OSError as error:
        return [f"{path}: cannot be read: {error.strerror}"]
    except msgspec.MsgspecError as error:
        return [f"{path}: not the JSON of an evaluation ({error}): {again}"]
    found = []
    missing = [a.name for a in alerts if a.name not in {j.alert for j in report.alerts}]
    if missing:
        found.append(f"{path}: does not judge {_some(missing)}: {again}")
    wanted = digests(alerts, recording)
    said = {f"alert {name}" for name in missing}
    changed = [name for name, digest in wanted.items() if name not in said and report.rules.get(name) != digest]
    if changed:
        found.append(f"{path}: is older than the rules: {_some(changed)} read otherwise today: {again}")
    if report.model_months < FEWEST_MONTHS:
        found.append(
            f"{path}: covers {report.model_months:.1f} model-months; at least {FEWEST_MONTHS:g} are needed "
            "to show a budget per quarter"
        )
    for measure, bound in bounds.items():
        spent = report.spent.get(measure)
        if spent is None or spent > bound:
            have = "not stated" if spent is None else f"{spent:.2f}"
            found.append(f"{path}: false {measure} are {have}, the budget is {bound:g}")
    return found


def _digest(said: object) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
