"""The whole evaluation: rules and incidents in, every alert judged out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plumbline.evaluate.alerts import AlertRule
from plumbline.evaluate.ask import History
from plumbline.evaluate.incidents import Incident
from plumbline.evaluate.judge import Alarm, Judged, Scene, alarms_of, judge

GROUPS = {"critical": "all pages", "warning": "all tickets"}
EVERYTHING = "pages and tickets"

Advance = Callable[[float, float, str], None]
"""Called with (alerts done, alerts in all, name) as work proceeds."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        scene: what the alarms were judged against.
        alerts: each alert, in the order of the rules.
        groups: all pages, all tickets, and both together.
        left: why each other alert was not judged.
    """

    scene: Scene
    alerts: tuple[Judged, ...]
    groups: tuple[Judged, ...]
    left: dict[str, str]


def evaluate_alerts(
    rules: Sequence[AlertRule],
    incidents: Sequence[Incident],
    history: History,
    *,
    grace: float,
    flap: float,
    left: dict[str, str],
    progress: Advance | None = None,
) -> Evaluation:
    """Ask for every rule when it would have fired, and judge it.

    Args:
        rules: alerts to judge.
        incidents: those outside the history's range are left out.
        history: open.
        grace: seconds after an incident in which an alarm is still true.
        flap: seconds within which an alert that comes back flaps.
        left: alerts that are not judged, with the reason; passed on.
        progress: see ``Advance``.

    Raises:
        UsageError: if the history holds no model in this range.
        ToolError: from Prometheus.
    """
    over = history.grid
    exposure = history.exposure()
    inside = tuple(
        i for i in incidents if i.end >= over.start and i.start <= over.end and (not i.model or i.model in exposure)
    )
    scene = Scene(over, inside, exposure, history.outcomes(), grace, flap)
    alerts = []
    for number, rule in enumerate(rules):
        if progress is not None:
            progress(number, len(rules), rule.name)
        alerts.append(judge(rule.name, rule.severity, alarms_of(rule.name, history.firings(rule)), scene))
    if progress is not None:
        progress(len(rules), len(rules), "done")
    groups = [judge(name, severity, _together(alerts, (severity,)), scene) for severity, name in GROUPS.items()]
    groups.append(judge(EVERYTHING, "", _together(alerts, tuple(GROUPS)), scene))
    return Evaluation(scene, tuple(alerts), tuple(groups), left)


def _together(alerts: Sequence[Judged], severities: Sequence[str]) -> list[Alarm]:
    found = [alarm for one in alerts if one.severity in severities for alarm in one.alarms]
    return sorted(found, key=lambda alarm: alarm.start)
