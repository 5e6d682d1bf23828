"""Counts mature outcomes: confusion, score bins, Brier and log-loss sums; or the regression's error sums.

Sums, not finished scores: recording rules divide them over any window, and replicas add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.counting.judged import Judged
from plumbline.counting.serving import count_column, observe
from plumbline.events.kinds import ClassOrNumber
from plumbline.layout.quality import QualityCells, matrix_classes
from plumbline.layout.version import VersionLayout
from plumbline.values import code_of, codes_of, same_category

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
# A score of exactly 0 or 1 that is wrong would cost infinity; scikit-learn clips at the type's epsilon.
EPSILON = float(np.finfo(np.float64).eps)


def count_outcomes(
    layout: VersionLayout,
    cells: Floats,
    judged: Sequence[Judged],
    born: float | None = None,
    *,
    distributions: bool = True,
) -> None:
    """Add mature outcomes of one version to its cells; those that cannot be compared only to coverage.

    Args:
        layout: the version's layout.
        cells: the version's array, changed in place.
        judged: outcomes of this version.
        born: when the version was first deployed, from which its age counts; None if nobody said.
        distributions: whether to count the target's bins and the size of the error as well.
    """
    cells[layout.outcomes_matured] += len(judged)
    quality = layout.quality
    comparable = [j for j in judged if quality.why_excluded(j.prediction, j.actual) is None]
    if not comparable:
        return
    if quality.regression is not None:
        _count_regression(quality, quality.regression, cells, comparable)
    elif quality.confusion is not None and quality.codes is not None:
        _count_classes(quality, quality.confusion, cells, comparable)
    if distributions:
        _count_distributions(quality, cells, comparable)
    if layout.young is not None and born is not None:
        for at, age in enumerate(names.YOUNG_AGES.values()):
            young = [j for j in comparable if born <= j.predicted_ts < born + age]
            cells[layout.young.outcomes + at] += len(young)
            if quality.regression is not None:
                cells[layout.young.results + at] += np.abs(_errors(young)).sum()
            else:
                cells[layout.young.results + at] += _correct(quality, young)


def _errors(judged: Sequence[Judged]) -> Floats:
    return np.array([float(j.prediction) - float(j.actual) for j in judged], dtype=np.float64)


def _correct(q: QualityCells, judged: Sequence[Judged]) -> int:
    return int(compare_classes(q, [(j.prediction, j.actual) for j in judged])[2].sum())


def compare_classes(
    q: QualityCells, answers: Sequence[tuple[ClassOrNumber, ClassOrNumber]]
) -> tuple[Codes, Codes, Bools]:
    """Return of each (predicted, actual): the index of both classes, and whether they are one class.

    Undeclared classes have the index of "other". Two of them are one class only by their own names.
    """
    codes, other = q.codes or {}, len(q.classes) - 1
    predicted = np.array(codes_of(codes, [p for p, _ in answers], other), dtype=np.intp)
    actual = np.array(codes_of(codes, [a for _, a in answers], other), dtype=np.intp)
    same = predicted == actual
    if q.open_ended:
        for at in np.flatnonzero(same & (actual == other)).tolist():
            same[at] = same_category(*answers[at])
    return predicted, actual, same


def revise_outcomes(
    layout: VersionLayout,
    cells: Floats,
    revised: Sequence[tuple[Judged, Judged]],
    born: float | None = None,
    without: Sequence[int] = (),
) -> None:
    """Replace outcomes that had entered the cells: (what was counted, what stands now).

    Cells that grow by it take the growth; what others lose is added to what is retracted of them. The
    distributions of the target and of the error's size keep the first outcome: see docs/adr/0024. Cells
    ``without`` these outcomes stay as they are.
    """
    before, after = np.zeros(layout.size), np.zeros(layout.size)
    count_outcomes(layout, before, [old for old, _ in revised], born, distributions=False)
    count_outcomes(layout, after, [new for _, new in revised], born, distributions=False)
    change = after - before
    change[list(without)] = 0.0
    for section, taken in layout.retractions:
        cells[taken.offset : taken.end] -= np.minimum(change[section.offset : section.end], 0.0)
    # Nothing else falls: an outcome that can be compared is never replaced by one that cannot.
    cells += np.maximum(change, 0.0)


def count_early(layout: VersionLayout, cells: Floats, judged: Sequence[Judged]) -> None:
    """Add outcomes that were known early to the early view, as they came."""
    early, quality = layout.early, layout.quality
    assert early is not None
    comparable = [j for j in judged if quality.why_excluded(j.prediction, j.actual) is None]
    cells[early.outcomes] += len(comparable)
    if early.correct is not None:
        cells[early.correct] += _correct(quality, comparable)
    elif early.errors is not None:
        error = _errors(comparable)
        sums = (np.abs(error), error**2, np.maximum(error, 0), np.maximum(-error, 0))
        cells[early.errors : early.errors + 4] += [s.sum() for s in sums]


def _count_distributions(q: QualityCells, cells: Floats, judged: Sequence[Judged]) -> None:
    """Count outcomes into the target's bins and a regression's errors by size."""
    if q.actual is not None:
        count_column(q.actual, cells, [j.actual for j in judged])
    if q.magnitude is not None:
        observe(cells, q.magnitude, [abs(float(j.prediction) - float(j.actual)) for j in judged])


def _slice_rows(q: QualityCells, judged: Sequence[Judged]) -> tuple[Codes, Codes]:
    """Return (index of the judged pair, row of the cells) for each place where a pair is counted."""
    everyone = np.arange(len(judged))
    if not q.slices:
        return everyone, np.zeros(len(judged), dtype=np.intp)
    index, row = [everyone], [np.zeros(len(judged), dtype=np.intp)]
    for name, values in q.slices.items():
        other = values[names.OTHER]
        found = [values.get(j.slices[name], other) if name in j.slices else -1 for j in judged]
        rows = np.array(found, dtype=np.intp)
        index.append(everyone[rows >= 0])
        row.append(rows[rows >= 0])
    return np.concatenate(index), np.concatenate(row)


def _count_regression(q: QualityCells, at: Sequence[int], cells: Floats, judged: Sequence[Judged]) -> None:
    predicted = np.array([float(j.prediction) for j in judged])
    actual = np.array([float(j.actual) for j in judged])
    index, row = _slice_rows(q, judged)
    error = predicted[index] - actual[index]
    centred = actual[index] - q.centre
    count = len(q.rows)
    sums = (
        np.ones(len(error)),
        np.abs(error),
        error**2,
        np.maximum(error, 0),
        np.maximum(-error, 0),
        centred**2,
    )  # in the order of layout.REGRESSION_CELLS
    for offset, weights in zip(at[:-1], sums, strict=True):
        cells[offset : offset + count] += np.bincount(row, weights=weights, minlength=count)
    signs = 2 * row + (centred < 0)
    cells[at[-1] : at[-1] + 2 * count] += np.bincount(signs, weights=np.abs(centred), minlength=2 * count)


def _count_classes(q: QualityCells, at: int, cells: Floats, judged: Sequence[Judged]) -> None:
    predicted, actual, hit = compare_classes(q, [(j.prediction, j.actual) for j in judged])
    index, row = _slice_rows(q, judged)
    if q.per_class is not None:
        _count_per_class(q, q.per_class, cells, row, actual[index], predicted[index], hit[index])
        # One matrix, of all rows: the classes listed first, and the rest together.
        place = {name: at for at, name in enumerate(matrix_classes(q.classes))}
        shown = np.array([place.get(name, q.matrix - 1) for name in q.classes])
        places = shown[actual] * q.matrix + shown[predicted]
        size = q.matrix * q.matrix
    else:
        places = (row * q.matrix + actual[index]) * q.matrix + predicted[index]
        size = len(q.rows) * q.matrix * q.matrix
    cells[at : at + size] += np.bincount(places, minlength=size)
    if q.positive >= 0:
        scores = np.array([math.nan if j.score is None else j.score for j in judged])
        positive = (actual == q.positive).astype(np.intp)
        scored = ~np.isnan(scores)
        _count_score_bins(q, cells, scores[scored], positive[scored])
        clipped = np.clip(scores, EPSILON, 1 - EPSILON)
        loss = -np.log(np.where(positive == 1, clipped, 1 - clipped))
        _add_score_sums(q, cells, row, scored[index], ((scores - positive) ** 2)[index], loss[index])
    elif q.open_ended:
        scored = np.array([bool(j.scores) for j in judged])
        squares, loss = _class_scores(q, judged, actual)
        _add_score_sums(q, cells, row, scored[index], squares[index], loss[index])


def _count_per_class(
    q: QualityCells, at: int, cells: Floats, row: Codes, actual: Codes, predicted: Codes, hit: Bools
) -> None:
    """Add hits to their class, and every miss to the class predicted and to the one that was true."""
    results = len(names.CLASS_RESULTS)
    size = len(q.rows) * len(q.classes) * results
    base = row * len(q.classes)
    places = (
        (base + actual)[hit] * results,
        (base + predicted)[~hit] * results + 1,
        (base + actual)[~hit] * results + 2,
    )  # in the order of names.CLASS_RESULTS
    cells[at : at + size] += np.bincount(np.concatenate(places), minlength=size)


def _class_scores(q: QualityCells, judged: Sequence[Judged], actual: Codes) -> tuple[Floats, Floats]:
    """Return, per outcome, sum over classes of (p - y)^2 and the log-loss of the actual class.

    Over the classes that the scores name, declared or not, and the one that came true.
    """
    squares, chosen = np.ones(len(judged)), np.zeros(len(judged))
    other = len(q.classes) - 1
    for at, one in enumerate(judged):
        for name, probability in (one.scores or {}).items():
            code = code_of(q.codes or {}, name, other)
            if code == actual[at] and (code != other or same_category(name, one.actual)):
                chosen[at] += probability
            else:
                squares[at] += probability**2
    squares += chosen**2 - 2.0 * chosen  # 1 + ... is (p - 1)^2 of the class that came true
    return squares, -np.log(np.clip(chosen, EPSILON, 1.0))


def _add_score_sums(q: QualityCells, cells: Floats, row: Codes, scored: Bools, squares: Floats, loss: Floats) -> None:
    """Add to each row of the cells the outcomes that had a score, their Brier sum and their log-loss."""
    if q.scored is None or q.squared_score_error is None or q.log_loss is None:
        return
    count = len(q.rows)
    for offset, weights in ((q.scored, np.ones(len(row))), (q.squared_score_error, squares), (q.log_loss, loss)):
        cells[offset : offset + count] += np.bincount(row[scored], weights[scored], minlength=count)


def _count_score_bins(q: QualityCells, cells: Floats, scores: Floats, positive: npt.NDArray[np.intp]) -> None:
    if q.score_uppers is None or q.score_bins is None or q.score_sums is None:
        return
    bins = np.searchsorted(q.score_uppers, scores, side="left")
    count = len(q.score_uppers) + 1
    cells[q.score_bins : q.score_bins + 2 * count] += np.bincount(2 * bins + positive, minlength=2 * count)
    cells[q.score_sums : q.score_sums + count] += np.bincount(bins, weights=scores, minlength=count)


def positives_above(score_bins: Floats) -> Floats:
    """Return, per bin, the positives above it plus half of those in it.

    Args:
        score_bins: interleaved (negatives, positives) counts per bin, shape (2 x bins,).

    Returns:
        Shape (bins,). With the negatives n_b of a window, sum(n_b * a_b) / (n0 * n1) is the area under
        the ROC curve of the binned score (Mann-Whitney with ties at one half).
    """
    return _above(score_bins[1::2])


def negatives_above(score_bins: Floats) -> Floats:
    """Return, per bin, the negatives above it plus half of those in it. See ``positives_above``."""
    return _above(score_bins[::2])


def _above(counts: Floats) -> Floats:
    above: Floats = counts.sum() - np.cumsum(counts) + counts / 2
    return above
