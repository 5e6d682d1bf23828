"""Where a feature's values and problems are counted, in the bins of the version's baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.layout.section import Floats, LayoutBuilder, Section
from plumbline.values import class_codes


@dataclass(frozen=True, slots=True)
class FeatureSlot:
    """Where and how one feature is counted.

    Attributes:
        name: the feature.
        numeric: whether values are numbers.
        uppers: see ``FeatureBins.uppers``; None without a baseline.
        codes: categorical: value to bin index, that of missing ones for None; None without a baseline.
        rare: categorical: what finds the levels that the baseline saw but that have no bin of their own.
        bins: cells of ml_feature_values_total; None without a baseline.
        problems: offset of the four cells of ml_feature_problems_total.
    """

    name: str
    numeric: bool
    uppers: Floats | None
    codes: dict[object, int] | None
    rare: frozenset[object]
    bins: Section | None
    problems: int


def place_feature(
    b: LayoutBuilder, mv: tuple[str, str], name: str, numeric: bool, baseline: Baseline | None
) -> FeatureSlot:
    """Place the counters of a feature or pseudo-feature.

    Args:
        b: hands out the cells.
        mv: model and version.
        name: the feature.
        numeric: whether the catalogue says that its values are numbers.
        baseline: where its bins are; without them only problems are counted.
    """
    bins = None if baseline is None else baseline.features.get(name)
    if bins is not None and (bins.kind == "numeric") != numeric:
        bins = None  # the catalogue changed the type after the baseline: the bins mean something else
    section = None if bins is None else b.add(names.FEATURE_VALUES, [(*mv, name, bin_) for bin_ in bins.labels])
    problems = b.add(names.FEATURE_PROBLEMS, [(*mv, name, problem) for problem in names.PROBLEMS]).offset
    uppers = np.array(bins.uppers, dtype=np.float64) if bins is not None and numeric else None
    codes = None
    if bins is not None and not numeric:
        codes = class_codes(bins.categories) | {None: len(bins.labels) - 1}
    rare = frozenset(class_codes(bins.rare if bins is not None else ()))
    return FeatureSlot(name, numeric, uppers, codes, rare, section, problems)
