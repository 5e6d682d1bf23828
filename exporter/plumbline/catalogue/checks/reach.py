"""Checks of what can be reached: an alert whose condition no model or no traffic could meet is a mistake.

A bound that a coin satisfies never tells; a sample that the declared traffic does not bring in a window keeps
an alert silent for ever; an outcome that matures after the declared retention comes too late to count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from plumbline.catalogue.checks.base import Found, check
from plumbline.catalogue.model import Catalogue, Model, Objective
from plumbline.catalogue.source import Location
from plumbline.names import ALERT_LATENCY_SAMPLES, ALERT_TRAFFIC_EVENTS, QUALITY_METRICS
from plumbline.significance import page_sigmas
from plumbline.units import DAY_SECONDS, parse_duration


def chance(metric: str, model: Model) -> float | None:
    """Return what a coin reaches: the classes drawn evenly, or, of scores, always 1/2; None if unknown."""
    classes = len(model.classes or ())
    if metric == "accuracy" and classes > 1:
        return 1.0 / classes
    if model.task != "binary":
        return None
    return {"roc_auc": 0.5, "brier": 0.25, "log_loss": math.log(2.0)}.get(metric)


def beyond_chance(objective: Objective, model: Model, reference: float | None) -> tuple[str, str] | None:
    """Return the bound that a coin would satisfy, and why.

    Args:
        objective: of the model.
        model: for its task and classes.
        reference: the quality that a largest drop is taken from; None = the best there is.
    """
    coin = chance(objective.metric, model)
    if coin is None:
        return None
    larger = QUALITY_METRICS[objective.metric]
    best = reference if reference is not None else (1.0 if larger else 0.0)
    of = "the best possible" if reference is None else "the baseline's"
    for name, bound, how in (
        ("floor", objective.floor if larger else None, ""),
        ("ceiling", None if larger else objective.ceiling, ""),
        (
            "max_drop",
            None if objective.max_drop is None else best - (1 if larger else -1) * objective.max_drop,
            f" ({of} {best:.4g} {'less' if larger else 'plus'} {objective.max_drop or 0:g})",
        ),
    ):
        if bound is not None and (bound <= coin if larger else bound >= coin):
            return name, (
                f"{objective.metric} {bound:.4g}{how} is what a coin reaches ({coin:.4g}): a model that has "
                f"learned nothing would not fire; choose a {'larger' if larger else 'smaller'} bound"
            )
    return None


def _models(catalogue: Catalogue) -> Iterator[tuple[Location, Model]]:
    for name, model in catalogue.models.items():
        yield ("models", name), model


@check("catalogue/chance")
def above_chance(catalogue: Catalogue) -> Found:
    """An objective demands more than guessing."""
    for location, model in _models(catalogue):
        for i, objective in enumerate(model.objectives):
            if objective.metric not in QUALITY_METRICS:
                continue
            found = beyond_chance(objective, model, None)
            if found is not None:
                yield (*location, "objectives", i, found[0]), found[1]


@check("catalogue/samples")
def samples_reachable(catalogue: Catalogue) -> Found:
    """The windows hold as many predictions and outcomes as the alerts want, at the declared traffic."""
    evaluation = catalogue.evaluation
    for location, model in _models(catalogue):
        per_day = model.serving.predictions_per_day
        if per_day is None:
            continue

        def within(window: str, per_day: float = per_day) -> float:
            return per_day * parse_duration(window) / DAY_SECONDS

        longest = max(evaluation.quality, key=parse_duration)
        most, fast = within(longest), within(evaluation.fast)
        remedy = "lengthen the window, or correct predictions_per_day"
        wanted = model.outcome.minimum_samples
        traffic = f"at {per_day:g} predictions a day"
        # Too few in the fast or the slow window is no loss: a longer one takes its place.
        if model.objectives and most < wanted:
            yield (
                (*location, "outcome", "minimum_samples"),
                f"{traffic} the longest quality window {longest} holds {most:.3g} outcomes, not {wanted}: "
                f"no quality alert can fire; lower minimum_samples, or {remedy}",
            )
        if model.serving.latency_p99 is not None and fast < ALERT_LATENCY_SAMPLES:
            yield (
                (*location, "serving", "latency_p99"),
                f"{traffic} the fast window {evaluation.fast} holds {fast:.3g} predictions, not "
                f"{ALERT_LATENCY_SAMPLES}: it can never fire; {remedy}",
            )
        bound = model.serving.error_ratio
        # All of them failed: the largest likelihood ratio that the alert can see (query_parts.beyond).
        if bound and -2 * fast * math.log(bound) <= page_sigmas(evaluation.fast) ** 2:
            yield (
                (*location, "serving", "error_ratio"),
                f"{traffic} the fast window {evaluation.fast} holds {fast:.3g} predictions, too few to tell "
                f"{bound:g} from 1: it can never fire; {remedy}",
            )


@check("catalogue/quiet-traffic")
def traffic_above_noise(catalogue: Catalogue) -> Found:
    """Traffic at its quietest brings several predictions per window, or every pause would page."""
    evaluation = catalogue.evaluation
    short = min(evaluation.quality, key=parse_duration)
    for location, model in _models(catalogue):
        rate = model.serving.predictions_per_second
        if rate is None:
            continue
        expected = rate * parse_duration(short)
        if 0.0 < expected < ALERT_TRAFFIC_EVENTS:
            yield (
                (*location, "serving", "predictions_per_second"),
                f"{rate:g} per second is {expected:.3g} predictions per {short}: any pause would page; "
                f"leave it out (ModelSilent still watches), or declare at least "
                f"{ALERT_TRAFFIC_EVENTS} per window",
            )
        per_day = model.serving.predictions_per_day
        if per_day is not None and rate * DAY_SECONDS > per_day:
            yield (
                (*location, "serving", "predictions_per_second"),
                f"{rate:g} per second at the quietest is more than predictions_per_day {per_day:g}: it would "
                "always fire",
            )


@check("catalogue/full-coverage")
def coverage_below_one(catalogue: Catalogue) -> Found:
    """Quality may alert although a few outcomes never come."""
    for location, model in _models(catalogue):
        if model.outcome.minimum_coverage >= 1.0:
            yield (
                (*location, "outcome", "minimum_coverage"),
                "1 lets a single missing outcome silence every quality alert of the window: choose less",
            )


@check("catalogue/maturity")
def maturity_within_retention(catalogue: Catalogue) -> Found:
    """Retention is declared to last until outcomes count."""
    for location, model in _models(catalogue):
        kept = catalogue.retention.get(model.retention)
        if kept is not None and model.outcome.maturity_seconds >= parse_duration(kept.maximum):
            yield (
                (*location, "outcome", "maturity"),
                f"outcomes mature after {model.outcome.maturity}, and retention {model.retention} is declared to "
                f"keep predictions for {kept.maximum} at most: no outcome could count; declare a longer maximum",
            )
