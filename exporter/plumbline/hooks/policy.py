"""Whether a firing alert calls a hook, and if not, why not. Pure: reads, decides, returns.

Anyone who can reach the port can send an alert, so an alert alone decides little: a roll-back needs a version
that is in production by the deployments we have stored, and the target that these deployments name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from plumbline import names
from plumbline.catalogue.model import Catalogue, Hooks
from plumbline.events.kinds import Action, Alert
from plumbline.hooks.book import Book
from plumbline.hooks.payload import hook_payload
from plumbline.units import format_duration, parse_duration

Hook = Literal["rollback", "retrain", "freeze"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the alert's version stands, by the stored deployments.

    Attributes:
        stage: production, canary, shadow or retired.
        target: the version that was in production before it, if any.
        since: when it last entered production; None if no deployment said so.
    """

    stage: str
    target: str | None = None
    since: float | None = None


def triggered(alert: Alert, hooks: Hooks) -> Iterator[Hook]:
    """Yield the hooks that this alert may call."""
    critical = alert.severity == "critical"
    if hooks.freeze and critical:
        yield "freeze"
    if hooks.rollback is not None and critical and alert.alertname in hooks.rollback_on:
        yield "rollback"
    if hooks.retrain is not None and alert.alertname in hooks.retrain_on:
        yield "retrain"


def decide(alert: Alert, catalogue: Catalogue, standing: Standing, book: Book, now: float) -> tuple[list[Action], Book]:
    """Return what to do about an alert that has just begun to fire, and the book with it.

    Args:
        alert: new to the store.
        catalogue: what is declared.
        standing: of the alert's version.
        book: as committed, or as it stands in this transaction.
        now: epoch seconds.
    """
    model = None if alert.model is None else catalogue.models.get(alert.model)
    if model is None or alert.model is None or alert.status != "firing":
        return [], book
    actions = []
    for hook in triggered(alert, model.hooks):
        reason = _why_not(hook, alert, standing)
        live = hook == "freeze" or not model.hooks.dry_run
        cooldown = f"{'live' if live else 'dry'}/{hook}/{alert.model}"
        wait = parse_duration(model.hooks.cooldown)
        last = book.calls.get(cooldown)
        if reason is None and last is not None and now - last < wait:
            ago = format_duration(max(0, int(now - last)))
            reason = ("cooldown", f"already {ago} ago for this model; cool-down {model.hooks.cooldown}")
        if reason is not None:
            actions.append(_action(alert, hook, "ended", *reason))
            continue
        payload = hook_payload(hook, alert, catalogue, standing.since, now)
        if live:
            action = _action(alert, hook, "decided", None, "", payload)
            book = book.decided(action, now, cooldown)
        else:
            detail = f"would call {getattr(model.hooks, hook)}"
            action = _action(alert, hook, "ended", "dry_run", detail, payload)
            book = book.noted(cooldown, now)
        actions.append(action)
    return actions, book


def _why_not(hook: Hook, alert: Alert, standing: Standing) -> tuple[str, str] | None:
    if hook == "freeze":
        return None
    if alert.version is None:
        return "stale", "the alert names no version"
    if standing.stage != "production":
        return "stale", f"version {alert.version} is not in production: its stage is {standing.stage}"
    if hook == "retrain":
        return None
    wanted = alert.annotations.get(names.ROLLBACK_ANNOTATION, "")
    if not wanted:
        verdict = alert.annotations.get("verdict")
        return "held", verdict or "the alert's verdict names no version to roll back to"
    if standing.target != wanted:
        return "stale", f"the alert says to roll back to {wanted}, the deployments say {standing.target}"
    return None


def _action(
    alert: Alert,
    hook: Hook,
    phase: Literal["decided", "ended"],
    result: str | None,
    detail: str,
    payload: dict[str, object] | None = None,
) -> Action:
    return Action(
        action_id=f"{alert.incident}/{hook}",
        hook=hook,
        incident=alert.incident,
        phase=phase,
        model=alert.model or "",
        version=alert.version,
        alertname=alert.alertname,
        result=result,
        detail=detail[:500],
        payload=payload,
    )
