"""How many series a version makes: counted from the very layout and baseline that are exposed.

Before anything is deployed, ``estimate`` counts the layout of a baseline with as many bins as possible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass

from plumbline import names
from plumbline.baseline.artefact import Baseline, FeatureBins, Lineage, Quality, ScoreBins
from plumbline.baseline.bins import SCORE_BINS, TOP_CATEGORIES
from plumbline.baseline.quality import ERROR_BUCKETS
from plumbline.catalogue.model import Catalogue, Evaluation, Model
from plumbline.ingest.intent import intent_of_version
from plumbline.ingest.stages import Entry
from plumbline.ingest.state import Key, Setup, VersionState
from plumbline.layout.build import build_layout
from plumbline.layout.version import VersionLayout

NUMERIC_BINS = 20 + 3  # B = 10 quantile bins and as many with one value; below, above, missing


@dataclass(frozen=True, slots=True)
class ModelBudget:
    """Estimate for one model.

    Attributes:
        model: its name.
        parts: series of one version by the group of their metric.
        versions: live versions assumed.
        unknown: series of events that name a version without a baseline: counted together, without bins.
        limit: the budget per model.
    """

    model: str
    parts: dict[str, int]
    versions: int
    unknown: int
    limit: int

    @property
    def per_version(self) -> int:
        """Series of one version."""
        return sum(self.parts.values())

    @property
    def series(self) -> int:
        """Series of all assumed versions and of unknown ones."""
        return self.per_version * self.versions + self.unknown


def estimate(catalogue: Catalogue) -> list[ModelBudget]:
    """Return the estimate of every model, in the catalogue's order."""
    budget = catalogue.series_budget
    found = []
    for name, model in catalogue.models.items():
        worst = _worst_baseline(name, model, catalogue.evaluation)
        parts = _by_group(build_layout(name, worst.version, model, worst), worst, catalogue)
        unknown = _by_group(build_layout(name, names.UNKNOWN, model, None), None, catalogue)
        found.append(ModelBudget(name, parts, budget.versions_per_model, unknown.total(), budget.per_model))
    return found


def count_series(layout: VersionLayout, baseline: Baseline | None, catalogue: Catalogue) -> int:
    """Return the series of a version, baseline and intent included."""
    return _by_group(layout, baseline, catalogue).total()


def series_of_model(versions: Mapping[Key, VersionState], model: str, hidden: Container[Key]) -> int:
    """Return the series that the versions of a model expose, but for those that are hidden."""
    return sum(v.series for key, v in versions.items() if key[0] == model and key not in hidden)


def has_room(
    setup: Setup, model: str, versions: Mapping[Key, VersionState], hidden: Container[Key], series: int, *, own: bool
) -> bool:
    """Return whether the series budget has room for one more version of a model.

    Args:
        setup: what is declared.
        model: of the catalogue.
        versions: all others.
        hidden: those of them that are not exposed.
        series: that the version would expose.
        own: whether the baseline was built for this very version. The others may take half of the budget: whoever
            invents versions leaves room for those that matter.
    """
    budget = setup.catalogue.series_budget.per_model
    if not own:
        others = {key: v for key, v in versions.items() if not _is_own(key, v) and key[1] != names.UNKNOWN}
        if series_of_model(others, model, hidden) + series > budget / 2:
            return False
    return series_of_model(versions, model, hidden) + series <= budget


def _is_own(key: Key, version: VersionState) -> bool:
    return version.baseline is not None and version.baseline.version == key[1]


def _by_group(layout: VersionLayout, baseline: Baseline | None, catalogue: Catalogue) -> Counter[str]:
    found: Counter[str] = Counter()
    for section in layout.sections:
        each = len(section.metric.buckets) + 3 if section.metric.kind == "histogram" else 1
        found[section.metric.group] += each * len(section.labels)
    if baseline is not None and baseline.score_bins is not None:
        # Positives and negatives above each bin, and what is taken back of both.
        for metric in (names.SCORE_POSITIVES_ABOVE, names.SCORE_NEGATIVES_ABOVE):
            found[metric.group] += len(baseline.score_bins.labels)
            if layout.retractions:
                found[names.RETRACTED[metric.name].group] += len(baseline.score_bins.labels)
    model = catalogue.models.get(layout.model)
    if model is not None and layout.version != names.UNKNOWN:
        deployments = [Entry(1.0, "the version before", "production"), Entry(2.0, layout.version, "production")]
        for metric, *_ in intent_of_version(model, layout.version, baseline, deployments, catalogue):
            found[metric.group] += 1
    return found


def _worst_baseline(name: str, model: Model, evaluation: Evaluation) -> Baseline:
    """Return a baseline with as many bins as the reference of a model could ask for."""
    windows = dict.fromkeys(evaluation.drift, 0.0)
    features = {}
    for feature, declared in model.features.items():
        known = len(declared.categories) if declared.categories is not None else TOP_CATEGORIES
        categories = {"numeric": None, "boolean": 2, "categorical": known}[declared.type]
        features[feature] = _bins(categories, windows)
    answer = _bins(None if model.task == "regression" else len(model.classes or ()), windows)
    features |= {names.PREDICTION_FEATURE: answer, names.ACTUAL_FEATURE: answer}
    metrics = {
        "binary": names.BINARY_METRICS,
        "multiclass": names.MULTICLASS_METRICS,
        "regression": names.REGRESSION_METRICS,
    }[model.task]
    spreads = dict.fromkeys(evaluation.quality, 0.0)
    score_bins = None
    if model.task == "binary":
        features[names.SCORE_FEATURE] = _bins(None, windows)
        score_bins = ScoreBins(
            uppers=[at / SCORE_BINS for at in range(1, SCORE_BINS)],
            labels=[str(at) for at in range(SCORE_BINS)],
            counts=[1] * SCORE_BINS,
            positives=[0] * SCORE_BINS,
            score_sums=[0.0] * SCORE_BINS,
            gap_spreads=spreads,
        )
    return Baseline(
        model=name,
        version="1",
        task=model.task,
        features=features,
        score_bins=score_bins,
        quality={metric: Quality(value=0.0, stddev=0.0, rows=1, spreads=spreads) for metric in metrics},
        error_edges=[float(at) for at in range(1, ERROR_BUCKETS + 1)],
        classes=list(model.classes or ()),
        lineage=Lineage(training_data="", source="", rows=1, quality_rows=1),
    )


def _bins(categories: int | None, windows: dict[str, float]) -> FeatureBins:
    """Return bins of so many categories, or of numbers."""
    size = NUMERIC_BINS if categories is None else categories + 2  # other, missing
    return FeatureBins(
        kind="numeric" if categories is None else "categorical",
        labels=[str(at) for at in range(size)],
        counts=[1] * size,
        noise=0.0,
        chi2=1.0,
        uppers=[float(at) for at in range(size - 2)] if categories is None else [],
        categories=[str(at) for at in range(size - 2)] if categories is not None else [],
        stddev=1.0,
        problem_peaks=dict.fromkeys(("missing", "unseen")[: 1 if categories is None else 2], windows),
    )
