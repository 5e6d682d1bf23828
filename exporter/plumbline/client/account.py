"""The client's account: every event is in exactly one place, and the sum is always what was created."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from plumbline.names import CLIENT_DROP_REASONS

Place = Literal["queued", "spooled"]


@dataclass(frozen=True, slots=True)
class Stats:
    """A consistent snapshot: ``created == sent + queued + spooled + sum(dropped.values())``.

    Attributes:
        created: events given to this client, adopted ones included.
        adopted: of these, found on disk, left there by a process that ended.
        sent: stored by the exporter, as it said (also if it had them before).
        queued: in memory, the batch under way included.
        spooled: on disk.
        dropped: given up, by reason (``names.CLIENT_DROP_REASONS``); every reason is present.
    """

    created: int = 0
    adopted: int = 0
    sent: int = 0
    queued: int = 0
    spooled: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether the account adds up; it always does."""
        return self.created == self.sent + self.queued + self.spooled + sum(self.dropped.values())


class Account:
    """Moves counts between places, under one lock, so that no snapshot sees an event twice or nowhere."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may send, too
        self._created = 0
        self._adopted = 0
        self._sent = 0
        self._at: dict[Place, int] = {"queued": 0, "spooled": 0}
        self._dropped = dict.fromkeys(CLIENT_DROP_REASONS, 0)

    def create(self) -> None:
        """One event entered the queue."""
        with self._lock:
            self._created += 1
            self._at["queued"] += 1

    def create_spooled(self) -> None:
        """One event went to the disk as it came."""
        with self._lock:
            self._created += 1
            self._at["spooled"] += 1

    def create_dropped(self, reason: str) -> bool:
        """One event was given up as it came; return whether it is the first for this reason."""
        with self._lock:
            self._created += 1
            self._dropped[reason] += 1
            return self._dropped[reason] == 1

    def adopt(self, count: int, damaged: int) -> None:
        """Events of an earlier process were found: readable ones and ones that are not."""
        with self._lock:
            self._created += count + damaged
            self._adopted += count + damaged
            self._at["spooled"] += count
            self._dropped["spool_damaged"] += damaged

    def move(self, count: int, source: Place, target: Place) -> None:
        """Events went from memory to disk."""
        with self._lock:
            self._at[source] -= count
            self._at[target] += count

    def send(self, count: int, source: Place) -> None:
        """The exporter has stored events."""
        with self._lock:
            self._at[source] -= count
            self._sent += count

    def drop(self, count: int, source: Place, reason: str) -> None:
        """Events were given up."""
        with self._lock:
            self._at[source] -= count
            self._dropped[reason] += count

    def waiting(self) -> int:
        """Events that are neither sent nor dropped yet."""
        with self._lock:
            return self._at["queued"] + self._at["spooled"]

    def snapshot(self) -> Stats:
        """Return all counts of one moment."""
        with self._lock:
            return Stats(
                self._created, self._adopted, self._sent, self._at["queued"], self._at["spooled"], dict(self._dropped)
            )
