"""Rule groups cut down to what a question reads: promtool evaluates every rule it is given, at every step."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

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
