"""Alerts, and the actions that they set off: decided, called, ended, each recorded as an event.

Reads alerts of Alertmanager's webhook and what the runner of hooks reports; writes events, the book of hooks
and the counts of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from plumbline import names
from plumbline.alerts import severity_of
from plumbline.engine.draft import Draft
from plumbline.engine.versions import rollback_target, stage_of
from plumbline.events.kinds import Action, Alert
from plumbline.hooks.policy import Standing, decide
from plumbline.keys import hash64, incident_key, model_alert_key
from plumbline.store.base import StoredEvent

if TYPE_CHECKING:
    from plumbline.engine.engine import Engine


class AlertsDraft(Draft):
    """The part of a transaction that is about alerts.

    Attributes:
        book: of hooks, replaced as it changes.
        actions: made by this transaction.
    """

    def __init__(self, engine: Engine, now: float) -> None:
        super().__init__(engine, now)
        self.book = engine.actions.book
        self.actions: list[Action] = []

    def _take_alert(self, event: Alert) -> None:
        self.ledger[self.engine.ledger_layout.alerts[severity_of(event), event.status]] += 1
        if event.status == "resolved":
            for one in list(self.book.open.values()):
                if one.action.incident == event.incident and one.phase == "decided":
                    self.end(one.action.action_id, "resolved", "the alert resolved before the call")
            return
        known = self.engine.catalogue.models
        standing = Standing(names.UNKNOWN)
        if event.model in known and event.version is not None:
            entries = self.entries.get(event.model) or self.engine.entries.get(event.model, [])
            entered = [e.ts for e in entries if e.version == event.version and e.stage == "production"]
            standing = Standing(
                stage_of(entries, event.version).stage,
                rollback_target(entries, event.version),
                max(entered, default=None),
            )
        actions, self.book = decide(event, self.engine.catalogue, standing, self.book, self.now)
        for action in actions:
            self._record(action)

    def begin(self, action_id: str) -> None:
        """Record that an action is about to be called."""
        action = self.book.open[action_id].action
        self.book = self.book.calling(action_id)
        self._record(msgspec.structs.replace(action, phase="calling", payload=None))

    def end(self, action_id: str, result: str, detail: str) -> None:
        """Record what became of an open action."""
        action = self.book.open[action_id].action
        self.book = self.book.ended(action_id)
        ended = msgspec.structs.replace(action, phase="ended", result=result, detail=detail, payload=None)
        self._record(ended)

    def _record(self, action: Action) -> None:
        """Store an action as an event, and count it if it has ended."""
        layout = self.engine.ledger_layout
        self.ledger[layout.lines] += 1
        self.ledger[layout.events["action"]] += 1
        if action.result is not None:
            self.ledger[layout.hook_calls[action.hook, action.result]] += 1
        action = msgspec.structs.replace(action, ts=self.now)
        identity = hash64(b"h", action.action_id.encode(), action.phase.encode())
        links = (incident_key(action.incident), model_alert_key(action.model))
        raw = msgspec.json.encode(action)
        self.transaction.events.append(StoredEvent(self._next, "action", self.now, identity, identity, links, raw))
        self._next += 1
        self.actions.append(action)
