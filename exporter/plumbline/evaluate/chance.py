"""A random alarm of equal frequency: the same alarms, all moved by the same random time.

Moving the whole row of alarms round a circle keeps their number, their lengths and the pauses between
them, so what is left is luck. Every one of ``SHIFTS`` evenly spaced moves is tried, so the answer is the
same each time. An alert that fires all the time has the precision and recall of its random twin: 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from plumbline.evaluate.incidents import Incident

SHIFTS = 997

_Bools = npt.NDArray[np.bool_]


class Span(Protocol):
    """What is needed of an alarm (``judge.Alarm``)."""

    @property
    def start(self) -> float:
        """Epoch seconds."""

    @property
    def end(self) -> float:
        """Epoch seconds."""

    @property
    def model(self) -> str:
        """Empty = any."""

    @property
    def metric(self) -> str:
        """Empty = any."""


@dataclass(frozen=True, slots=True)
class Chance:
    """What the same alarms would be worth at random times; None where nothing can be said.

    Attributes:
        precision: mean share of alarms that meet an incident.
        recall: mean share of incidents that meet an alarm.
    """

    precision: float | None
    recall: float | None


def by_chance(alarms: Sequence[Span], incidents: Sequence[Incident], over: tuple[float, float], grace: float) -> Chance:
    """Return the mean precision and recall over all moves.

    Args:
        alarms: with ``start``, ``end``, ``model`` and ``metric``.
        incidents: what happened.
        over: start and end of the history.
        grace: seconds after an incident in which an alarm is still true.
    """
    if not alarms or not incidents:
        return Chance(0.0 if alarms else None, 0.0 if incidents else None)
    first, last = over
    length = max(last - first, 1.0)
    moves = np.arange(1, SHIFTS + 1) * length / (SHIFTS + 1)
    hits: _Bools = np.zeros((len(alarms), len(incidents), SHIFTS), dtype=bool)
    for a, alarm in enumerate(alarms):
        start = (alarm.start - first + moves) % length
        end = start + (alarm.end - alarm.start)
        for i, incident in enumerate(incidents):
            if (alarm.model and incident.model and alarm.model != incident.model) or (
                alarm.metric and incident.metric and alarm.metric != incident.metric
            ):
                continue
            begin, stop = incident.start - first, min(incident.end + grace, last) - first
            hits[a, i] = (start <= stop) & (end > begin) | (end - length > begin)  # the part past the end
    return Chance(float(hits.any(axis=1).mean()), float(hits.any(axis=0).mean()))
