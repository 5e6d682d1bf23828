"""Checks of the hooks: a hook that can never be called is a mistake."""

from __future__ import annotations

from plumbline.catalogue.advice import nearest
from plumbline.catalogue.checks.base import Found, check
from plumbline.catalogue.model import Catalogue
from plumbline.catalogue.source import Location
from plumbline.names import MODEL_ALERTS
from plumbline.units import parse_duration

_LONGEST_TIMEOUT_SECONDS = 60.0
_LISTS = {
    "rollback_on": [alert for alert, severity in MODEL_ALERTS.items() if severity == "critical"],
    "retrain_on": [*MODEL_ALERTS],
}


@check("catalogue/hook-alerts")
def hook_alerts(catalogue: Catalogue) -> Found:
    """Hooks wait for alerts about a model version; only pages roll back."""
    for name, model in catalogue.models.items():
        for key, known in _LISTS.items():
            here: Location = ("models", name, "hooks", key)
            alerts: tuple[str, ...] = getattr(model.hooks, key)
            if not alerts:
                yield here, "the list is empty: the hook would never be called; leave it out for the default"
            for i, alert in enumerate(alerts):
                if alert not in known:
                    kind = "critical alert" if key == "rollback_on" else "alert"
                    names = ", ".join(known)
                    message = f"{alert!r} is no {kind} about a model{nearest(alert, known)}: choose of {names}"
                    yield (*here, i), message


@check("catalogue/hook-timeout")
def hook_timeout(catalogue: Catalogue) -> Found:
    """A hook has some time to answer, and does not hang for long."""
    for name, model in catalogue.models.items():
        if not 0 < parse_duration(model.hooks.timeout) <= _LONGEST_TIMEOUT_SECONDS:
            message = f"the time-out is {model.hooks.timeout}: choose more than 0 and at most 60s"
            yield ("models", name, "hooks", "timeout"), message
        if parse_duration(model.hooks.retrain_period) <= 0:
            message = "the period is empty: choose a length such as 90d"
            yield ("models", name, "hooks", "retrain_period"), message
