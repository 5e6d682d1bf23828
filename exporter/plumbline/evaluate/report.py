"""An evaluation as a table for people and as plain data for scripts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from rich import box
from rich.table import Table

from plumbline.evaluate.budget import spent
from plumbline.evaluate.judge import Found, Judged
from plumbline.evaluate.run import Evaluation
from plumbline.trace.show import show_count
from plumbline.units import DAY_SECONDS, MONTH_SECONDS, format_time

_HOUR = 3600.0
_NAMED_MODELS = 5
_COLUMNS = (
    "alert",
    "severity",
    "alarms",
    "false",
    "precision\n(random)",
    "found\n(random)",
    "sustained",
    "delay",
    "delay,\noutcomes",
    "flaps",
    "false per\nmodel-month",
    "false per\nmodel-quarter",
    "firing",
)
_ALARMS, _DELAYS = range(6), (0, *range(6, len(_COLUMNS)))
# Narrower than this, rich would shorten headings and numbers to a letter each.
_ONE_TABLE = 160


def tables(result: Evaluation, width: int) -> list[Table]:
    """Return a line per alert, then all pages, all tickets, and both: in one table or in two.

    Args:
        result: what is told.
        width: letters that fit beside each other; 80 is enough for two tables.
    """
    if width >= _ONE_TABLE:
        shown = [_table(result, range(len(_COLUMNS)))]
    else:
        shown = [_table(result, part, narrow=True) for part in (_ALARMS, _DELAYS)]
    shown[0].title, shown[0].title_justify = _title(result), "left"
    shown[-1].caption, shown[-1].caption_justify = _caption(result), "left"
    return shown


def _table(result: Evaluation, columns: Sequence[int], narrow: bool = False) -> Table:
    shown = Table(box=box.SIMPLE if narrow else box.HEAVY_HEAD, padding=(0, 0 if narrow else 1))
    for column in columns:
        heading = _COLUMNS[column]
        if narrow:
            heading = heading.replace("false per", "false /").replace("model-", "model-\n")
        text = heading in ("alert", "severity")
        shown.add_column(heading, justify="left" if text else "right", no_wrap=True)
    for part in (result.alerts, result.groups):
        for one in part:
            cells = _cells(one)
            shown.add_row(*(cells[column] for column in columns))
        shown.add_section()
    return shown


def _title(result: Evaluation) -> str:
    grid, scene = result.scene.grid, result.scene
    return (
        f"{_models(scene.exposure)}: "
        f"{format_time(grid.start)[:10]} to {format_time(grid.end)[:10]}, "
        f"{scene.months:.1f} model-months, {show_count(len(scene.incidents), 'incident')} "
        f"({scene.base_rate:.0%} of the time)"
    )


def _models(models: Collection[str]) -> str:
    return ", ".join(sorted(models)) if len(models) <= _NAMED_MODELS else f"{len(models)} models"


def _caption(result: Evaluation) -> str:
    scene = result.scene
    said = [
        f"One evaluation every {_time(scene.grid.step)}. An alarm is true up to {_time(scene.grace)} after "
        f"an incident; one that returns within {_time(scene.flap)} flaps. In brackets: the same alarms at "
        "random times."
    ]
    worst = max(per_model(result).items(), key=lambda item: item[1]["false_alarms"])
    if len(scene.exposure) > 1 and worst[1]["false_alarms"]:
        said.append(
            f"Most false alarms: {worst[0]}, {worst[1]['false_alarms']:.0f} in {worst[1]['model_months']:.1f} months."
        )
    said += [f"Not judged: {name}: {why}." for name, why in result.left.items() if why != "not asked for"]
    return "\n".join(said)


def _cells(one: Judged) -> Sequence[str]:
    found, incidents = one.recall()
    kept, lasting = one.recall(sustained=True)
    outcomes = one.delay_outcomes()
    return (
        one.name,
        one.severity,
        str(len(one.alarms)),
        str(len(one.false)),
        f"{_share(one.precision)} ({_share(one.chance.precision)})",
        f"{found}/{incidents} ({_share(one.chance.recall)})",
        f"{kept}/{lasting}",
        _time(one.delay()),
        "-" if outcomes is None else f"{outcomes:,.0f}",
        str(one.flaps),
        f"{one.false_per_month:.2f}",
        f"{one.false_per_quarter:.2f}",
        f"{one.firing:.0%}",
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds >= 2 * DAY_SECONDS:
        return f"{seconds / DAY_SECONDS:.1f}d"
    return f"{seconds / _HOUR:.1f}h" if seconds >= _HOUR else f"{seconds:.0f}s"


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
