"""The life of an alert: inactive, pending, firing, as Prometheus's rule manager decides it.

Reads at which evaluations a series of the expression was present; returns when the alert fired. The
same decisions as ``AlertingRule.Eval`` of Prometheus 2.42 to 3.x (rules/alerting.go):

- a series that appears makes a pending alert, whose time of activity is that evaluation;
- at an evaluation at which it is present and has been for at least ``for``, it fires (with ``for`` 0 at
  once);
- a pending alert whose series is missing from one evaluation is forgotten;
- a firing alert whose series is missing fires on while less than ``keep_firing_for`` has passed since
  the first evaluation without it; presence resets that clock;
- a resolved alert starts anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

# Times are multiples of a step; what a float adds to them must not decide whether `for` is over.
_ROUNDING = 1e-6


class State(Enum):
    """What ALERTS would say in its label ``alertstate``; inactive alerts have no sample."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Firing:
    """One uninterrupted time of firing.

    Attributes:
        start: the evaluation at which it began.
        end: the evaluation at which it no longer fired; the end of the history if it still did.
        active_at: since when the condition had held.
    """

    start: float
    end: float
    active_at: float


class Alert:
    """The state of one alert instance, evaluation by evaluation.

    Args:
        hold: seconds of ``for``.
        keep: seconds of ``keep_firing_for``.

    Attributes:
        state: after the last evaluation.
        active_at: since when the condition has held; meaningful unless inactive.
    """

    def __init__(self, hold: float, keep: float) -> None:
        self.state = State.INACTIVE
        self.active_at = 0.0
        self._hold = hold - _ROUNDING
        self._keep = keep - _ROUNDING if keep > 0.0 else 0.0
        self._missing_since: float | None = None

    def evaluate(self, at: float, present: bool) -> State:
        """Take the outcome of the evaluation at time ``at`` and return the new state."""
        if present:
            self._missing_since = None
            if self.state is State.INACTIVE:
                self.state, self.active_at = State.PENDING, at
            if self.state is State.PENDING and at - self.active_at >= self._hold:
                self.state = State.FIRING
        elif self.state is State.FIRING and self._keep > 0.0:
            if self._missing_since is None:
                self._missing_since = at
            if at - self._missing_since >= self._keep:
                self.state, self._missing_since = State.INACTIVE, None
        else:
            self.state = State.INACTIVE
        return self.state


def states(times: Sequence[float], present: Iterable[bool], hold: float, keep: float) -> list[State]:
    """Return the state after each evaluation, from inactive before the first."""
    alert = Alert(hold, keep)
    return [alert.evaluate(at, here) for at, here in zip(times, present, strict=True)]


def firings(times: Sequence[float], present: Iterable[bool], hold: float, keep: float) -> list[Firing]:
    """Return when the alert fired.

    Args:
        times: of the evaluations, rising; epoch seconds.
        present: whether the expression had the series at each.
        hold: seconds of ``for``.
        keep: seconds of ``keep_firing_for``.
    """
    alert = Alert(hold, keep)
    found: list[Firing] = []
    began: float | None = None
    active_at = 0.0
    for at, here in zip(times, present, strict=True):
        state = alert.evaluate(at, here)
        if state is State.FIRING and began is None:
            began, active_at = at, alert.active_at
        elif state is not State.FIRING and began is not None:
            found.append(Firing(began, at, active_at))
            began = None
    if began is not None:
        found.append(Firing(began, times[-1], active_at))
    return found
