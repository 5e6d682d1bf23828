"""The PromQL of alerts about Plumbline itself: exporter, Prometheus, Alertmanager, disk."""

from __future__ import annotations

from plumbline import names
from plumbline_alerting.promql import matching
from plumbline_alerting.query_parts import SCRAPED_RATIO
from plumbline_alerting.scene import JOB_ALERTMANAGER, JOB_EXPORTER, JOB_PROMETHEUS, Scene
from plumbline_alerting.windows import drift_windows, quality_windows

BUDGET_RATIO = 0.8
REJECTED_RATIO = 0.05
DISK_RANGE = "6h"
DISK_AHEAD_SECONDS = 4 * 86400
REFUSED_RATIO = 0.05  # share of whole requests that the exporter could not take


def series_budget_near() -> str:
    """A model uses most of its series."""
    used = f"max by (model) ({names.SERIES.name})"
    return f"{used} / on (model) (max by (model) ({names.SERIES_BUDGET.name}) > 0) > {BUDGET_RATIO}"


def disk_fills_soon(scene: Scene) -> str:
    """The store's file system is full in four days if it goes on like this; the value is bytes left."""
    free = names.STORE_FREE.name
    enough = SCRAPED_RATIO * scene.scrapes(DISK_RANGE)
    return (
        f"min by (job) ({free})\nand on (job)\n"
        f"min by (job) (predict_linear({free}[{DISK_RANGE}], {DISK_AHEAD_SECONDS})) < 0\n"
        f"and on (job)\nmin by (job) (count_over_time({free}[{DISK_RANGE}])) >= {enough:g}"
    )


def exporter_down() -> str:
    """No scrape of an exporter succeeds, none is configured, or it cannot show its models' series."""
    up = f'up{{job="{JOB_EXPORTER}"}}'
    engine = f'{names.COLLECTOR_SUCCESS.name}{{collector="engine"}}'
    return f"{up} == 0\nor\nmin by (job, instance) ({engine}) == 0\nor\nabsent({up})"


def events_rejected(scene: Scene) -> str:
    """Share of the lines received that were refused, or of the requests that could not be taken."""
    rejected = f"sum by (job) (increase({names.EVENTS_REJECTED.name}[{scene.fast}]))"
    lines = f"sum by (job) (increase({names.LINES.name}[{scene.fast}]))"
    reasons = matching("reason", ("overloaded", "store_error"))
    refused = f"{names.REQUESTS_REFUSED.name}{{{reasons}}}"
    refused = f"sum by (job, reason) (increase({refused}[{scene.fast}]))"
    requests = f"sum by (job) (increase({names.INGEST_DURATION.name}_count[{scene.fast}]))"
    return (
        f"{rejected} / ({lines} >= 100) > {REJECTED_RATIO}\n"
        f"or\n{refused} / on (job) group_left () ({requests} > 0) > {REFUSED_RATIO}"
    )


def rules_slow(scene: Scene) -> str:
    """Rules take longer than their interval, miss it, fail, or are not all loaded."""
    mine = f'job="{JOB_PROMETHEUS}"'
    named = 'rule_group=~".+;plumbline-(drift|quality|life).*"'
    ours = f"prometheus_rule_group_interval_seconds{{{mine}, {named}}}"
    evaluation = scene.evaluation
    # one per window, the fast and the slow window of each model's own, and life
    groups = len(drift_windows(evaluation)) + len(quality_windows(evaluation)) + 2
    return (
        f"max by (rule_group) (prometheus_rule_group_last_duration_seconds{{{mine}}})\n"
        f"> on (rule_group) max by (rule_group) (prometheus_rule_group_interval_seconds{{{mine}}})\n"
        f"or\nsum by (rule_group) "
        f"(increase(prometheus_rule_group_iterations_missed_total{{{mine}}}[{scene.short}])) > 0\n"
        f"or\nsum by (rule_group) "
        f"(increase(prometheus_rule_evaluation_failures_total{{{mine}}}[{scene.short}])) > 0\n"
        f"or\nmin by (job) (count by (job, instance) ({ours})) < {groups}\nor\nabsent({ours})"
    )


def notifications_failing(scene: Scene) -> str:
    """Alerts do not reach Alertmanager, or do not leave it, a hook failed, a configuration was not taken."""
    mine, am = f'job="{JOB_PROMETHEUS}"', f'job="{JOB_ALERTMANAGER}"'
    failed = f"{names.HOOK_CALLS.name}{{{matching('result', ('refused', 'unreachable', 'unknown', 'failed'))}}}"
    return (
        f"sum by (job) (increase(prometheus_notifications_errors_total{{{mine}}}[{scene.short}])) > 0\n"
        f"or\nsum by (job, integration) "
        f"(increase(alertmanager_notifications_failed_total{{{am}}}[{scene.short}])) > 0\n"
        f"or\nmin by (job) (prometheus_notifications_alertmanagers_discovered{{{mine}}}) < 1\n"
        f"or\nmin by (job) (prometheus_config_last_reload_successful{{{mine}}}) == 0\n"
        f"or\nmin by (job) (alertmanager_config_last_reload_successful{{{am}}}) == 0\n"
        f"or\nsum by (job, hook) (increase({failed}[{scene.short}])) > 0"
    )
