"""An evaluation as plain data: for scripts, and for the tables in ``templates/evaluation.txt.j2``."""

from __future__ import annotations

from typing import Any

from plumbline.evaluate.budget import spent
from plumbline.evaluate.judge import Found, Judged
from plumbline.evaluate.run import Evaluation
from plumbline.units import MONTH_SECONDS, format_time


def as_data(result: Evaluation) -> dict[str, Any]:
    """Return the evaluation as plain data: numbers in seconds, times in RFC 3339, None = cannot be said."""
    scene = result.scene
    return {
        "start": format_time(scene.grid.start),
        "end": format_time(scene.grid.end),
        "step_seconds": scene.grid.step,
        "grace_seconds": scene.grace,
        "flap_seconds": scene.flap,
        "models": sorted(scene.exposure),
        "model_months": scene.months,
        "incidents": len(scene.incidents),
        "base_rate": scene.base_rate,
        "alerts": [_judged(one) for one in result.alerts],
        "groups": [_judged(one) for one in result.groups],
        "not_judged": result.left,
        "spent": spent(result.alerts),
        "by_model": per_model(result),
    }


def per_model(result: Evaluation) -> dict[str, dict[str, float]]:
    """Return, per model, what it was observed for, its alarms, and its false pages and tickets.

    Alarms without a label ``model`` belong to none of them.
    """
    found: dict[str, dict[str, float]] = {}
    for model, seconds in sorted(result.scene.exposure.items()):
        months = seconds / MONTH_SECONDS
        false = {
            severity: sum(
                alarm.model == model for one in result.alerts if one.severity == severity for alarm in one.false
            )
            for severity in ("critical", "warning")
        }
        found[model] = {
            "model_months": months,
            "alarms": sum(alarm.model == model for one in result.alerts for alarm in one.alarms),
            "false_alarms": sum(false.values()),
            "false_pages_per_quarter": 3 * false["critical"] / months,
            "false_tickets_per_month": false["warning"] / months,
        }
    return found


def _judged(one: Judged) -> dict[str, Any]:
    found, incidents = one.recall()
    kept, lasting = one.recall(sustained=True)
    return {
        "alert": one.name,
        "severity": one.severity,
        "alarms": len(one.alarms),
        "false_alarms": len(one.false),
        "precision": one.precision,
        "recall": found / incidents if incidents else None,
        "incidents_found": found,
        "sustained_found": kept,
        "sustained": lasting,
        "delay_seconds_median": one.delay(),
        "delay_outcomes_median": one.delay_outcomes(),
        "sustained_delay_seconds_median": one.delay(sustained=True),
        "flaps": one.flaps,
        "false_per_model_month": one.false_per_month,
        "false_per_model_quarter": one.false_per_quarter,
        "alarms_per_model_quarter": one.alarms_per_quarter,
        "firing_share": one.firing,
        "base_rate": one.base_rate,
        "random": {"precision": one.chance.precision, "recall": one.chance.recall},
        "found": [_found(item) for item in one.found],
        "alarm_list": [
            {
                "start": format_time(alarm.start),
                "end": format_time(alarm.end),
                "alert": alarm.alert,
                "model": alarm.model,
                "metric": alarm.metric,
                "true": alarm not in one.false,
            }
            for alarm in one.alarms
        ],
    }


def _found(item: Found) -> dict[str, Any]:
    return {
        "start": format_time(item.incident.start),
        "end": format_time(item.incident.end),
        "metric": item.incident.metric,
        "model": item.incident.model,
        "sustained": item.incident.sustained,
        "fired": None if item.fired is None else format_time(item.fired),
        "already_firing": item.already,
        "delay_seconds": item.delay,
        "delay_outcomes": item.outcomes,
    }
