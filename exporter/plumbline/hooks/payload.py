"""What a hook sends: one JSON object, documented field by field in ``docs/alerts-and-hooks.md``."""

from __future__ import annotations

import shlex
from typing import Any

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.events.kinds import Alert
from plumbline.files import file_name
from plumbline.units import format_time, parse_duration

PAYLOAD_VERSION = 1


def hook_payload(hook: str, alert: Alert, catalogue: Catalogue, since: float | None, now: float) -> dict[str, Any]:
    """Return the payload of a hook for an alert about a declared model.

    Args:
        hook: one of ``names.HOOKS``.
        alert: that fires.
        catalogue: what is declared.
        since: when the version last entered production, if it did.
        now: epoch seconds of the decision.
    """
    assert alert.model is not None
    payload: dict[str, Any] = {
        "payload_version": PAYLOAD_VERSION,
        "hook": hook,
        "incident": alert.incident,
        "decided": format_time(now),
        "model": alert.model,
        "version": alert.version,
        "alert": {
            "name": alert.alertname,
            "severity": alert.severity,
            "starts_at": format_time(alert.starts_at),
            "fingerprint": alert.fingerprint,
            "group_key": alert.group_key,
            "labels": alert.labels,
            "annotations": alert.annotations,
        },
        "links": {
            "dashboard": alert.annotations.get("dashboard_url"),
            "runbook": alert.annotations.get("runbook_url"),
            "expression": alert.generator_url or None,
            "alertmanager": alert.alertmanager_url or None,
            "exporter": catalogue.links.exporter,
        },
    }
    if hook == "rollback":
        payload["rollback_version"] = alert.annotations.get(names.ROLLBACK_ANNOTATION)
        payload["verdict"] = alert.annotations.get("verdict")
    if hook == "retrain":
        payload["period"] = _period(alert, catalogue, since, now)
    return payload


def _period(alert: Alert, catalogue: Catalogue, deployed: float | None, now: float) -> dict[str, str]:
    """Return the time whose predictions have mature outcomes by now, and how to export them."""
    name = alert.model or ""
    model = catalogue.models[name]
    end = now - model.outcome.maturity_seconds
    start = max(0.0, end - parse_duration(model.hooks.retrain_period))
    since, until = format_time(start), format_time(end)
    file = f"{file_name(name)}.parquet"
    return {
        "start": since,
        "end": until,
        **({} if deployed is None else {"version_in_production_since": format_time(deployed)}),
        "export": shlex.join(["plumbline", "export", name, file, "--from", since, "--to", until]),
    }
