"""Texts of the alerts about the monitoring itself; the platform's owner gets them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from plumbline import names
from plumbline_alerting import monitoring_queries as queries
from plumbline_alerting.maker import VALUE, Maker
from plumbline_alerting.model import Rule
from plumbline_alerting.templates import COUNT, ask


def monitoring(make: Maker) -> Iterable[Rule]:
    """The monitoring itself; for the platform's owner."""
    evaluation = make.catalogue.evaluation
    alert = partial(make.alert, dashboard="exporter", owner=make.catalogue.platform_owner)
    yield from alert(
        "Watchdog",
        "vector(1)",
        summary="Alerting works; this alert always fires.",
        description="Value 1, always. If it stops arriving, no page would arrive either.",
    )
    yield from alert(
        "ExporterDown",
        queries.exporter_down(),
        summary="The exporter cannot be scraped: nothing is known of the models.",
        description=(
            "Target {{ if $labels.instance }}{{ $labels.instance }}{{ else }}(none configured){{ end }} "
            f"has been down for {evaluation.alert_for}, or cannot show its models' series (0, expected 1)."
        ),
    )
    yield from alert(
        "EventsRejected",
        queries.events_rejected(make.scene),
        summary="Many events are refused: someone sends what the contract does not allow.",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the {{{{ with $labels.reason }}}}requests over "
            f"{make.scene.fast} could not be taken: {{{{ . }}}} (threshold {queries.REFUSED_RATIO:.0%}); "
            f"clients keep them and send again{{{{ else }}}}lines received over {make.scene.fast} were "
            f"rejected (threshold {queries.REJECTED_RATIO:.0%}); by reason: {names.EVENTS_REJECTED.name}"
            "{{ end }}."
        ),
    )
    yield from alert(
        "SeriesBudgetNear",
        queries.series_budget_near(),
        summary="A model has nearly used up its series.",
        description=(
            "{{ $labels.model }} uses {{ $value | humanizePercentage }} of "
            f"{ask(f'max({names.SERIES_BUDGET.name}{{model=%q}})', 'model', unit=COUNT)} series "
            f"(threshold {queries.BUDGET_RATIO:.0%}); above the budget new versions get no series."
        ),
    )
    yield from alert(
        "DiskFillsSoon",
        queries.disk_fills_soon(make.scene),
        summary="The store's disk is full within four days at this rate.",
        description=(f"{{{{ $value | humanize1024 }}}}B are free; the last {queries.DISK_RANGE} lead to 0."),
    )
    yield from alert(
        "RulesSlow",
        queries.rules_slow(make.scene),
        summary="Rules fail, or take longer than their interval: series and alerts are late.",
        description=(
            '{{ with $labels.rule_group }}Group {{ . }}: {{ $value | printf "%.3g" }} (seconds per '
            f"evaluation, or evaluations missed or failed over {make.scene.short})"
            "{{ else }}Prometheus has loaded {{ $value }} of Plumbline's groups of recording rules, "
            "or does not scrape itself{{ end }}."
        ),
    )
    yield from alert(
        "NotificationsFailing",
        queries.notifications_failing(make.scene),
        summary="Notifications or calls of hooks are lost, or a configuration was not loaded.",
        description=(
            "Job {{ $labels.job }}{{ with $labels.integration }}, integration {{ . }}{{ end }}"
            "{{ with $labels.hook }}, hook {{ . }}{{ end }}: "
            f"{VALUE} (notifications or calls of hooks failed over {make.scene.short}; 0 = no "
            "Alertmanager found, or the last reload failed)."
        ),
    )
