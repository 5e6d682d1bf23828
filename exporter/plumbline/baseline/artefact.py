"""The baseline artefact: an immutable JSON file named by the sha256 of its bytes.

Read by the exporter (frozen bins, shares, quality), written by ``plumbline.baseline.build``. The bytes
are canonical (sorted keys, no white space, shortest float form), so the same table and settings give
the same name on any machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Literal

import msgspec

from plumbline.errors import BaselineError
from plumbline.units import parse_duration


class FeatureBins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frozen bins of one feature (or of ``_score``, ``_prediction``).

    Numeric bins are ordered. ``edges`` are the upper ends of intervals (a, b], increasing; bin 0 is
    (-inf, edges[0]) *below the minimum* (edges[0] is the smallest reference value, itself in the next
    bin), the last is (edges[-1], inf) *above the maximum*. A value that has a bin of its own appears in
    ``points``. Categorical bins are ``categories`` in order, then ``other``. Both end in ``missing``.

    Attributes:
        kind: numeric or categorical.
        labels: value of the Prometheus label ``bin`` for each bin, in order, ``missing`` last. Ordered
            numeric labels begin with a zero-padded index.
        counts: reference rows per bin (same length as labels).
        uppers: numeric only: the upper end of each bin but the last two (above maximum, missing), so
            ``searchsorted(uppers, x, side="left")`` is the bin of x; for a point bin [v] the bin before
            it ends at the largest float below v.
        categories: categorical only: the levels that have a bin, in bin order (without other, missing).
        noise: largest leave-one-block-out PSI over the time blocks.
        chi2: chi-squared quantile with len(labels)-1 degrees of freedom at 1 - 0.001/features.
        rare: categorical only: further levels the reference has; they count in ``other`` and are not unseen.
            Empty for features with more than 10,000 levels: there every level without a bin is unseen.
        minimum: numeric only: smallest reference value.
        maximum: numeric only: largest reference value.
        stddev: numeric only: standard deviation of the reference values that are finite.
        problem_peaks: problem -> name of a window -> largest share of rows with the problem in any such
            window of the reference; what never occurred is left out. Unset in artefacts made before this
            was measured.
    """

    kind: Literal["numeric", "categorical"]
    labels: list[str]
    counts: list[int]
    noise: float
    chi2: float
    uppers: list[float] = []
    categories: list[str] = []
    rare: list[str] = []
    minimum: float | None = None
    maximum: float | None = None
    # Unset in artefacts from before it existed: they keep their bytes, and so their name.
    stddev: float | msgspec.UnsetType = msgspec.UNSET
    # Unset rather than empty, so that an older artefact keeps its bytes and with them its name.
    problem_peaks: dict[str, dict[str, float]] | msgspec.UnsetType = msgspec.UNSET

    @property
    def shares(self) -> list[float]:
        """Smoothed shares (counts + 0.5) / (rows + bins/2): no bin is empty, the sum is 1."""
        total = sum(self.counts) + 0.5 * len(self.counts)
        return [(c + 0.5) / total for c in self.counts]

    @property
    def cumulative_shares(self) -> list[float]:
        """Share of the values that are there up to each bin's upper edge, smoothed as ``shares``.

        For all bins but the last two (above the maximum, missing); empty for categories, which have no order.
        """
        if self.kind == "categorical":
            return []
        present = self.shares[:-1]
        total = sum(present)
        return [upto / total for upto in accumulate(present[:-1])]

    @property
    def edge_weights(self) -> list[float]:
        """Weight of each edge in the Wasserstein distance, in standard deviations of the reference.

        The distance is the area between two distribution functions. Between edges their difference is
        taken to be linear (the trapezoid rule), so the difference at an edge counts for half the way to
        either neighbour. Values beyond the reference's range count as lying at its end. Same bins as
        ``cumulative_shares``; empty without a standard deviation above 0, in which to measure.
        """
        if self.kind == "categorical" or not isinstance(self.stddev, float) or self.stddev <= 0.0:
            return []
        edges = [self.uppers[0], *self.uppers, self.uppers[-1]]
        return [(after - before) / (2.0 * self.stddev) for before, after in zip(edges, edges[2:], strict=False)]

    def peaks(self, windows: Mapping[str, float]) -> Iterator[tuple[str, str, float]]:
        """Yield (problem, window, largest share) for the windows that the rules look over.

        A window that was not measured takes the longest shorter one that was: a shorter window has the
        larger peak, so the alert is late rather than wrong. With none, or in an older artefact, there is
        no peak, and the alert knows the share over the whole reference only.

        Args:
            windows: name of each window and its length in seconds.
        """
        if isinstance(self.problem_peaks, msgspec.UnsetType):
            return
        for problem, measured in self.problem_peaks.items():
            lengths = {name: parse_duration(name) for name in measured}
            for window, seconds in windows.items():
                shorter = [name for name, length in lengths.items() if length <= seconds]
                known = window if window in measured else max(shorter, key=lengths.__getitem__, default=None)
                if known is not None:
                    yield problem, window, measured[known]


def spread_over(measured: Mapping[str, float], window: str) -> float | None:
    """Return what was measured over a window, or what follows from others (``Quality.spread_over``)."""
    if window in measured:
        return measured[window]
    seconds = parse_duration(window)
    lengths = {name: parse_duration(name) for name in measured}
    longer = min((name for name in lengths if lengths[name] > seconds), key=lengths.__getitem__, default=None)
    if longer is not None:
        return float(measured[longer] * (lengths[longer] / seconds) ** 0.5)
    shorter = max(lengths, key=lengths.__getitem__, default=None)
    return None if shorter is None else measured[shorter]


class ScoreBins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bins of a binary score for ROC-AUC and calibration.

    Attributes:
        uppers: upper ends of all bins but the last, increasing; bin = searchsorted(uppers, s, "left").
        labels: label value per bin (zero-padded index).
        counts: held-out rows per bin.
        positives: held-out positives per bin.
        score_sums: sum of scores per bin.
        gap_spread: root mean square of the calibration gap of each time block against the others: how far
            the share of positives at the same scores strays by itself. None with fewer than 2 blocks,
            unset in artefacts made before this was measured.
        gap_spreads: the same, by name of a window, over blocks of its length. Unset as ``Quality.spreads``.
    """

    uppers: list[float]
    labels: list[str]
    counts: list[int]
    positives: list[int]
    score_sums: list[float]
    gap_spread: float | msgspec.UnsetType | None = msgspec.UNSET
    gap_spreads: dict[str, float] | msgspec.UnsetType = msgspec.UNSET

    def gap_spread_over(self, window: str) -> float | None:
        """Return the spread over a window, as ``Quality.spread_over`` does; else that of the time blocks."""
        measured = {} if isinstance(self.gap_spreads, msgspec.UnsetType) else self.gap_spreads
        found = spread_over(measured, window)
        return self.gap_spread if found is None and isinstance(self.gap_spread, float) else found

    @property
    def positive_shares(self) -> list[float]:
        """Share of positives per bin, smoothed towards the share over all bins: (p + share) / (n + 1).

        Towards one half it would invent positives for a model whose positives are rare.
        """
        overall = (sum(self.positives) + 0.5) / (sum(self.counts) + 1.0)
        return [(p + overall) / (n + 1.0) for p, n in zip(self.positives, self.counts, strict=True)]

    @property
    def observed_shares(self) -> list[float]:
        """Share of positives per bin as seen, for sums over many bins, where smoothing would add up.

        A bin without rows has the smoothed share.
        """
        return [
            p / n if n else smoothed
            for p, n, smoothed in zip(self.positives, self.counts, self.positive_shares, strict=True)
        ]


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quality metric on the held-out rows.

    Attributes:
        value: over all held-out rows.
        stddev: standard deviation of the metric over the time blocks; None with fewer than 2 blocks.
        rows: held-out rows with an outcome.
        spreads: name of a window -> standard deviation between such windows, without what sampling adds
            (``plumbline.baseline.spread``). Unset without times, and in artefacts of before.
    """

    value: float
    stddev: float | None
    rows: int
    spreads: dict[str, float] | msgspec.UnsetType = msgspec.UNSET

    def spread_over(self, window: str) -> float | None:
        """Return the spread over a window, measured or derived; None if nothing is known.

        Derived from the shortest longer window that was measured, times the square root of how often the
        window fits into it: what the parts of a longer window stray at most if they are independent. With
        none, from the longest shorter one, which strays more: the alert is late rather than wrong.
        """
        return spread_over({} if isinstance(self.spreads, msgspec.UnsetType) else self.spreads, window)


class Lineage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the baseline comes from.

    Attributes:
        training_data: ``sha256:`` digest of the reference table's bytes.
        source: file name of the reference table (no folder).
        rows: rows of the drift reference.
        quality_rows: rows of the quality reference.
        start: RFC 3339 time of the first reference row, or None without a time column.
        end: time of the last.
        commit: commit of the training code, if given.
        config: free text or digest of the training configuration, if given.
    """

    training_data: str
    source: str
    rows: int
    quality_rows: int
    start: str | None = None
    end: str | None = None
    commit: str | None = None
    config: str | None = None


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model version's frozen reference. See the module's docstring.

    Attributes:
        schema: of the file.
        model: name in the catalogue.
        version: whose reference this is.
        task: the model's task.
        features: bins by feature; the pseudo-features of ``names`` among them.
        score_bins: binary models with a score.
        quality: by metric name.
        actual_mean: regression: mean outcome.
        error_edges: regression: bounds of the histogram of |error|, increasing; unset before it existed.
        classes: declared classes.
        lineage: where it comes from.
    """

    schema: Literal[1] = 1
    model: str
    version: str
    task: Literal["binary", "multiclass", "regression"]
    features: dict[str, FeatureBins]
    score_bins: ScoreBins | None = None
    quality: dict[str, Quality] = {}
    actual_mean: float | None = None
    error_edges: list[float] | msgspec.UnsetType = msgspec.UNSET
    classes: list[str] = []
    lineage: Lineage

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def digest(self) -> str:
        """Return the sha256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def save_baseline(baseline: Baseline, folder: Path) -> Path:
    """Write the artefact as ``<folder>/<sha256>.json`` and return its path.

    Writing the same baseline again changes nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{baseline.digest}.json"
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(baseline.to_bytes())
        temporary.replace(path)
    return path


def load_baseline(path: Path) -> Baseline:
    """Read an artefact and verify that its bytes still have the sha256 it is named by.

    Raises:
        BaselineError: naming the file, the field, and what to do.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BaselineError(f"{path}: cannot be read: {error.strerror}") from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != path.stem:
        raise BaselineError(
            f"{path}: content has sha256 {actual[:12]}..., not the one it is named by: the file was "
            "changed or cut off; restore it or run 'plumbline baseline build' again"
        )
    try:
        baseline = msgspec.json.decode(data, type=Baseline)
    except msgspec.MsgspecError as error:
        raise BaselineError(
            f"{path}: not a baseline of this version: {error}; run 'plumbline baseline build' again"
        ) from error
    for name, bins in baseline.features.items():
        n = len(bins.labels)
        expected = len(bins.uppers) + 2 if bins.kind == "numeric" else len(bins.categories) + 2
        if len(bins.counts) != n or n != expected:
            raise BaselineError(
                f"{path}: feature {name!r} has {n} labels, {len(bins.counts)} counts and {expected} bins"
            )
    return baseline
