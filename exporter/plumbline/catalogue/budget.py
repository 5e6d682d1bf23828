"""How many series a catalogue's models will make, before anything is deployed.

Reads the catalogue only, so bins that a baseline has yet to choose are counted at their worst. The
exporter enforces the same budget on the real layouts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plumbline import names
from plumbline.baseline.bins import SCORE_BINS, TOP_CATEGORIES
from plumbline.baseline.quality import ERROR_BUCKETS
from plumbline.catalogue.model import Catalogue, Feature, Model
from plumbline.layout.quality import matrix_classes
from plumbline.names import Metric

NUMERIC_BINS = 20 + 3  # B = 10 quantile bins and as many with one value; below, above, missing
_OTHER_AND_MISSING = 2
_ERROR_BUCKETS = ERROR_BUCKETS + 3  # +Inf, sum, count


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the breakdown.

    Attributes:
        group: e.g. ``drift``.
        series: for one model version.
    """

    group: str
    series: int


@dataclass(frozen=True, slots=True)
class ModelBudget:
    """Estimate for one model.

    Attributes:
        model: its name.
        parts: breakdown for one version.
        versions: live versions assumed.
        unknown: series of events that name a version without a baseline: counted together, without bins.
        limit: the budget per model.
    """

    model: str
    parts: tuple[Part, ...]
    versions: int
    unknown: int
    limit: int

    @property
    def per_version(self) -> int:
        """Series of one version."""
        return sum(part.series for part in self.parts)

    @property
    def series(self) -> int:
        """Series of all assumed versions and of unknown ones."""
        return self.per_version * self.versions + self.unknown


def estimate(catalogue: Catalogue) -> list[ModelBudget]:
    """Return the estimate of every model, in the catalogue's order."""
    budget, evaluation = catalogue.series_budget, catalogue.evaluation
    windows = len(evaluation.drift), len(evaluation.quality)
    return [
        ModelBudget(name, tuple(_parts(model, *windows)), budget.versions_per_model, _unknown(model), budget.per_model)
        for name, model in catalogue.models.items()
    ]


def feature_bins(feature: Feature) -> int:
    """Return the most bins the feature can have."""
    if feature.type == "numeric":
        return NUMERIC_BINS
    if feature.type == "boolean":
        return 2 + _OTHER_AND_MISSING
    known = len(feature.categories) if feature.categories is not None else TOP_CATEGORIES
    return known + _OTHER_AND_MISSING


def _parts(model: Model, drift_windows: int, quality_windows: int) -> Iterable[Part]:
    bins = [feature_bins(feature) for feature in model.features.values()]
    # The prediction, and what came true.
    if model.task == "regression":
        bins += [NUMERIC_BINS] * 2
    else:
        bins += [len(model.classes or ()) + _OTHER_AND_MISSING] * 2
    if model.task == "binary":
        bins.append(NUMERIC_BINS)
    yield Part("serving", _serving())
    yield Part("drift", sum(bins) + len(bins) * len(names.PROBLEMS) + _skew(model))
    yield Part("outcomes", _outcomes())
    yield Part("quality", _quality(model))
    yield Part("corrections", _corrections(model))
    yield Part("early view", _early(model))
    yield Part("equal age", _young(model))
    # shares; noise, chi-squared, largest share of missing values per window; two per ordered edge
    edges = 2 * sum(1 for feature in model.features.values() if feature.type == "numeric")
    edges += 2 * {"regression": 2, "binary": 1, "multiclass": 0}[model.task]
    per_bin = sum(bins) + edges * (NUMERIC_BINS - 2)
    quality = _baseline_quality(model, quality_windows)
    yield Part("baseline", per_bin + (2 + drift_windows) * len(bins) + 2 + quality)
    important = sum(1 for feature in model.features.values() if feature.importance is not None)
    yield Part("intent", len(model.objectives) + _serving_objectives(model) + 3 + important)
    bounds = sum((o.floor is not None) + (o.max_drop is not None) for o in model.kpi_objectives.values())
    yield Part("business", len(model.kpis) * (len(names.SIGNS) + 2) + bounds)
    arms = len(names.TRIAL_ARMS) * len(names.TRIAL_LOSSES[model.task])
    both = 2 if model.outcome.corrections else 1  # what is counted, and what is taken back of it
    yield Part("trials", both * (3 * arms + len(names.BETTER)) + len(names.AGREEMENTS))


def _unknown(model: Model) -> int:
    problems = len(model.features) * len(names.PROBLEMS)
    of_baseline = {"binary": SCORE_BINS * 5 + 4, "regression": _ERROR_BUCKETS, "multiclass": 0}[model.task]
    quality = _quality(model) - of_baseline
    binned = SCORE_BINS * 4 if model.task == "binary" and model.outcome.corrections else 0
    most = _serving() + problems + _skew(model) + _outcomes() + quality
    return most + _corrections(model) - binned + _early(model) + _young(model)


def _skew(model: Model) -> int:
    return 2 * len(model.features)  # rows compared, mismatches


def _serving() -> int:
    return 3 + _histogram(names.PREDICTION_LATENCY)


def _outcomes() -> int:
    return len(names.OUTCOME_STATES) + len(names.RETRACTABLE_STATES) + 2 + _histogram(names.OUTCOME_DELAY)


def _histogram(metric: Metric) -> int:
    return len(metric.buckets) + 3  # +Inf, sum, count


def _slice_values(model: Model) -> int:
    return 1 + sum(len(values) + 1 for values in model.every_slice.values())  # all rows; values and other


def _confusion(model: Model) -> int:
    if model.task == "binary":
        return len(model.classes or ()) ** 2 * _slice_values(model)
    classes = tuple(dict.fromkeys((*(model.classes or ()), names.OTHER)))
    # one matrix of all rows; slices by class
    per_class = len(names.CLASS_RESULTS) * len(classes) * _slice_values(model)
    return len(matrix_classes(classes)) ** 2 + per_class


def _quality(model: Model) -> int:
    if model.task == "regression":
        # n, |e|, e^2, over, under, actual on either side, actual^2; histogram of |e|; two reasons to exclude
        return 8 * _slice_values(model) + _ERROR_BUCKETS + 2
    if model.task == "multiclass":
        return _confusion(model) + 3 * _slice_values(model)  # scored, Brier, log-loss
    # scored, Brier, log-loss; bins by actual, sums, positives and negatives above; expected confusion; a
    # reason to exclude
    return _confusion(model) + 3 * _slice_values(model) + SCORE_BINS * 5 + 4 + 1


def _corrections(model: Model) -> int:
    """All of quality that hangs on the actual; what counts outcomes or sums scores is never taken back."""
    if not model.outcome.corrections:
        return 0
    if model.task == "regression":
        return 7 * _slice_values(model) + 1  # corrections left out
    binned = SCORE_BINS * 4 if model.task == "binary" else 0
    return _confusion(model) + 2 * _slice_values(model) + binned + 1


def _young(model: Model) -> int:
    return len(names.YOUNG_AGES) * (3 if model.outcome.corrections else 2)


def _early(model: Model) -> int:
    if model.outcome.early_seconds <= 0:
        return 0
    return 5 if model.task == "regression" else 2


def _baseline_quality(model: Model, windows: int) -> int:
    each = 2 + windows  # value, standard deviation over the time blocks, and between windows
    if model.task == "regression":
        return each * len(names.REGRESSION_METRICS)
    if model.task == "multiclass":
        return each * len(names.MULTICLASS_METRICS)
    return each * len(names.BINARY_METRICS) + SCORE_BINS + windows


def _serving_objectives(model: Model) -> int:
    serving = model.serving
    declared = (serving.latency_p99, serving.error_ratio, serving.predictions_per_second)
    slices = len(names.FAIRNESS_METRICS[model.task]) + 2 if model.slices else 0
    return sum(bound is not None for bound in declared) + 2 + slices  # coverage, samples
