"""What the engine asks of a store, whatever holds it.

One ``Transaction`` carries events and everything the engine derived from them (counters, outcomes that
wait), so all of it is durable together or not at all: that is what makes every acknowledged event
counted exactly once after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class StoredEvent:
    """A stored event. ``kind`` is the event's type; see ``plumbline.events.parsed.Item`` for the rest.

    It is found under its ``key`` and under each of its ``links``.
    """

    seq: int
    kind: str
    ts: float
    key: int
    identity: int
    links: tuple[int, ...]
    raw: bytes


@dataclass(slots=True)
class Waiting:
    """An outcome that waits.

    Attributes:
        prediction: sequence number of its prediction (pending), or of the outcome itself (orphan).
        due: when it enters the quality counters (pending) or is counted as orphan.
        key: key of the outcome's request.
        body: what the engine needs then, in its own encoding.
    """

    prediction: int
    due: float
    key: int
    body: bytes


@dataclass(slots=True)
class Transaction:
    """One atomic, durable change.

    Attributes:
        events: new events; sequence numbers ascend from ``Store.last_seq + 1`` without gaps.
        state: named values that replace what was there.
        pending: outcomes that wait for maturity; one per prediction, a later one replaces it.
        pending_done: sequence numbers of predictions whose outcome no longer waits.
        orphans: outcomes that wait for their prediction.
        orphans_done: sequence numbers of outcomes that no longer do.
    """

    events: list[StoredEvent] = field(default_factory=list)
    state: dict[str, bytes] = field(default_factory=dict)
    pending: list[Waiting] = field(default_factory=list)
    pending_done: list[int] = field(default_factory=list)
    orphans: list[Waiting] = field(default_factory=list)
    orphans_done: list[int] = field(default_factory=list)


class Reader(Protocol):
    """Looks events up for people: traces, batches, exports.

    Safe in any thread and beside the process that writes; never waits for a writer and never makes one
    wait. An event is seen soon after its transaction is durable, never before.
    """

    def find_after(self, key: int, after: int = 0, limit: int = 1000) -> list[int]:
        """Return the sequence numbers above ``after`` of events with this key, ascending, at most ``limit``.

        A key is an event's ``key`` or any of its ``links``. Calling again with the last number returned
        goes through any number of events in bounded memory; an empty list is the end.

        Raises:
            StoreError: the store could not be read. So do the other methods.
        """

    def find(self, keys: Sequence[int]) -> dict[int, list[int]]:
        """Return, for each of many keys that any event has, its sequence numbers, oldest first."""

    def read(self, seqs: Iterable[int]) -> dict[int, StoredEvent]:
        """Return the events that exist among these sequence numbers, in no order."""

    def scan(self, kind: str, start: float, end: float, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """Return events of a kind with ``start <= ts < end`` and ``seq > after``, by ascending seq.

        At most ``limit``; to be called again as ``find_after`` is. It may have to pass over every event.
        """

    def waiting(self, predictions: Sequence[int]) -> dict[int, float]:
        """Return, for those of these predictions whose outcome waits for maturity, when it will count."""

    def close(self) -> None:
        """Release what the reader holds."""


class Store(Protocol):
    """A store of events and of the engine's state."""

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest event; 0 if there is none."""

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""

    @property
    def generation(self) -> int:
        """Grows when what is stored has become newer than the calls of ``write`` told.

        A server can commit and vanish before it says so. The call that finds this out raises
        ``StoreError``; whoever keeps anything derived from the store then reads it again.
        """

    def write(self, transaction: Transaction) -> None:
        """Make the transaction durable.

        Raises:
            StoreFull: no space left.
            StoreError: anything else went wrong. In both cases nothing of it was stored.
        """

    def find(self, keys: Sequence[int]) -> dict[int, list[int]]:
        """Return, for each of these keys or links that any event has, its sequence numbers, oldest first."""

    def read(self, seqs: Iterable[int]) -> dict[int, StoredEvent]:
        """Return the events that exist among these sequence numbers."""

    def state(self) -> dict[str, bytes]:
        """Return all named values."""

    def pending_for(self, predictions: Sequence[int]) -> dict[int, Waiting]:
        """Return the waiting outcomes of these predictions."""

    def pending_due(self, now: float, limit: int) -> list[Waiting]:
        """Return up to ``limit`` pending outcomes whose time has come, earliest first."""

    def pending_count(self) -> int:
        """Return how many outcomes wait for maturity."""

    def orphans(self) -> list[Waiting]:
        """Return the outcomes that wait for their prediction."""

    def reader(self) -> Reader:
        """Return a reader for other threads; who asked for it closes it, before the store."""

    def close(self) -> None:
        """Release files and locks. Durable state needs no closing."""
