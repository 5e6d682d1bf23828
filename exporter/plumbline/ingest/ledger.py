"""The exporter's account of lines: received = stored + duplicates + rejected, to the event.

Kept in one array that is stored in the same transaction as the events, so the account survives a crash
as exactly as they do.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.catalogue.model import Model
from plumbline.layout.section import LayoutBuilder, Section

Floats = npt.NDArray[np.float64]


class LedgerLayout:
    """Where each counter of the account lives."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        b = LayoutBuilder()
        self.lines = b.add(names.LINES, [()]).offset
        self.events = _offsets(b.add(names.EVENTS, [(k,) for k in names.EVENT_KINDS]))
        self.duplicates = _offsets(b.add(names.EVENTS_DUPLICATE, [(k,) for k in names.EVENT_KINDS]))
        self.rejected = _offsets(b.add(names.EVENTS_REJECTED, [(r,) for r in names.REJECT_REASONS]))
        self.unknown = _offsets(b.add(names.EVENTS_UNKNOWN, [(w,) for w in names.UNKNOWN_KINDS]))
        self.refused = _offsets(b.add(names.SERIES_REFUSED, [(m,) for m in models]))
        severities = (*names.SEVERITIES, names.OTHER)
        self.alerts = _pairs(b.add(names.ALERTS, _product(severities, names.ALERT_STATUSES)))
        self.hook_calls = _pairs(b.add(names.HOOK_CALLS, _product(names.HOOKS, names.HOOK_RESULTS)))
        self.declared = b.add(names.MODEL_DECLARED, [(name, m.owner) for name, m in models.items()])
        self.truncated = b.add(names.ALERTS_TRUNCATED, [()]).offset
        self.sections: tuple[Section, ...] = tuple(b.sections)
        self.size = b.size

    def cell_names(self) -> list[str]:
        """Name every cell in order."""
        return [key for section in self.sections for key in section.keys()]  # noqa: SIM118 - not a dict


def _offsets(section: Section) -> dict[str, int]:
    return {row[0]: section.offset + at for at, row in enumerate(section.labels)}


def _pairs(section: Section) -> dict[tuple[str, ...], int]:
    return {row: section.offset + at for at, row in enumerate(section.labels)}


def _product(first: Iterable[str], second: Iterable[str]) -> list[tuple[str, ...]]:
    return list(itertools.product(first, second))
