"""What a version's counters do not hold: outcomes that entered before its layout changed.

A correction takes back what it replaces. Cells that came with a change of baseline or slices never held an
outcome from before, so there is nothing to take back of them, and nothing to add: the outcome would not be
there either if it had been right from the beginning (docs/adr/0020). Where the classes changed, a cell of
before may stand for other classes now: such a correction is left out of quality, and counted as left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from plumbline import names
from plumbline.layout.version import VersionLayout

NEVER = 1e300  # due when nothing waits: JSON has no infinity
_CLASSES = (names.CONFUSION.name, names.CLASS_OUTCOMES.name)
_WHOLE = f"\x1f{names.ALL}\x1f{names.ALL}\x1f"


class Past(msgspec.Struct, frozen=True):
    """The latest change of a layout.

    Attributes:
        before: outcomes whose event, and whose prediction's, have a smaller sequence number came before it.
        due: outcomes that waited for maturity then, and so entered after it, are due no earlier.
        young: names of the cells that came with this change, or with one before it.
        slices: slices that were not declared before it: what waited then, waits without them.
        closed: whether corrections of what entered before are left out.
    """

    before: int
    due: float
    young: frozenset[str] = frozenset()
    slices: frozenset[str] = frozenset()
    closed: bool = False

    def columns(self, layout: VersionLayout, *, waited: bool) -> list[int]:
        """Return the places of cells that do not hold what entered before, or what waited then."""
        cells = enumerate(layout.cell_names())
        return [at for at, name in cells if name in self.young and (not waited or _slice_of(name) in self.slices)]

    def entered(self, seq: int, due: float) -> bool:
        """Whether an outcome entered before the change.

        Args:
            seq: the larger sequence number of the prediction and of its first outcome.
            due: when the prediction matured.
        """
        return seq < self.before and due < self.due


def changed(old_names: Sequence[str], layout: VersionLayout, past: Past | None, before: int, due: float) -> Past | None:
    """Return the past of a layout that follows another one; the same if nothing of quality changed.

    Args:
        old_names: cells of the layout before.
        layout: the layout now.
        past: of the layout before.
        before: sequence number of the first event that is counted by this layout.
        due: when the first outcome that waits is due; ``NEVER`` if none does.
    """
    known = set(old_names)
    revised = {name for name in layout.cell_names() if name.split("\x1f", 1)[0] in names.RETRACTED}
    fresh = revised - known
    closed = _classes(old_names) != _classes(layout.cell_names())
    if not fresh and not closed:
        return past
    kept = past.young & revised if past is not None else frozenset()
    slices = {_slice_of(name) for name in revised} - {_slice_of(name) for name in known}
    return Past(before, due, kept | fresh, frozenset(slices), closed)


def created(before: int) -> Past:
    """Return the past of a version that was unknown until now: what came before was counted elsewhere."""
    return Past(before, NEVER, closed=True)


def _slice_of(cell: str) -> str:
    """Return the slice of a cell; empty for one that is counted for all rows only."""
    metric, *labels = cell.split("\x1f")
    given = names.METRICS[metric].labels if metric in names.METRICS else ()
    return labels[given.index("slice")] if "slice" in given else ""


def _classes(cells: Sequence[str]) -> set[str]:
    return {name for name in cells if name.startswith(_CLASSES) and _WHOLE in name}
