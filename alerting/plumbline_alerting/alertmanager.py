"""Alertmanager's configuration: who gets what, when, and what is muted by what.

Reads owners, time intervals and links of the catalogue; writes ``alerting/alertmanager.yml``. Accepted by
Alertmanager 0.25 (Debian 12) and newer.
"""

from __future__ import annotations

from typing import Any

from plumbline import names
from plumbline.catalogue.model import Catalogue, Receiver
from plumbline_alerting.messages import HTML, SLACK, SLACK_COLOUR, TEXT, TITLE
from plumbline_alerting.scene import Scene

NOBODY = "nobody"
DEAD_MAN_SWITCH = "dead-man-switch"
EXPORTER = "plumbline-exporter"

# What a broken input explains: muted while it is broken.
EXPLAINED_BY_INPUT = (
    "FeatureDrift",
    "PredictionDrift",
    "ModelQualityDecay",
    "CalibrationDrift",
    "SliceDisparity",
    "KpiDrop",
)
# What a new production version explains: for a while there is nothing to compare it with.
EXPLAINED_BY_ROLLOUT = ("ModelTrafficLost", "CanaryWorse", "KpiDrop")
# What a lost exporter explains. Pages on quality stay: with several exporters the others still count.
EXPLAINED_BY_EXPORTER = (
    *EXPLAINED_BY_INPUT,
    "CanaryWorse",
    "OutcomesLate",
    "OutcomeCoverageLow",
    "BaselineMissing",
    "ModelSilent",
    "PipelineRowsAnomalous",
    "PipelineStale",
    "ModelTrafficLost",
)


def page_receiver(owner: str) -> str:
    """Name of the receiver that pages an owner."""
    return f"{owner}-page"


def ticket_receiver(owner: str) -> str:
    """Name of the receiver that opens tickets for an owner."""
    return f"{owner}-ticket"


def configuration(catalogue: Catalogue) -> dict[str, Any]:
    """Return the whole configuration."""
    waits = _waits(catalogue)
    platform = catalogue.platform_owner
    config: dict[str, Any] = {}
    if catalogue.smtp is not None:
        smtp = catalogue.smtp
        config["global"] = {
            "smtp_smarthost": smtp.smarthost,
            "smtp_from": smtp.sender,
            **({} if smtp.require_tls else {"smtp_require_tls": False}),
            **({"smtp_auth_username": smtp.username} if smtp.username else {}),
            **({"smtp_auth_password_file": smtp.password_file} if smtp.password_file else {}),
        }
    config["route"] = {
        # An alert whose owner nobody knows must not get lost: the platform's owner takes it.
        "receiver": ticket_receiver(platform),
        "group_by": ["alertname", "model", "pipeline"],
        **waits["warning"],
        "routes": _routes(catalogue, waits),
    }
    config["inhibit_rules"] = inhibit_rules()
    config["receivers"] = _receivers(catalogue)
    if catalogue.time_intervals:
        config["time_intervals"] = [
            {"name": name, "time_intervals": list(intervals)}
            for name, intervals in sorted(catalogue.time_intervals.items())
        ]
    return config


def _waits(catalogue: Catalogue) -> dict[str, dict[str, str]]:
    """All three intervals per branch; ``repeat_interval`` acts on ticks of ``group_interval`` only."""
    if Scene(catalogue).accelerated:
        return {
            "watchdog": {"group_wait": "0s", "group_interval": "5s", "repeat_interval": "4s"},
            "exporter": {"group_wait": "0s", "group_interval": "5s", "repeat_interval": "10m"},
            "critical": {"group_wait": "1s", "group_interval": "5s", "repeat_interval": "10m"},
            "warning": {"group_wait": "2s", "group_interval": "10s", "repeat_interval": "30m"},
        }
    return {
        # Alertmanager tries again for one group_interval before it counts a notification as failed: an
        # exporter that restarts must not look like lost notifications.
        "exporter": {"group_wait": "5s", "group_interval": "5m", "repeat_interval": "12h"},
        # Just under the tick, or jitter would skip every other one.
        "watchdog": {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "50s"},
        "critical": {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"},
        "warning": {"group_wait": "5m", "group_interval": "30m", "repeat_interval": "3d"},
    }


def _routes(catalogue: Catalogue, waits: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    switch = catalogue.links.dead_man_switch
    routes: list[dict[str, Any]] = [
        {"receiver": DEAD_MAN_SWITCH if switch else NOBODY, "matchers": ['alertname="Watchdog"'], **waits["watchdog"]},
        # Everything else becomes an event of the store and may call a hook; then it goes on to people.
        {"receiver": EXPORTER, "continue": True, **waits["exporter"]},
        {"receiver": NOBODY, "matchers": ['severity="info"'], **waits["warning"]},
    ]
    for name, owner in sorted(catalogue.owners.items()):
        routes.append(
            {
                "receiver": page_receiver(name),
                "matchers": [f'owner="{name}"', 'severity="critical"'],
                **waits["critical"],
            }
        )
        ticket: dict[str, Any] = {
            "receiver": ticket_receiver(name),
            "matchers": [f'owner="{name}"', 'severity="warning"'],
            **waits["warning"],
        }
        if owner.ticket_hours is not None:
            ticket["active_time_intervals"] = [owner.ticket_hours]
        routes.append(ticket)
    routes.append(
        {"receiver": page_receiver(catalogue.platform_owner), "matchers": ['severity="critical"'], **waits["critical"]}
    )
    # The exporter's route has taken every alert, so nothing falls back to the root's receiver any more.
    routes.append({"receiver": ticket_receiver(catalogue.platform_owner), **waits["warning"]})
    return routes


def inhibit_rules() -> list[dict[str, Any]]:
    """What mutes what.

    Two labels that are missing on both sides count as equal, so each rule also demands that they are
    there; and no alert matches both sides of a rule.
    """
    return [
        {
            "source_matchers": ['alertname="ExporterDown"'],
            "target_matchers": [f'alertname=~"{"|".join(EXPLAINED_BY_EXPORTER)}"'],
        },
        {
            "source_matchers": ['alertname="ModelInputBroken"', 'model=~".+"'],
            "target_matchers": [f'alertname=~"{"|".join(EXPLAINED_BY_INPUT)}"', 'model=~".+"'],
            "equal": ["model"],
        },
        {
            # Data of a pipeline that failed grow old: its owner knows.
            "source_matchers": ['alertname="PipelineFailed"', 'pipeline=~".+"'],
            "target_matchers": ['alertname="PipelineStale"', 'pipeline=~".+"'],
            "equal": ["pipeline"],
        },
        {
            "source_matchers": ['severity="critical"', 'model=~".+"', 'version=~".+"'],
            "target_matchers": ['severity="warning"', 'model=~".+"', 'version=~".+"'],
            "equal": ["model", "version"],
        },
        {
            "source_matchers": ['alertname="ModelRollout"', 'model=~".+"'],
            "target_matchers": [f'alertname=~"{"|".join(EXPLAINED_BY_ROLLOUT)}"', 'model=~".+"'],
            "equal": ["model"],
        },
    ]


def _receivers(catalogue: Catalogue) -> list[dict[str, Any]]:
    receivers: list[dict[str, Any]] = [{"name": NOBODY}]
    if catalogue.links.dead_man_switch:
        receivers.append(
            {
                "name": DEAD_MAN_SWITCH,
                "webhook_configs": [{"url": catalogue.links.dead_man_switch, "send_resolved": False}],
            }
        )
    url = f"{catalogue.links.exporter.rstrip('/')}{names.ALERTS_PATH}"
    receivers.append({"name": EXPORTER, "webhook_configs": [{"url": url, "send_resolved": True}]})
    for name, owner in sorted(catalogue.owners.items()):
        for title, ways in ((page_receiver(name), owner.page), (ticket_receiver(name), owner.ticket)):
            receiver: dict[str, Any] = {"name": title}
            for way in ways:
                kind, body = _way(way)
                receiver.setdefault(kind, []).append(body)
            receivers.append(receiver)
    return receivers


def _way(way: Receiver) -> tuple[str, dict[str, Any]]:
    """Return Alertmanager's section and entry for one way to reach someone."""
    if way.webhook is not None:
        return "webhook_configs", {"url": way.webhook, "send_resolved": True}
    if way.pagerduty_routing_key_file is not None:
        return "pagerduty_configs", {
            "routing_key_file": way.pagerduty_routing_key_file,
            "send_resolved": True,
            "severity": "{{ .CommonLabels.severity }}",
            "description": TITLE,
            "details": {"text": TEXT},
            "links": [
                {"href": "{{ (index .Alerts 0).Annotations.dashboard_url }}", "text": "Dashboard"},
                {"href": "{{ (index .Alerts 0).Annotations.runbook_url }}", "text": "Runbook"},
            ],
        }
    if way.opsgenie_api_key_file is not None:
        return "opsgenie_configs", {
            "api_key_file": way.opsgenie_api_key_file,
            "send_resolved": True,
            "message": TITLE,
            "description": TEXT,
        }
    if way.slack_api_url_file is not None:
        return "slack_configs", {
            "api_url_file": way.slack_api_url_file,
            **({"channel": way.slack_channel} if way.slack_channel else {}),
            "send_resolved": True,
            "color": SLACK_COLOUR,
            "title": TITLE,
            "title_link": "{{ (index .Alerts 0).Annotations.dashboard_url }}",
            "text": SLACK,
        }
    if way.email is not None:
        return "email_configs", {
            "to": way.email,
            "send_resolved": True,
            "headers": {"Subject": TITLE},
            "html": HTML,
            "text": TEXT,
        }
    raise AssertionError("unreachable: the catalogue is checked for it (catalogue/receiver-kind)")
