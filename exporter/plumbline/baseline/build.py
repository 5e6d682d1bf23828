"""Builds a baseline: reads reference and held-out tables, returns the artefact.

Two passes over the reference: the first learns its extent and keeps a sample to choose bins from, the
second counts every row into them, per time block. One pass over the held-out rows measures quality.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.baseline.arrow import table_files
from plumbline.baseline.artefact import Baseline, FeatureBins, Lineage
from plumbline.baseline.count import Counted, count_rows, problem_peaks
from plumbline.baseline.extent import first_pass
from plumbline.baseline.heldout import measure_heldout
from plumbline.baseline.layouts import Layout, choose_layouts
from plumbline.baseline.noise import ALPHA, leave_one_out_noise, significant_psi
from plumbline.baseline.quality import stable
from plumbline.baseline.rows import Progress, open_source
from plumbline.baseline.table import Filter, digest
from plumbline.catalogue.model import Evaluation, Model
from plumbline.errors import UsageError
from plumbline.names import PSEUDO_FEATURES
from plumbline.units import PLAIN_CLOCK, Clock, format_time, parse_duration

LARGE_PSI = 0.25  # by convention a large change (Siddiqi 2006)
SHOWN = 5


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What to build a baseline from.

    Attributes:
        tables: files of the drift reference.
        quality_tables: files of the held-out rows; empty = the same as ``tables``.
        where: rows of the reference; None = all.
        quality_where: rows held out; None = all of ``quality_tables``, or, without those, the
            reference's own rows.
        columns: feature, prediction, score, ts or actual -> column; see ``plumbline.baseline.columns``.
        clock: how times are written.
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
    columns: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = PLAIN_CLOCK
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
    name: str, version: str, model: Model, settings: BuildSettings, progress: Progress = lambda doing, rows: None
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
        UsageError: the settings cannot work together, or scipy is not installed.
    """
    try:
        from scipy.special import chdtri
    except ImportError as error:
        raise UsageError("building a baseline needs scipy: pip install 'plumbline[baseline]'") from error
    tables = table_files(settings.tables)
    source = open_source(tables, model, settings.columns, settings.clock, settings.where, heldout=False)
    where = settings.quality_where if settings.quality_where or settings.quality_tables else settings.where
    held_tables = table_files(settings.quality_tables) or tables
    held = open_source(held_tables, model, settings.columns, settings.clock, where, heldout=True)
    extent = first_pass(source, model, settings.block_seconds, progress)
    layouts = choose_layouts(source, model, extent, settings.bins)
    counted = count_rows(source, extent, layouts, settings.peak_windows, progress)
    quality = measure_heldout(held, model, settings.quality_block_seconds, settings.quality_windows, progress)
    remarks = list(quality.remarks)
    if not settings.quality_tables and settings.quality_where is None:
        remarks.insert(0, "quality is measured on the reference rows themselves: flattering if it was trained on them")
    times = extent.plan_times
    features = _features(layouts, counted, len(model.features), chdtri)
    remarks += _too_small(features, extent.rows, settings.bins, chdtri)
    if extent.plan.seconds is not None:
        remarks += _restless(features, extent.plan.describe())
    baseline = Baseline(
        model=name,
        version=version,
        task=model.task,
        features=features,
        score_bins=quality.score_bins,
        quality=quality.metrics,
        actual_mean=quality.actual_mean,
        error_edges=quality.error_edges,
        classes=list(model.classes or ()),
        lineage=Lineage(
            training_data=digest(tables),
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


def _too_small(
    features: Mapping[str, FeatureBins], rows: int, numeric_bins: int, chi2: Callable[[float, float], float]
) -> list[str]:
    """Say so if even a large change of no input can be told from the chance of which rows the reference has.

    Its share of chance does not fall with the number of predictions.
    """
    inputs = [bins for name, bins in features.items() if name not in PSEUDO_FEATURES]
    least = min(significant_psi(bins.counts, rows * 10.0**k, bins.chi2) for bins in inputs for k in range(5))
    if least <= LARGE_PSI:
        return []
    # As many bins as more rows would give: with below, above and missing, less one degree of freedom.
    usual = float(chi2(numeric_bins + 2, ALPHA / len(inputs)))
    needed = math.ceil(max(usual, *(bins.chi2 for bins in inputs)) / LARGE_PSI)
    return [
        f"a reference of {rows} {'row' if rows == 1 else 'rows'} is too small to detect drift: with any number of "
        f"predictions, only a PSI above {least:.2g} is more than chance, and {LARGE_PSI:g} is a large change. About "
        f"{needed} rows are needed"
    ]


def _restless(features: Mapping[str, FeatureBins], blocks: str) -> list[str]:
    """Say which inputs change so much by themselves that FeatureDrift sees only what is larger."""
    loud = sorted((bins.noise, name) for name, bins in features.items() if bins.noise > LARGE_PSI)
    if not loud:
        return []
    shown = ", ".join(f"{name} {noise:.2g}" for noise, name in reversed(loud[-SHOWN:]))
    more = f" and {len(loud) - SHOWN} more" if len(loud) > SHOWN else ""
    return [
        f"in {blocks} of the reference PSI goes that far by itself: {shown}{more}. Smaller drift of these "
        "opens no ticket; over a longer drift_alert, as long as the blocks, they may be calmer"
    ]


def _features(
    layouts: dict[str, Layout], counted: Counted, features: int, chi2_above: Callable[[float, float], float]
) -> dict[str, FeatureBins]:
    result = {}
    for key, per_block in counted.counts.items():
        layout = layouts[key]
        result[key] = FeatureBins(
            kind="numeric" if layout.kind == "numeric" else "categorical",
            labels=list(layout.labels),
            counts=per_block.sum(axis=0).tolist(),
            noise=stable(leave_one_out_noise(per_block[:-1])),
            chi2=stable(chi2_above(len(layout.labels) - 1, ALPHA / features)),
            uppers=list(layout.uppers),
            categories=list(layout.categories),
            rare=counted.rare.get(key, []),
            minimum=layout.minimum,
            maximum=layout.maximum,
            stddev=layout.stddev,
            problem_peaks=problem_peaks(key, counted, layout),
        )
    return result
