"""The book of actions: which hook was decided on when, and which actions have not ended.

Kept in the store as one value, written in the same transactions as the events, so that a decision survives
whatever happens after it.
"""

from __future__ import annotations

import msgspec

from plumbline.events.kinds import Action


class OpenAction(msgspec.Struct, frozen=True):
    """An action that has not ended.

    Attributes:
        action: the decision, payload included.
        phase: "decided", or "calling" once a call may have left.
        decided: epoch seconds.
    """

    action: Action
    phase: str
    decided: float


class Book(msgspec.Struct, frozen=True):
    """Committed state. Instances are replaced, never changed.

    Attributes:
        calls: cool-down name (mode, hook, model) -> epoch seconds of the last decision.
        open: action id -> action that has not ended.
    """

    calls: dict[str, float] = {}
    open: dict[str, OpenAction] = {}

    def decided(self, action: Action, now: float, cooldown: str) -> Book:
        """Return the book with one more decision to call."""
        opened = OpenAction(action, "decided", now)
        return Book({**self.calls, cooldown: now}, {**self.open, action.action_id: opened})

    def noted(self, cooldown: str, now: float) -> Book:
        """Return the book with a cool-down started without a call (a dry run)."""
        return Book({**self.calls, cooldown: now}, self.open)

    def calling(self, action_id: str) -> Book:
        """Return the book with an action that is about to be called."""
        one = self.open[action_id]
        return Book(self.calls, {**self.open, action_id: OpenAction(one.action, "calling", one.decided)})

    def ended(self, action_id: str) -> Book:
        """Return the book without an action."""
        return Book(self.calls, {key: one for key, one in self.open.items() if key != action_id})


def encode_book(book: Book) -> bytes:
    """Encode for the store."""
    return msgspec.json.encode(book)


_decode = msgspec.json.Decoder(Book).decode


def decode_book(data: bytes | None) -> Book:
    """Decode from the store; None is an empty book."""
    return Book() if data is None else _decode(data)
