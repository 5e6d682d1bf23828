"""What parsing gives: items to store, and rejected lines."""

from __future__ import annotations

import msgspec

from plumbline.events.kinds import Event, OwnEvent


class Rejected(msgspec.Struct, frozen=True):
    """A line that is not stored.

    Attributes:
        line: 1-based line of the request body; blank lines count as lines but are not events.
        reason: one of ``names.REJECT_REASONS``.
        detail: what is wrong, for a person.
    """

    line: int
    reason: str
    detail: str


class Item(msgspec.Struct, frozen=True, gc=False):
    """An event that may be stored.

    Attributes:
        event: the decoded event.
        ts: epoch seconds, never after the arrival; the arrival time if the event has none.
        key: 64-bit signed hash that finds the event again: of its request id, or else its identity. Log
            lines, of which one request may have any number, always have their identity.
        identity: hash of what makes two events the same one (see ``docs/adr/0003``).
        explicit: whether the identity is an ``event_id`` of the sender's.
        links: further keys that find the event (``plumbline.keys``): its data batch, run, inputs, ...;
            and its identity, if explicit.
        raw: the line as it came, without surrounding white space.
    """

    event: Event | OwnEvent
    ts: float
    key: int
    identity: int
    explicit: bool
    links: tuple[int, ...]
    raw: bytes


class Parsed(msgspec.Struct, frozen=True):
    """A parsed body: ``lines == len(events) + len(rejected)``.

    ``truncated`` counts alerts that Alertmanager says it left out; no others are ever.
    """

    events: list[Item]
    rejected: list[Rejected]
    lines: int
    truncated: int = 0


def clip(text: str, limit: int = 300) -> str:
    """Return the text, cut off at ``limit`` characters: details are for people and must stay short."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
