"""The engine's side of hooks: each step of an action is durable before the next is taken.

Decisions are made in the transaction that stores the alert. Before a call leaves, "calling" is stored; after
it, how it ended. So after a crash an action that was only decided may still be called, and one that was
calling never is again: at most once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from plumbline.errors import StoreError
from plumbline.events.kinds import Action
from plumbline.hooks.book import Book
from plumbline.ingest.alerts import begin_action, end_action
from plumbline.ingest.draft import Draft
from plumbline.ingest.state import Delta

log = structlog.get_logger(__name__)


class Apply(Protocol):
    """Makes one change in a transaction of its own."""

    def __call__(self, change: Callable[[Draft], None], now: float) -> None:
        """Raises StoreError if nothing of it was stored."""


class Actions:
    """Actions of hooks. Any thread may call it.

    Args:
        apply: stores a change.

    Attributes:
        book: committed state.
        listener: told the id of every action that was decided, from the writing thread; must not block.
    """

    def __init__(self, apply: Apply) -> None:
        self.book = Book()
        self.listener: Callable[[str], None] = lambda action_id: None
        self._apply = apply
        self._unsure: set[str] = set()  # their "calling" was not confirmed, so no call has left

    def restored(self, book: Book) -> None:
        """Take over the stored book; tell the listener of decisions whose commit was never confirmed."""
        unheard = [
            action_id
            for action_id, one in book.open.items()
            if one.phase == "decided" and action_id not in self.book.open
        ]
        self.book = book
        for action_id in unheard:
            self.listener(action_id)

    def committed(self, delta: Delta) -> None:
        """Take over what a transaction made durable, log it, and tell the listener."""
        self.book = delta.book
        for action in delta.actions:
            _say(action)
            if action.phase == "decided":
                self.listener(action.action_id)

    def begin(self, action_id: str, now: float) -> Action | None:
        """Store that an action is about to be called; return it, or None if it no longer may be.

        Raises:
            StoreError: it could not be stored, so it must not be called.
        """
        begun: list[Action] = []

        def begin(draft: Draft) -> None:
            one = draft.book.open.get(action_id)
            if one is not None and one.phase == "decided":
                begin_action(draft, action_id)
                begun.append(one.action)
            elif one is not None and action_id in self._unsure:
                begun.append(one.action)  # stored by the attempt before, which raised StoreError

        try:
            self._apply(begin, now)
        except StoreError:
            if begun:
                self._unsure.add(action_id)
            raise
        self._unsure.discard(action_id)
        return begun[0] if begun else None

    def end(self, action_id: str, result: str, detail: str, now: float) -> None:
        """Store how an open action ended; one that has ended already stays as it was.

        Raises:
            StoreError: it could not be stored.
        """

        def end(draft: Draft) -> None:
            if action_id in draft.book.open:
                end_action(draft, action_id, result, detail)

        self._apply(end, now)


def _say(action: Action) -> None:
    say = log.warning if action.phase != "ended" or action.hook != "freeze" else log.info
    say(
        f"hook {action.phase}",
        hook=action.hook,
        model=action.model,
        version=action.version,
        alert=action.alertname,
        incident=action.incident,
        result=action.result,
        detail=action.detail,
    )
