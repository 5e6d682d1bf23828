"""Counts predictions, errors, latency and every feature's bins: one numpy pass per column of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from plumbline.baseline.bins import bin_numeric
from plumbline.events.kinds import Prediction, Value
from plumbline.layout.features import FeatureSlot
from plumbline.layout.quality import QualityCells
from plumbline.layout.section import Section
from plumbline.layout.version import VersionLayout
from plumbline.values import as_float, category_name, codes_of, is_missing, is_number

Floats = npt.NDArray[np.float64]

_MISSING, _WRONG_TYPE, _UNSEEN, _OUT_OF_RANGE = range(4)
_NUMBER_TYPES = {float, int, type(None)}


def count_predictions(
    layout: VersionLayout, cells: Floats, events: Sequence[Prediction], times: Sequence[float]
) -> int:
    """Add a batch of one version's predictions to its cells.

    Args:
        layout: the version's layout.
        cells: the version's array, changed in place.
        events: predictions of this version.
        times: epoch seconds of each.

    Returns:
        How many feature values had a name that the catalogue does not declare.
    """
    cells[layout.predictions] += len(events)
    cells[layout.errors] += sum(1 for e in events if e.status == "error")
    cells[layout.last] = max(cells[layout.last], max(times))
    observe(cells, layout.latency, [e.latency for e in events if e.latency is not None])
    features = [e.features for e in events]
    for slot, column in zip(layout.features, _columns(layout, features), strict=True):
        count_column(slot, cells, column)
    answered = [e for e in events if e.status == "ok"]
    if layout.prediction_slot is not None and answered:
        count_column(layout.prediction_slot, cells, [e.prediction for e in answered])
    if layout.score_slot is not None and answered:
        count_column(layout.score_slot, cells, [e.score for e in answered])
    _count_estimate(layout.quality, cells, answered)
    declared = {slot.name for slot in layout.features}
    if not declared:
        return 0
    return sum(len(row.keys() - declared) for row in features if not row.keys() <= declared)


def _count_estimate(q: QualityCells, cells: Floats, answered: Sequence[Prediction]) -> None:
    """Add the confusion that the baseline lets expect of these scores (CBPE)."""
    if q.estimated is None or q.score_shares is None or q.score_uppers is None or q.codes is None:
        return
    scored = [e for e in answered if e.score is not None]
    predicted = np.array(codes_of(q.codes, [e.prediction for e in scored], -1), dtype=np.intp)
    known = predicted >= 0
    if not known.any():
        return
    scores = np.array([e.score for e in scored], dtype=np.float64)[known]
    share = q.score_shares[np.searchsorted(q.score_uppers, scores, side="left")]
    # Binary: the other class is the one that is not positive.
    for actual, weights in ((q.positive, share), (1 - q.positive, 1.0 - share)):
        at = q.estimated + 2 * actual
        cells[at : at + 2] += np.bincount(predicted[known], weights=weights, minlength=2)


def _columns(layout: VersionLayout, features: Sequence[dict[str, Value]]) -> list[list[Value]]:
    """Turn rows of a batch into one list per declared feature; absent values are None."""
    wanted = [slot.name for slot in layout.features]
    if len(wanted) > 1:
        try:  # one C call per event where every feature is there, which is the rule
            return [list(column) for column in zip(*map(itemgetter(*wanted), features), strict=True)]
        except KeyError:
            pass
    return [[row.get(name) for row in features] for name in wanted]


def observe(cells: Floats, section: Section, values: Sequence[float] | Floats) -> None:
    """Add observations to a one-row histogram: bucket counts (le inclusive), then the sum."""
    if not len(values):
        return
    array = np.asarray(values, dtype=np.float64)
    width = section.columns - 1
    buckets = np.searchsorted(np.asarray(section.metric.buckets), array, side="left")
    cells[section.offset : section.offset + width] += np.bincount(buckets, minlength=width)
    cells[section.offset + width] += array.sum()


def count_column(slot: FeatureSlot, cells: Floats, column: Sequence[object]) -> None:
    """Count one feature's values of a batch into its bins and problems."""
    problems = np.zeros(4)
    codes = _numeric_codes(slot, column, problems) if slot.numeric else _category_codes(slot, column, problems)
    cells[slot.problems : slot.problems + 4] += problems
    if slot.bins is not None and codes is not None:
        section = slot.bins
        cells[section.offset : section.end] += np.bincount(codes, minlength=section.size)


def _numeric_codes(slot: FeatureSlot, column: Sequence[object], problems: Floats) -> npt.NDArray[np.intp] | None:
    if not set(map(type, column)) <= _NUMBER_TYPES:
        wrong = [not (is_number(value) or is_missing(value)) for value in column]
        problems[_WRONG_TYPE] += sum(wrong)
        column = [value if is_number(value) else None for value in column]
    try:
        values = np.array(column, dtype=np.float64)  # None becomes NaN
    except OverflowError:  # an integer beyond float64
        values = np.array([as_float(v) if is_number(v) else np.nan for v in column])
    missing = np.isnan(values)
    problems[_MISSING] += missing.sum() - problems[_WRONG_TYPE]
    if slot.uppers is None:
        return None
    codes = bin_numeric(values, slot.uppers)
    above = len(slot.uppers)
    problems[_OUT_OF_RANGE] += int(((codes == 0) | (codes == above)).sum())
    return codes


def _category_codes(slot: FeatureSlot, column: Sequence[object], problems: Floats) -> npt.NDArray[np.intp] | None:
    if slot.codes is None:
        problems[_MISSING] += sum(map(is_missing, column))
        return None
    assert slot.bins is not None
    missing = slot.bins.size - 1
    other = missing - 1
    look_up = slot.codes.get
    codes = [look_up(v, -1) for v in column]
    if -1 in codes:  # another spelling of a known name, or no known name
        for at, code in enumerate(codes):
            if code == -1:
                name = category_name(column[at])
                codes[at] = known = look_up(name, other)
                problems[_UNSEEN] += known == other and name not in slot.rare and column[at] not in slot.rare
    problems[_MISSING] += codes.count(missing)
    return np.asarray(codes, dtype=np.intp)
