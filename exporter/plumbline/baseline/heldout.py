"""The held-out rows of a baseline: reads them, returns quality, its spread and the score bins.

Only four columns are held: prediction, outcome, score, time (32 bytes a row), because ROC-AUC over the
rows themselves needs all of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from plumbline.baseline.artefact import Quality, ScoreBins
from plumbline.baseline.blocks import MINIMUM_BLOCKS, BlockCounter
from plumbline.baseline.cells import codes_of
from plumbline.baseline.observed import SHORTEST, observed_blocks
from plumbline.baseline.quality import Rows, error_edges, measure_with_spread, score_bins, stable
from plumbline.baseline.rows import TIME, Progress, Source, no_rows
from plumbline.baseline.spread import window_gap_spreads, window_spreads
from plumbline.baseline.table import Batch
from plumbline.catalogue.model import Model
from plumbline.errors import TableError
from plumbline.names import ACTUAL_FEATURE, OTHER, PREDICTION_FEATURE, SCORE_FEATURE

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
        TableError: no row has an outcome, a score is no probability, or a class is not declared.
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
        _check_scores(source, score)
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
    parts: dict[str, list[Floats]] = {key: [] for key in source.wanted}
    for batch in source.batches(progress, "reading held-out rows"):
        for key, request in source.wanted.items():
            if request.kind == "text":
                parts[key].append(class_numbers(batch, key, request.column, model))
            else:
                parts[key].append(batch.numbers[key])
    columns = {key: np.concatenate(arrays) if arrays else np.empty(0) for key, arrays in parts.items()}
    return columns[PREDICTION_FEATURE], columns[ACTUAL_FEATURE], columns.get(SCORE_FEATURE), columns.get(TIME)


def class_numbers(batch: Batch, key: str, column: str, model: Model) -> Floats:
    """Return the class index of each row of a text column, NaN = missing.

    Classes that a multiclass model does not declare are "other", the index after the last declared one.

    Raises:
        TableError: a text is no declared class of a binary model.
    """
    classes = model.classes or ()
    other = classes.index(OTHER) if OTHER in classes else len(classes)
    text = batch.texts[key]
    table = np.full(len(text.levels) + 1, np.nan)  # the last entry serves code -1, missing
    used = set(np.unique(text.codes).tolist())
    for i, (level, code) in enumerate(zip(text.levels, codes_of(text.levels, classes), strict=True)):
        if code is not None:
            table[i] = code
        elif model.task == "multiclass":
            table[i] = other
        elif i in used:
            raise TableError(
                f"{batch.path}: column {column!r}: {level!r} is not one of the model's classes "
                f"({', '.join(classes)}): correct the table, or the classes in the catalogue"
            )
    values: Floats = table[text.codes]
    return values


def _check_scores(source: Source, score: Floats) -> None:
    wrong = np.flatnonzero((score < 0.0) | (score > 1.0))
    if wrong.size:
        raise TableError(
            f"{source.tables[0]}: column {source.wanted[SCORE_FEATURE].column!r}: {score[wrong[0]]:g} is no "
            "probability: the score must lie between 0 and 1"
        )
