"""Alerts, and the actions that they set off: decided, called, ended, each recorded as an event.

Reads alerts of Alertmanager's webhook and what the runner of hooks reports; writes events, the book of hooks
and the counts of both.
"""

from __future__ import annotations

import msgspec

from plumbline import names
from plumbline.alerts import severity_of
from plumbline.events.kinds import Action, Alert
from plumbline.hooks.policy import Standing, decide
from plumbline.ingest.draft import Draft, deployments_of, store_event
from plumbline.ingest.stages import rollback_target, stage_of
from plumbline.keys import hash64, incident_key, model_alert_key
from plumbline.store.base import StoredEvent


def take_alert(draft: Draft, event: Alert) -> None:
    """Count an alert; decide on its hooks, or end those that its end makes void."""
    draft.ledger[draft.setup.ledger.alerts[severity_of(event), event.status]] += 1
    if event.status == "resolved":
        for one in list(draft.book.open.values()):
            if one.action.incident == event.incident and one.phase == "decided":
                end_action(draft, one.action.action_id, "resolved", "the alert resolved before the call")
        return
    known = draft.setup.catalogue.models
    standing = Standing(names.UNKNOWN)
    if event.model in known and event.version is not None:
        entries = deployments_of(draft, event.model)
        entered = [e.ts for e in entries if e.version == event.version and e.stage == "production"]
        standing = Standing(
            stage_of(entries, event.version).stage, rollback_target(entries, event.version), max(entered, default=None)
        )
    actions, draft.book = decide(event, draft.setup.catalogue, standing, draft.book, draft.now)
    for action in actions:
        _record(draft, action)


def begin_action(draft: Draft, action_id: str) -> None:
    """Record that an action is about to be called."""
    action = draft.book.open[action_id].action
    draft.book = draft.book.calling(action_id)
    _record(draft, msgspec.structs.replace(action, phase="calling", payload=None))


def end_action(draft: Draft, action_id: str, result: str, detail: str) -> None:
    """Record what became of an open action."""
    action = draft.book.open[action_id].action
    draft.book = draft.book.ended(action_id)
    ended = msgspec.structs.replace(action, phase="ended", result=result, detail=detail, payload=None)
    _record(draft, ended)


def _record(draft: Draft, action: Action) -> None:
    """Store an action as an event, and count it if it has ended."""
    layout = draft.setup.ledger
    draft.ledger[layout.lines] += 1
    draft.ledger[layout.events["action"]] += 1
    if action.result is not None:
        draft.ledger[layout.hook_calls[action.hook, action.result]] += 1
    action = msgspec.structs.replace(action, ts=draft.now)
    identity = hash64(b"h", action.action_id.encode(), action.phase.encode())
    links = (incident_key(action.incident), model_alert_key(action.model))
    raw = msgspec.json.encode(action)
    store_event(draft, StoredEvent(draft.next_seq, "action", draft.now, identity, identity, links, raw))
    draft.actions.append(action)
