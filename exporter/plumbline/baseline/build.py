"""Builds a baseline: reads reference and held-out tables, returns the artefact.

Two passes over the reference: the first learns its extent and keeps a sample to choose bins from, the
second counts every row into them, per time block. One pass over the held-out rows measures quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from plumbline.baseline.artefact import Baseline, FeatureBins, Lineage
from plumbline.baseline.bins import (
    NumericBins,
    bin_numeric,
    choose_categories,
    choose_numeric,
    declared_labels,
)
from plumbline.baseline.blocks import BlockCounter, BlockPlan
from plumbline.baseline.cells import category_text, codes_of
from plumbline.baseline.heldout import class_numbers, measure_heldout
from plumbline.baseline.noise import ALPHA, chi2_quantile, leave_one_out_noise
from plumbline.baseline.peaks import PeakCounter
from plumbline.baseline.quality import stable
from plumbline.baseline.rows import (
    TIME,
    Columns,
    Filter,
    Progress,
    Source,
    no_rows,
    quality_source,
    reference_source,
)
from plumbline.baseline.sample import RowSample
from plumbline.baseline.table import Batch, TextColumn, digest
from plumbline.catalogue.model import Evaluation, Model
from plumbline.errors import TableError
from plumbline.names import ACTUAL_FEATURE, MISSING, PREDICTION_FEATURE
from plumbline.units import format_time, parse_duration

Counts = npt.NDArray[np.int64]
Codes = npt.NDArray[np.intp]

CLASS_FEATURES = (PREDICTION_FEATURE, ACTUAL_FEATURE)
BOOLEAN_CATEGORIES = ("false", "true")
_RARE_LEVELS = 10_000
UNSEEN = "unseen"  # one of names.PROBLEMS


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What to build a baseline from.

    Attributes:
        tables: files of the drift reference.
        quality_tables: files of the held-out rows; empty = the same as ``tables``.
        where: rows of the reference; None = all.
        quality_where: rows held out; None = all of ``quality_tables``, or, without those, the
            reference's own rows.
        columns: names of the columns that are no features.
        block_seconds: length of a time block of the reference: that of the window of the drift tickets.
        quality_block_seconds: length of a time block of the held-out rows.
        quality_windows: windows over which the rules look at quality: name and seconds of event time.
        bins: number of quantile bins, B.
        peak_windows: windows over which the rules look for missing values: name and seconds of event time.
        commit: commit of the training code.
        config: free text or digest of the training configuration.
    """

    tables: tuple[Path, ...]
    quality_tables: tuple[Path, ...] = ()
    where: Filter | None = None
    quality_where: Filter | None = None
    columns: Columns = field(default_factory=Columns)
    block_seconds: float = parse_duration(Evaluation().drift_alert)
    quality_block_seconds: float = 7 * 86_400.0
    quality_windows: Mapping[str, float] = field(
        default_factory=lambda: {name: parse_duration(name) for name in Evaluation().quality}
    )
    bins: int = 10
    peak_windows: Mapping[str, float] = field(
        default_factory=lambda: {name: parse_duration(name) for name in Evaluation().drift}
    )
    commit: str | None = None
    config: str | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A baseline, and what a person should know about it.

    Attributes:
        baseline: the artefact.
        blocks: how the reference was cut, in words.
        remarks: what was assumed or left out, one sentence each.
    """

    baseline: Baseline
    blocks: str
    remarks: tuple[str, ...]


def build_baseline(
    name: str,
    version: str,
    model: Model,
    settings: BuildSettings,
    progress: Progress = lambda doing, rows: None,
) -> Built:
    """Build the baseline of a model version.

    Args:
        name: the model's name in the catalogue.
        version: the version whose reference this is.
        model: its catalogue entry (task, features, classes).
        settings: tables, filters, columns.
        progress: called with what is being done and the number of rows just read.

    Raises:
        TableError: a table cannot be read as declared, or no row is left.
        UsageError: the settings cannot work together.
    """
    source = reference_source(settings.tables, model, settings.columns, settings.where)
    held = quality_source(
        settings.quality_tables or settings.tables,
        model,
        settings.columns,
        settings.quality_where if settings.quality_where or settings.quality_tables else settings.where,
    )
    extent = _first_pass(source, model, settings, progress)
    layouts = _choose(source, model, extent, settings.bins)
    counted = _second_pass(source, model, extent, layouts, settings.peak_windows, progress)
    quality = measure_heldout(held, model, settings.quality_block_seconds, settings.quality_windows, progress)
    remarks = list(quality.remarks)
    if not settings.quality_tables and settings.quality_where is None:
        remarks.insert(
            0,
            "quality is measured on the reference rows themselves: flattering if it was trained on them",
        )
    times = extent.plan_times
    baseline = Baseline(
        model=name,
        version=version,
        task=model.task,
        features=_features(layouts, counted, len(model.features)),
        score_bins=quality.score_bins,
        quality=quality.metrics,
        actual_mean=quality.actual_mean,
        error_edges=quality.error_edges,
        classes=list(model.classes or ()),
        lineage=Lineage(
            training_data=digest(settings.tables),
            source=", ".join(table.name for table in settings.tables),
            rows=extent.rows,
            quality_rows=quality.rows,
            start=format_time(times[0]) if times else None,
            end=format_time(times[1]) if times else None,
            commit=settings.commit,
            config=settings.config,
        ),
    )
    return Built(baseline, extent.plan.describe(), tuple(remarks))


@dataclass(frozen=True, slots=True)
class _Extent:
    rows: int
    sample: RowSample
    minimum: dict[str, float]
    maximum: dict[str, float]
    stddev: dict[str, float]
    plan: BlockPlan
    plan_times: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Bins of one feature, before its rows are counted."""

    kind: str
    labels: Sequence[str]
    uppers: Sequence[float] = ()
    categories: Sequence[str] = ()
    minimum: float | None = None
    maximum: float | None = None
    stddev: float | msgspec.UnsetType = msgspec.UNSET


class _Spread:
    """Mean and sum of squared deviations of values that come in batches (Chan, Golub, LeVeque 1983)."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Take finite values, at least one."""
        mean = float(values.mean())
        step = mean - self._mean
        total = self._count + values.size
        self._squares += float(((values - mean) ** 2).sum()) + step**2 * self._count * values.size / total
        self._mean += step * values.size / total
        self._count = total

    @property
    def stddev(self) -> float:
        """Standard deviation; 0 of no values."""
        return float(np.sqrt(self._squares / self._count)) if self._count else 0.0


def _first_pass(source: Source, model: Model, settings: BuildSettings, progress: Progress) -> _Extent:
    numbers = [key for key, request in source.wanted.items() if request.kind != "text"]
    texts = [
        key
        for key, feature in model.features.items()
        if feature.type == "categorical" and feature.categories is None
    ]
    sample = RowSample(numbers, texts)
    counter = BlockCounter(settings.block_seconds)
    rows = 0
    minimum = {key: float("inf") for key in numbers}
    maximum = {key: float("-inf") for key in numbers}
    spread = {key: _Spread() for key in numbers}
    for batch in source.batches(progress, "reading the reference"):
        rows += batch.rows
        sample.add(batch.rows, batch.numbers, batch.texts)
        for key in numbers:
            finite = batch.numbers[key][np.isfinite(batch.numbers[key])]
            if finite.size:
                minimum[key] = min(minimum[key], float(finite.min()))
                maximum[key] = max(maximum[key], float(finite.max()))
                spread[key].add(finite)
        if TIME in batch.numbers:
            counter.add(batch.numbers[TIME])
    if not rows:
        raise no_rows(source, "reference")
    timed = TIME in source.wanted
    plan = counter.plan(rows, sample.numbers(TIME) if timed else None)
    times = (counter.start, counter.end) if timed else None
    stddev = {key: stable(values.stddev) for key, values in spread.items()}
    return _Extent(rows, sample, minimum, maximum, stddev, plan, times)


def _choose(source: Source, model: Model, extent: _Extent, bins: int) -> dict[str, _Layout]:
    layouts: dict[str, _Layout] = {}
    for key, request in source.wanted.items():
        if key == TIME:
            continue
        if request.kind == "number":
            values = extent.sample.numbers(key)
            values = values[np.isfinite(values)]
            if not values.size and key == ACTUAL_FEATURE:
                continue  # no row of the reference has an outcome: nothing to compare the target with
            if not values.size:
                raise TableError(
                    f"{source.tables[0]}: column {request.column!r} has no number in the reference rows: "
                    "fill it, or take the feature out of the catalogue"
                )
            low, high = extent.minimum[key], extent.maximum[key]
            chosen = choose_numeric(values, low, high, bins)
            # Of a constant only rounding is left, in which nothing can be measured.
            stddev = extent.stddev[key] if low < high else 0.0
            layouts[key] = _Layout("numeric", chosen.labels, chosen.uppers, (), low, high, stddev)
            continue
        categories, labels = _levels(key, model, extent)
        layouts[key] = _Layout("categorical", labels, categories=categories)
    return layouts


def _levels(key: str, model: Model, extent: _Extent) -> tuple[Sequence[str], Sequence[str]]:
    if key in CLASS_FEATURES:
        classes = model.classes or ()
        return classes, declared_labels(classes)
    feature = model.features[key]
    if feature.type == "boolean":
        return BOOLEAN_CATEGORIES, declared_labels(BOOLEAN_CATEGORIES)
    if feature.categories is not None:
        return choose_categories((), (), feature.categories)
    merged: dict[str, int] = {}
    for level, count in zip(*extent.sample.texts(key), strict=True):
        merged[category_text(level)] = merged.get(category_text(level), 0) + count
    return choose_categories(list(merged), list(merged.values()), None)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the second pass found, per feature.

    Attributes:
        counts: shape (blocks + 1, bins); the last row holds the table's rows that are in no block.
        rare: levels without a bin; absent where there are too many to keep.
        peaks: largest shares of missing and of unseen values per window; None without times.
    """

    counts: dict[str, Counts]
    rare: dict[str, list[str]]
    peaks: PeakCounter | None


def _second_pass(
    source: Source,
    model: Model,
    extent: _Extent,
    layouts: dict[str, _Layout],
    windows: Mapping[str, float],
    progress: Progress,
) -> _Counted:
    blocks = extent.plan.blocks + 1
    counts = {key: np.zeros((blocks, len(layout.labels)), np.int64) for key, layout in layouts.items()}
    rare: dict[str, set[str]] = {
        key: set()
        for key, layout in layouts.items()
        if layout.kind == "categorical" and key not in CLASS_FEATURES
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
            codes = _codes(key, batch, layout, model, source)
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
    return _Counted(counts, kept, peaks)


def _codes(key: str, batch: Batch, layout: _Layout, model: Model, source: Source) -> Codes:
    if layout.kind == "numeric":
        return bin_numeric(batch.numbers[key], NumericBins(tuple(layout.uppers), tuple(layout.labels)))
    column = batch.texts[key]
    if key in CLASS_FEATURES:
        classes = class_numbers(batch, key, source.wanted[key].column, model)
        return np.where(np.isnan(classes), len(layout.categories) + 1, classes).astype(np.intp)
    codes = codes_of([category_text(level) for level in column.levels], layout.categories)
    other = len(layout.categories)
    table = np.array([*(other if code is None else code for code in codes), other + 1], dtype=np.intp)
    return table[column.codes]


def _note_rare(rare: set[str], column: TextColumn, layout: _Layout) -> None:
    """Collect levels that have no bin, until there are too many to keep."""
    if len(rare) > _RARE_LEVELS:
        return
    levels = [category_text(column.levels[code]) for code in np.unique(column.codes[column.codes >= 0])]
    codes = codes_of(levels, layout.categories)
    rare.update(level for level, code in zip(levels, codes, strict=True) if code is None)


def _problem_peaks(key: str, counted: _Counted, layout: _Layout) -> dict[str, dict[str, float]]:
    if counted.peaks is None:
        return {}
    problems = [MISSING]
    if layout.kind == "categorical" and key != PREDICTION_FEATURE and key not in counted.rare:
        problems.append(UNSEEN)  # too many levels to remember: all that have no bin count as unseen
    found = {problem: counted.peaks.peaks(f"{key}/{problem}") for problem in problems}
    return {problem: {w: stable(s) for w, s in peaks.items()} for problem, peaks in found.items() if peaks}


def _features(layouts: dict[str, _Layout], counted: _Counted, features: int) -> dict[str, FeatureBins]:
    result = {}
    for key, per_block in counted.counts.items():
        layout = layouts[key]
        degrees = len(layout.labels) - 1
        result[key] = FeatureBins(
            kind="numeric" if layout.kind == "numeric" else "categorical",
            labels=list(layout.labels),
            counts=per_block.sum(axis=0).tolist(),
            noise=stable(leave_one_out_noise(per_block[:-1])),
            chi2=stable(chi2_quantile(ALPHA / features, degrees)),
            uppers=list(layout.uppers),
            categories=list(layout.categories),
            rare=counted.rare.get(key, []),
            minimum=layout.minimum,
            maximum=layout.maximum,
            stddev=layout.stddev,
            problem_peaks=_problem_peaks(key, counted, layout),
        )
    return result
