"""The held-out rows of a baseline: reads them, returns quality, its spread and the score bins.

Only four columns are held: prediction, outcome, score, time (32 bytes a row), because ROC-AUC over the
rows themselves needs all of them at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from plumbline.baseline.artefact import Quality, ScoreBins
from plumbline.baseline.blocks import MINIMUM_BLOCKS, BlockCounter
from plumbline.baseline.convert import TextColumn
from plumbline.baseline.observed import SHORTEST, observed_blocks
from plumbline.baseline.quality import Rows, error_edges, measure_with_spread, score_bins, stable
from plumbline.baseline.rows import TIME, Progress, Source, no_rows
from plumbline.baseline.spread import window_gap_spreads, window_spreads
from plumbline.catalogue.model import Model
from plumbline.errors import TableError
from plumbline.names import ACTUAL_FEATURE, PREDICTION_FEATURE, SCORE_FEATURE
from plumbline.values import class_codes, code_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the held-out rows say.

    Attributes:
        rows: rows with an outcome.
        metrics: quality by metric name.
        score_bins: binary models with a score.
        actual_mean: regression: mean outcome.
        error_edges: regression: bounds of the histogram of the absolute error.
        remarks: what was left out, one sentence each.
    """

    rows: int
    metrics: dict[str, Quality]
    score_bins: ScoreBins | None
    actual_mean: float | None
    error_edges: list[float] | msgspec.UnsetType
    remarks: tuple[str, ...]


def measure_heldout(
    source: Source, model: Model, block_seconds: float, windows: Mapping[str, float], progress: Progress
) -> HeldOut:
    """Measure quality on the held-out rows.

    Args:
        source: the table.
        model: its catalogue entry.
        block_seconds: length of a time block.
        windows: windows over which the rules look at quality: name and seconds.
        progress: called with what is being done and the number of rows just read.

    Raises:
        TableError: no row has an outcome, a score is not a probability, or a class is not declared.
    """
    predicted, actual, score, times = _read(source, model, progress)
    if not predicted.size:
        raise no_rows(source, "quality")
    known = ~np.isnan(actual)
    if not known.any():
        raise TableError(
            f"{source.tables[0]}: column {source.wanted[ACTUAL_FEATURE].column!r} is empty in every held-out "
            "row: quality needs outcomes"
        )
    usable = known & ~np.isnan(predicted)
    remarks = []
    if not known.all():
        remarks.append(f"{int((~known).sum())} held-out rows have no outcome and are left out of the quality")
    if score is not None:
        usable &= ~np.isnan(score)
    elif model.task == "binary":
        remarks.append("the table has no score: no ROC-AUC, Brier score, log-loss and score bins")
    incomplete = int((known & ~usable).sum())
    if incomplete:
        remarks.append(f"{incomplete} held-out rows have an outcome but no prediction or score and are left out")
    if not usable.any():
        raise TableError(f"{source.tables[0]}: no held-out row has both a prediction and an outcome")
    total = int(usable.sum())
    times = times[usable] if times is not None else None
    blocks = _blocks(times, total, block_seconds)
    rows = Rows(predicted[usable], actual[usable], score[usable] if score is not None else None, blocks)
    classes = list(model.classes or ())
    positive = classes.index(model.positive_class) if model.task == "binary" and model.positive_class else 0
    bins = score_bins(rows.score, rows.actual == positive, blocks) if rows.score is not None else None
    mean: float | None = None
    edges: list[float] | msgspec.UnsetType = msgspec.UNSET
    if model.task == "regression":
        mean = stable(float(np.mean(rows.actual)))
        edges = error_edges(rows.predicted, rows.actual)
    metrics = measure_with_spread(rows, model.task, positive)
    if times is not None:
        spreads = window_spreads(rows, times, windows, model.task, positive)
        metrics = {
            metric: msgspec.structs.replace(quality, spreads=spreads.get(metric, {}))
            for metric, quality in metrics.items()
        }
        if bins is not None and rows.score is not None:
            gaps = window_gap_spreads(rows.score, rows.actual == positive, times, windows, bins.uppers)
            bins = msgspec.structs.replace(bins, gap_spreads=gaps)
    return HeldOut(total, metrics, bins, mean, edges, tuple(remarks))


def _blocks(times: Floats | None, rows: int, seconds: float) -> Ints:
    if times is not None and seconds >= SHORTEST:
        return observed_blocks(times, seconds)
    counter = BlockCounter(seconds)
    if times is not None:
        counter.add(times)
    return counter.plan(rows, times, MINIMUM_BLOCKS).of(0, rows, times)


def _read(source: Source, model: Model, progress: Progress) -> tuple[Floats, Floats, Floats | None, Floats | None]:
    known, undeclared = class_codes(model.classes or ()), dict[str, int]()
    parts: dict[str, list[Floats]] = {key: [] for key in source.wanted}
    for batch in source.batches(progress, "reading held-out rows"):
        for key, values in batch.numbers.items():
            parts[key].append(values)
        for key, column in batch.texts.items():
            if key in parts:  # the column of the filter is not
                parts[key].append(_classes(column, known, undeclared))
    columns = {key: np.concatenate(arrays) if arrays else np.empty(0) for key, arrays in parts.items()}
    return columns[PREDICTION_FEATURE], columns[ACTUAL_FEATURE], columns.get(SCORE_FEATURE), columns.get(TIME)


def _classes(column: TextColumn, known: Mapping[object, int], undeclared: dict[str, int]) -> Floats:
    """Return the class index of each row: below 0 one of its own for each undeclared class, NaN = missing."""
    for level in column.levels:
        if code_of(known, level) is None:
            undeclared.setdefault(level, -1 - len(undeclared))
    codes = [code_of(known, level, undeclared.get(level, 0)) for level in column.levels]
    return np.array([*codes, math.nan], dtype=np.float64)[column.codes]
