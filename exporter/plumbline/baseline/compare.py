"""Two baselines against each other: what changed between the reference of one version and of the next.

Reads two artefacts, returns frozen results for the terminal, the page and JSON. The bins are the older
one's, as they are for live traffic; the newer one's rows are put into them:

- numeric: exact where the upper ends are the same; else by linear interpolation of the newer one's
  cumulative counts between its own upper ends, which is marked (``exact`` is False). The bins below and
  above then join their neighbours: how far the rows of an outer bin reach, its count does not say. On normal,
  uniform, exponential and lognormal values the PSI is within a sixth of the counted one;
- categorical: exact. A level that one of them counted in ``other`` is counted there on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.baseline.artefact import Baseline, FeatureBins
from plumbline.baseline.noise import PSI_FLOOR, psi, significant_psi

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """One feature in both baselines.

    Attributes:
        name: the feature.
        psi: of the newer reference against the older.
        threshold: what sampling and the older one's own noise explain, at least 0.1.
        exact: whether the newer rows could be put into the older bins without interpolation.
        labels: text per bin.
        old: share of the older rows per bin.
        new: share of the newer rows per bin.
    """

    name: str
    psi: float
    threshold: float
    exact: bool
    labels: tuple[str, ...]
    old: tuple[float, ...]
    new: tuple[float, ...]

    @property
    def drifted(self) -> bool:
        """Whether the difference is more than chance and noise."""
        return self.psi > self.threshold

    @property
    def levels(self) -> list[tuple[str, float, float]]:
        """Text of each bin, its share of the older rows and of the newer."""
        return list(zip(self.labels, self.old, self.new, strict=True))


@dataclass(frozen=True, slots=True)
class QualityChange:
    """One metric of both baselines; None where one does not have it.

    Attributes:
        metric: its name.
        old: value of the older.
        new: value of the newer.
        stddev: of the older one over its time blocks.
        better: True or False; None if it is the same, unknown, or has no direction.
    """

    metric: str
    old: float | None
    new: float | None
    stddev: float | None
    better: bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference of two baselines.

    Attributes:
        old: the older artefact.
        new: the newer.
        features: those in both, furthest beyond its threshold first.
        only_old: features that the newer one lacks, or has as another kind.
        only_new: features that the older one lacks, or has as another kind.
        quality: every metric of either.
        lineage: (what, older, newer) for whatever is said of either.
    """

    old: Baseline
    new: Baseline
    features: tuple[FeatureChange, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    quality: tuple[QualityChange, ...]
    lineage: tuple[tuple[str, str, str], ...]


def compare(old: Baseline, new: Baseline) -> Comparison:
    """Compare two baselines, of one model or of any two."""
    shared = [
        name for name, bins in old.features.items() if name in new.features and new.features[name].kind == bins.kind
    ]
    changes = [_feature(name, old.features[name], new.features[name]) for name in shared]
    metrics = dict.fromkeys([*old.quality, *new.quality])
    return Comparison(
        old=old,
        new=new,
        features=tuple(sorted(changes, key=lambda change: -change.psi / change.threshold)),
        only_old=tuple(name for name in old.features if name not in shared),
        only_new=tuple(name for name in new.features if name not in shared),
        quality=tuple(_quality(metric, old, new) for metric in metrics),
        lineage=tuple(_lineage(old, new)),
    )


def levels(bins: FeatureBins) -> list[tuple[str, float]]:
    """Return the text of each bin for people, and its share of the rows.

    Levels that only the data knows are named, too. Those are no Prometheus labels, but a person may read them.
    """
    rows = max(sum(bins.counts), 1)
    named = [""] * len(bins.labels) if bins.kind == "numeric" else [*bins.categories, "", ""]
    return [
        (label if label.endswith(level) else f"{label} {level}", count / rows)
        for label, level, count in zip(bins.labels, named, bins.counts, strict=True)
    ]


def _feature(name: str, old: FeatureBins, new: FeatureBins) -> FeatureChange:
    if old.kind == "numeric":
        labels, before = list(old.labels), np.array(old.counts, dtype=np.float64)
        exact = old.uppers == new.uppers
        after = np.array(new.counts, dtype=np.float64) if exact else _into(old.uppers, new)
        if not exact:
            labels, before, after = _without_tails(old, before, after)
    else:
        labels, before, after = _levels(old, new)
        exact = True
    return FeatureChange(
        name=name,
        psi=psi(after, before),
        threshold=max(PSI_FLOOR, old.noise, significant_psi(before, max(after.sum(), 1.0), old.chi2)),
        exact=exact,
        labels=tuple(labels),
        old=tuple((before / max(before.sum(), 1.0)).tolist()),
        new=tuple((after / max(after.sum(), 1.0)).tolist()),
    )


def _into(uppers: Sequence[float], bins: FeatureBins) -> Floats:
    """Put the rows of numeric bins into bins with other upper ends, spread evenly within each bin."""
    counts = np.array(bins.counts, dtype=np.float64)
    present = counts[:-1].sum()
    upto = np.interp(uppers, bins.uppers, np.cumsum(counts[:-2]), left=0.0, right=present - counts[-2])
    inside = np.diff(upto, prepend=0.0)
    return np.concatenate([inside, [present - upto[-1], counts[-1]]])


def _without_tails(old: FeatureBins, before: Floats, after: Floats) -> tuple[list[str], Floats, Floats]:
    """Join the bins below and above with their neighbours, but not with a bin of one value."""
    low, high = 0, len(before) - 2  # the bins below and above; missing is last
    ends = [*old.uppers, np.inf]
    starts = [np.nextafter(end, np.inf) for end in ends]
    first = low + 1 if len(ends) > 2 and starts[0] < ends[1] else None
    last = high - 1 if len(ends) > 2 and starts[high - 2] < ends[high - 1] else None
    labels = list(old.labels)
    for tail, beside in ((low, first), (high, last)):
        if beside is not None:
            for counts in (before, after):
                counts[beside] += counts[tail]
            labels[beside] = f"{labels[beside]} and {'below' if tail == low else 'above'}"
    kept = [at for at in range(len(before)) if not (at == low and first) and not (at == high and last)]
    return [labels[at] for at in kept], before[kept], after[kept]


def _levels(old: FeatureBins, new: FeatureBins) -> tuple[list[str], Floats, Floats]:
    """Return labels and counts over all levels whose count both sides know, then other and missing."""
    union = dict.fromkeys([*old.categories, *new.categories])
    levels = [level for level in union if _known(level, old) and _known(level, new)]

    def counts(bins: FeatureBins) -> Floats:
        of = dict(zip(bins.categories, bins.counts, strict=False))
        kept = [of.get(level, 0) for level in levels]
        return np.array([*kept, sum(bins.counts) - sum(kept) - bins.counts[-1], bins.counts[-1]], dtype=float)

    return [*levels, names.OTHER, names.MISSING], counts(old), counts(new)


def _known(level: str, bins: FeatureBins) -> bool:
    """Whether the artefact says how many rows had this level: one of its bins, or certainly none."""
    if level in bins.categories:
        return True
    others_are_listed = bins.counts[-2] == 0 or bool(bins.rare)
    return others_are_listed and level not in bins.rare


def _quality(metric: str, old: Baseline, new: Baseline) -> QualityChange:
    before, after = old.quality.get(metric), new.quality.get(metric)
    better = None
    if before is not None and after is not None and metric in names.QUALITY_METRICS:
        change = after.value - before.value
        better = None if change == 0 else (change > 0) == names.QUALITY_METRICS[metric]
    old_value, stddev = (None, None) if before is None else (before.value, before.stddev)
    return QualityChange(metric, old_value, None if after is None else after.value, stddev, better)


def _lineage(old: Baseline, new: Baseline) -> list[tuple[str, str, str]]:
    def said(b: Baseline) -> dict[str, str]:
        line = b.lineage
        return {
            "model": f"{b.model} {b.version}",
            "task": b.task,
            "baseline": b.digest[:12],
            "source": line.source,
            "training data": line.training_data.removeprefix("sha256:")[:12],
            "reference rows": f"{line.rows:,}",
            "held-out rows": f"{line.quality_rows:,}",
            "from": line.start or "",
            "to": line.end or "",
            "commit": line.commit or "",
            "config": line.config or "",
        }

    before, after = said(old), said(new)
    return [(what, before[what], after[what]) for what in before if before[what] or after[what]]
