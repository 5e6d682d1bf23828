"""Which of several outcomes of one request is the truth: a function of the outcomes, not of their order.

A correction goes before every plain outcome; the newest correction, or without any the plain outcome known
first, stands. Equal times are settled by the value, so that no order of arrival can show (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from plumbline.events.kinds import ClassOrNumber

Rank = tuple[bool, bool, float, str]


class Reported(NamedTuple):
    """One outcome as reported: whether as a correction, when it became known (epoch seconds), and what."""

    correction: bool
    ts: float
    actual: ClassOrNumber

    def rank(self, comparable: bool = True) -> Rank:
        """Return what orders outcomes: the largest stands; of equals it does not matter which.

        Args:
            comparable: whether it can be compared with the prediction; one that cannot be never takes the
                place of one that can.
        """
        # 1, 1.0 and true name one class: they must not differ here.
        actual = float(self.actual) if isinstance(self.actual, int | float) else self.actual
        return comparable, self.correction, self.ts if self.correction else -self.ts, repr(actual)


def resolve(said: Iterable[Reported], comparable: Callable[[ClassOrNumber], bool]) -> Reported | None:
    """Return the outcome that stands; None if there is none."""
    return max(said, key=lambda one: one.rank(comparable(one.actual)), default=None)


def first_plain(said: Iterable[Reported]) -> Reported | None:
    """Return the plain outcome that was known first: the one that is matched or late, not a duplicate."""
    return max((one for one in said if not one.correction), key=Reported.rank, default=None)
