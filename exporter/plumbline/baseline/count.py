"""The second pass over the reference: every row counted into the chosen bins, per time block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline.baseline.bins import bin_numeric
from plumbline.baseline.convert import TextColumn
from plumbline.baseline.extent import Extent
from plumbline.baseline.layouts import CLASS_FEATURES, Layout
from plumbline.baseline.peaks import PeakCounter
from plumbline.baseline.quality import stable
from plumbline.baseline.rows import TIME, Progress, Source
from plumbline.baseline.table import Batch
from plumbline.names import ACTUAL_FEATURE, MISSING, PREDICTION_FEATURE
from plumbline.values import class_codes, code_of

Counts = npt.NDArray[np.int64]
Codes = npt.NDArray[np.intp]
_RARE_LEVELS = 10_000
UNSEEN = "unseen"  # one of names.PROBLEMS


@dataclass(frozen=True, slots=True)
class Counted:
    """What the second pass found, per feature.

    Attributes:
        counts: shape (blocks + 1, bins); the last row holds the table's rows that are in no block.
        rare: levels without a bin; absent where there are too many to keep.
        peaks: largest shares of missing and of unseen values per window; None without times.
    """

    counts: dict[str, Counts]
    rare: dict[str, list[str]]
    peaks: PeakCounter | None


def count_rows(
    source: Source, extent: Extent, layouts: dict[str, Layout], windows: Mapping[str, float], progress: Progress
) -> Counted:
    """Read the reference again and count every row."""
    blocks = extent.plan.blocks + 1
    counts = {key: np.zeros((blocks, len(layout.labels)), np.int64) for key, layout in layouts.items()}
    rare: dict[str, set[str]] = {
        key: set() for key, layout in layouts.items() if layout.kind == "categorical" and key not in CLASS_FEATURES
    }
    peaks = PeakCounter(windows, *extent.plan_times) if extent.plan_times and windows else None
    row = 0
    for batch in source.batches(progress, "counting the reference"):
        block = extent.plan.of(row, batch.rows, batch.numbers.get(TIME))
        row += batch.rows
        block[block < 0] = blocks - 1
        slots = peaks.add_rows(batch.numbers[TIME]) if peaks is not None else None
        for key, layout in layouts.items():
            size = len(layout.labels)
            codes = _codes(key, batch, layout)
            flat = np.bincount(block * size + codes, minlength=blocks * size)
            counts[key] += flat.reshape(blocks, size)
            if key in rare:
                _note_rare(rare[key], batch.texts[key], layout)
            if peaks is not None and slots is not None:
                peaks.add(f"{key}/{MISSING}", slots[codes == size - 1])
                if layout.kind == "categorical":
                    peaks.add(f"{key}/{UNSEEN}", slots[codes == size - 2])
    if ACTUAL_FEATURE in counts:
        # Only outcomes are compared with it, and an outcome that has come is not missing.
        counts[ACTUAL_FEATURE][:, -1] = 0
        if not counts[ACTUAL_FEATURE].any():
            del counts[ACTUAL_FEATURE]
    kept = {key: sorted(levels) for key, levels in rare.items() if len(levels) <= _RARE_LEVELS}
    return Counted(counts, kept, peaks)


def _codes(key: str, batch: Batch, layout: Layout) -> Codes:
    if layout.kind == "numeric":
        return bin_numeric(batch.numbers[key], layout.uppers)
    column = batch.texts[key]
    known, other = class_codes(layout.categories), len(layout.categories)
    table = np.array([*(code_of(known, level, other) for level in column.levels), other + 1], dtype=np.intp)
    return table[column.codes]


def _note_rare(rare: set[str], column: TextColumn, layout: Layout) -> None:
    """Collect levels that have no bin, until there are too many to keep."""
    if len(rare) > _RARE_LEVELS:
        return
    known = class_codes(layout.categories)
    levels = (column.levels[code] for code in np.unique(column.codes[column.codes >= 0]))
    rare.update(level for level in levels if code_of(known, level) is None)


def problem_peaks(key: str, counted: Counted, layout: Layout) -> dict[str, dict[str, float]]:
    """Return the largest share of values with a problem in any window, by problem and window."""
    if counted.peaks is None:
        return {}
    problems = [MISSING]
    if layout.kind == "categorical" and key != PREDICTION_FEATURE and key not in counted.rare:
        problems.append(UNSEEN)  # too many levels to remember: all that have no bin count as unseen
    found = {problem: counted.peaks.peaks(f"{key}/{problem}") for problem in problems}
    return {problem: {w: stable(s) for w, s in peaks.items()} for problem, peaks in found.items() if peaks}
