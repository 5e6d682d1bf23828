"""Counts training-serving skew: served features against those that training code recomputed, by request.

Reads pairs of feature rows of one request, writes ``ml_feature_skew_rows_total`` and
``ml_feature_skew_mismatches_total``. A feature that the recomputation does not name is not compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from plumbline.events.kinds import Value
from plumbline.layout.features import FeatureSlot
from plumbline.layout.version import VersionLayout
from plumbline.values import code_of, is_missing, same_category

Floats = npt.NDArray[np.float64]

# float32 keeps a value within 6e-8 of itself and a sum in another order within about 1e-7: what differs by
# more was computed differently.
RELATIVE = 1e-6
ABSOLUTE = 1e-9


def count_skew(
    layout: VersionLayout, cells: Floats, pairs: Sequence[tuple[Mapping[str, Value], Mapping[str, Value]]]
) -> None:
    """Add pairs of (served, recomputed) features of one version to its cells."""
    for at, slot in enumerate(layout.features):
        compared = [
            (served.get(slot.name), recomputed[slot.name]) for served, recomputed in pairs if slot.name in recomputed
        ]
        cells[layout.skew_rows + at] += len(compared)
        cells[layout.skew_mismatches + at] += sum(
            not (same(slot.numeric, a, b) or _one_bin(slot, a, b)) for a, b in compared
        )


def _one_bin(slot: FeatureSlot, served: Value, recomputed: Value) -> bool:
    """Whether both are spellings of one category of the baseline, such as "no" and false of a boolean feature."""
    code = None if slot.codes is None else code_of(slot.codes, served)
    return code is not None and slot.codes is not None and code == code_of(slot.codes, recomputed)


def same(numeric: bool, served: Value, recomputed: Value) -> bool:
    """Whether two values of a feature are the same.

    Numbers: within 1e-6 of the larger one, or within 1e-9. Categories: by the name that counting gives
    them, so 1, 1.0 and "1" are one. Missing (null, absent or an empty text) equals only missing.
    """
    if not numeric:
        return same_category(served, recomputed)
    if is_missing(served) or is_missing(recomputed):
        return is_missing(served) and is_missing(recomputed)
    try:
        return math.isclose(served, recomputed, rel_tol=RELATIVE, abs_tol=ABSOLUTE)  # type: ignore[arg-type]
    except (TypeError, OverflowError):  # a text among the numbers, an integer beyond float64
        return served == recomputed
