"""How far a slice value may be from the rest of its model, and how sure one must be to say that it is.

Reads the catalogue and a baseline; ``ingest.intent`` publishes the result as ``ml_objective`` series, so
that the rules are the same for every model.
"""

from __future__ import annotations

from statistics import NormalDist

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.catalogue.model import Model

# Largest acceptable difference from the rest of the model where the catalogue names none. Selection rate and
# bias have no default: whether groups should be chosen alike is for people to say (docs/slices.md).
DEFAULT_BOUNDS = {"accuracy": 0.05, "tpr": 0.1, "fpr": 0.1}
DEFAULT_MAE_SHARE = 0.2  # of the baseline's MAE, since a unit cannot be guessed
# The chance that any comparison of a model crosses the line in one window without a reason. A month holds
# some 30 windows that overlap little, so about one false ticket in 30 model-months before the bound is asked.
FALSE_ALARM = 0.001
INTERVAL = 0.95


def disparity_bounds(model: Model, baseline: Baseline | None) -> dict[str, float]:
    """Return the largest acceptable difference by figure; empty for a model without slices."""
    if not model.slices:
        return {}
    known = names.FAIRNESS_METRICS[model.task]
    if model.disparities is not None:
        return {metric: bound for metric, bound in model.disparities.items() if metric in known}
    bounds = {metric: bound for metric, bound in DEFAULT_BOUNDS.items() if metric in known}
    quality = baseline.quality.get("mae") if baseline is not None else None
    if "mae" in known and quality is not None:
        bounds["mae"] = DEFAULT_MAE_SHARE * quality.value
    return bounds


def comparisons(model: Model) -> int:
    """Return how many comparisons of a slice value with the rest are made: values x figures."""
    values = sum(len(listed) for listed in model.every_slice.values())
    return values * len(names.FAIRNESS_METRICS[model.task])


def alarm_sigmas(model: Model) -> float:
    """Return the standard deviations that chance alone exceeds in FALSE_ALARM of windows (Bonferroni)."""
    return NormalDist().inv_cdf(1 - FALSE_ALARM / max(1, comparisons(model)) / 2)


def interval_sigmas(model: Model) -> float:
    """Return the half width, in standard errors, at which all intervals hold in 95 % (Bonferroni)."""
    return NormalDist().inv_cdf(1 - (1 - INTERVAL) / max(1, comparisons(model)) / 2)


def objectives(model: Model, baseline: Baseline | None) -> list[tuple[str, str, float]]:
    """Return (metric, severity, value) of the ``ml_objective`` series about slices."""
    if not model.slices:
        return []
    bounds = disparity_bounds(model, baseline)
    return [
        *((names.OBJECTIVE_DISPARITY + metric, "warning", bound) for metric, bound in bounds.items()),
        (names.OBJECTIVE_DISPARITY_SIGMAS, "warning", alarm_sigmas(model)),
        (names.OBJECTIVE_INTERVAL_SIGMAS, "warning", interval_sigmas(model)),
    ]
