"""Checks of objectives: each can fire, none always fires, and severities are in order."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.catalogue.advice import nearest
from plumbline.catalogue.checks.base import Found, check
from plumbline.catalogue.model import Catalogue, Model, Objective
from plumbline.catalogue.source import Location
from plumbline.names import (
    BINARY_METRICS,
    LATENCY_BUCKETS,
    MULTICLASS_METRICS,
    QUALITY_METRICS,
    REGRESSION_METRICS,
    SIGNED_METRICS,
)
from plumbline.units import format_duration, parse_duration

TASK_METRICS = {"binary": BINARY_METRICS, "multiclass": MULTICLASS_METRICS, "regression": REGRESSION_METRICS}
_WITHIN_ONE = {*BINARY_METRICS, *MULTICLASS_METRICS} - {"log_loss"}
BOUNDS = ("floor", "ceiling", "max_drop")


def _objectives(catalogue: Catalogue) -> Iterator[tuple[Location, str, Model, Objective]]:
    for name, model in catalogue.models.items():
        for i, objective in enumerate(model.objectives):
            yield ("models", name, "objectives", i), name, model, objective


def _given(objective: Objective) -> list[str]:
    return [bound for bound in BOUNDS if getattr(objective, bound) is not None]


@check("catalogue/metric")
def metric_of_task(catalogue: Catalogue) -> Found:
    """An objective's metric exists for the model's task, and has a better direction."""
    for location, _name, model, objective in _objectives(catalogue):
        known = TASK_METRICS[model.task]
        usable = [metric for metric in known if metric not in SIGNED_METRICS]
        if objective.metric in SIGNED_METRICS and objective.metric in known:
            message = f"{objective.metric} is best at 0, so it has no bound: it is shown; bound mae or rmse"
            yield (*location, "metric"), message
        elif objective.metric not in known:
            message = (
                f"{objective.metric!r} is not a metric of a {model.task} model"
                f"{nearest(objective.metric, usable)}: use {', '.join(usable)}"
            )
            yield (*location, "metric"), message


@check("catalogue/one-bound")
def one_bound(catalogue: Catalogue) -> Found:
    """An objective has exactly one bound."""
    for location, _name, _model, objective in _objectives(catalogue):
        given = _given(objective)
        if not given:
            yield location, f"the objective has no bound: give one of {', '.join(BOUNDS)}"
        elif len(given) > 1:
            yield location, f"the objective has {' and '.join(given)}: keep one, or write two objectives"


@check("catalogue/bound-direction")
def bound_direction(catalogue: Catalogue) -> Found:
    """A floor bounds what should be large, a ceiling what should be small."""
    for location, _name, _model, objective in _objectives(catalogue):
        larger_is_better = QUALITY_METRICS.get(objective.metric)
        if larger_is_better is False and objective.floor is not None:
            yield (*location, "floor"), f"smaller {objective.metric} is better: use ceiling instead of floor"
        if larger_is_better is True and objective.ceiling is not None:
            yield (*location, "ceiling"), f"larger {objective.metric} is better: use floor instead of ceiling"


@check("catalogue/duplicate-objective")
def duplicate_objective(catalogue: Catalogue) -> Found:
    """A metric has one objective per severity, because it becomes one series."""
    seen: set[tuple[str, str, str]] = set()
    for location, name, _model, objective in _objectives(catalogue):
        key = (name, objective.metric, objective.severity)
        if key in seen:
            yield location, f"{objective.metric} has a second {objective.severity} objective: keep one"
        seen.add(key)


@check("catalogue/severity-order")
def severity_order(catalogue: Catalogue) -> Found:
    """A page needs more loss than a ticket does."""
    by_key = {(n, o.metric, o.severity): o for _, n, _, o in _objectives(catalogue)}
    for location, name, _model, objective in _objectives(catalogue):
        warning = by_key.get((name, objective.metric, "warning"))
        if objective.severity != "critical" or warning is None:
            continue
        for bound, looser_is_larger in (("floor", False), ("ceiling", True), ("max_drop", True)):
            page, ticket = getattr(objective, bound), getattr(warning, bound)
            if page is None or ticket is None:
                continue
            if (page <= ticket) if looser_is_larger else (page >= ticket):
                message = (
                    f"critical {bound} {page:g} is reached no later than warning {bound} {ticket:g}: "
                    f"make critical {'larger' if looser_is_larger else 'smaller'}"
                )
                yield (*location, bound), message


@check("catalogue/never-fires")
def never_fires(catalogue: Catalogue) -> Found:
    """No objective is out of its metric's reach, or broken from the start."""
    for location, _name, _model, objective in _objectives(catalogue):
        metric, floor, ceiling, drop = (objective.metric, objective.floor, objective.ceiling, objective.max_drop)
        larger_is_better = QUALITY_METRICS.get(metric)
        if metric in _WITHIN_ONE:
            if drop is not None and drop >= 1.0:
                yield ((*location, "max_drop"), f"{metric} lies between 0 and 1: a drop of {drop:g} can never fire")
            if larger_is_better and floor is not None and floor <= 0.0:
                yield (*location, "floor"), f"{metric} is never below 0: floor {floor:g} can never fire"
            if larger_is_better is False and ceiling is not None and ceiling >= 1.0:
                yield (*location, "ceiling"), f"{metric} is never above 1: ceiling {ceiling:g} can never fire"
        if larger_is_better and floor is not None and floor >= 1.0:
            yield (*location, "floor"), f"{metric} is never above 1: floor {floor:g} would always fire"
        if larger_is_better is False and ceiling is not None and ceiling <= 0.0:
            yield (*location, "ceiling"), f"{metric} is never below 0: ceiling {ceiling:g} would always fire"


@check("catalogue/latency-objective")
def latency_beyond_buckets(catalogue: Catalogue) -> Found:
    """A latency objective lies below the histogram's largest bucket, above which nothing is told apart."""
    largest = LATENCY_BUCKETS[-1]
    for name, model in catalogue.models.items():
        bound = model.serving.latency_p99
        if bound is not None and parse_duration(bound) >= largest:
            message = f"latencies above {format_duration(largest)} fall into one bucket: {bound} can never fire"
            yield ("models", name, "serving", "latency_p99"), message
