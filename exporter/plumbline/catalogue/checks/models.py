"""Checks of models: classes, features, slices, retention."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from plumbline.catalogue.advice import nearest
from plumbline.catalogue.checks.base import Found, check, unknown
from plumbline.catalogue.model import INTERSECTION, Catalogue
from plumbline.catalogue.source import Location
from plumbline.names import ALL, FAIRNESS_METRICS, MISSING, OTHER, PROPORTIONS, UNKNOWN
from plumbline.units import parse_duration
from plumbline.values import category_name, class_codes, code_of, is_missing

MAXIMUM_CLASSES = 50
MAXIMUM_CATEGORIES = 50
MAXIMUM_SLICE_VALUES = 50
_RESERVED = (UNKNOWN, OTHER, MISSING)


@check("catalogue/unknown-retention")
def unknown_retention(catalogue: Catalogue) -> Found:
    """A model's retention class exists."""
    known = catalogue.retention
    for name, model in catalogue.models.items():
        if model.retention not in known:
            message = unknown("retention class", model.retention, known, "retention")
            yield ("models", name, "retention"), message


@check("catalogue/retention-order")
def retention_order(catalogue: Catalogue) -> Found:
    """The minimum of a retention class is no longer than its maximum."""
    for name, retention in catalogue.retention.items():
        if parse_duration(retention.minimum) > parse_duration(retention.maximum):
            message = f"minimum {retention.minimum} is longer than maximum {retention.maximum}: swap them"
            yield ("retention", name, "minimum"), message


@check("catalogue/classes")
def classes_of_task(catalogue: Catalogue) -> Found:
    """Each task has the classes it needs, and no others."""
    for name, model in catalogue.models.items():
        here: Location = ("models", name)
        classes = model.classes
        if model.task == "regression":
            for key in ("classes", "positive_class"):
                if getattr(model, key) is not None:
                    yield (*here, key), f"a regression model has no {key}: remove it"
            continue
        if classes is None:
            example = '["0", "1"]' if model.task == "binary" else '["a", "b", "c"]'
            yield here, f"a {model.task} model needs classes, such as classes: {example}"
        elif model.task == "binary" and len(classes) != 2:
            message = f"a binary model has exactly 2 classes, not {len(classes)}: use task multiclass for more"
            yield (*here, "classes"), message
        elif model.task == "multiclass" and not 3 <= len(classes) <= MAXIMUM_CLASSES:
            message = f"a multiclass model has 3 to {MAXIMUM_CLASSES} classes, not {len(classes)}"
            yield (*here, "classes"), message
        if model.task == "binary":
            if model.positive_class is None:
                yield here, "a binary model needs positive_class: the class that score is the probability of"
            elif classes is not None and model.positive_class not in classes:
                message = f"positive_class {model.positive_class!r} is not one of classes ({', '.join(classes)})"
                yield (*here, "positive_class"), message
        elif model.positive_class is not None:
            yield (*here, "positive_class"), "a multiclass model has no positive_class: remove it"


@check("catalogue/class-names")
def class_names(catalogue: Catalogue) -> Found:
    """Classes are distinct, and none bears a name that bounds a label set."""
    for name, model in catalogue.models.items():
        yield from _distinct(("models", name, "classes"), model.classes or (), "class")
        for i, text in enumerate(model.classes or ()):
            if text in _RESERVED:
                yield ("models", name, "classes", i), f"{text!r} is reserved: name the class otherwise"


@check("catalogue/categories")
def category_lists(catalogue: Catalogue) -> Found:
    """Declared categories belong to categorical features, are distinct and few."""
    for name, model in catalogue.models.items():
        for feature_name, feature in model.features.items():
            here: Location = ("models", name, "features", feature_name, "categories")
            if feature.categories is None:
                continue
            if feature.type != "categorical":
                message = f"a {feature.type} feature has no categories: remove them, or make it categorical"
                yield here, message
            elif not feature.categories:
                yield here, "the list is empty: leave it out to let the baseline take the 20 most frequent"
            elif len(feature.categories) > MAXIMUM_CATEGORIES:
                message = (
                    f"{len(feature.categories)} categories make as many series: declare at most "
                    f"{MAXIMUM_CATEGORIES}, or leave the list out to keep the 20 most frequent"
                )
                yield here, message
            yield from _distinct(here, feature.categories, "category")


@check("catalogue/slices")
def slice_values(catalogue: Catalogue) -> Found:
    """Slices have closed, distinct value lists that agree with the feature they are named after."""
    for name, model in catalogue.models.items():
        for slice_name, values in model.slices.items():
            here: Location = ("models", name, "slices", slice_name)
            if slice_name == ALL:
                yield here, f"{ALL!r} is reserved for all rows: name the slice otherwise"
            if INTERSECTION in slice_name:
                yield here, f"{INTERSECTION!r} stands between the names of an intersection: name the slice otherwise"
            if not values:
                yield here, "the slice has no values: list those to watch; the rest is counted as other"
            elif len(values) > MAXIMUM_SLICE_VALUES:
                yield here, f"{len(values)} values are too many for a slice: at most {MAXIMUM_SLICE_VALUES}"
            yield from _distinct(here, values, "value")
            feature = model.features.get(slice_name)
            if feature is None:
                continue  # sent with the event, in its field slices
            if feature.type == "numeric":
                message = f"feature {slice_name!r} is numeric: send a banded value in the event's slices instead"
                yield here, message
            known = feature.categories or (("false", "true") if feature.type == "boolean" else None)
            for i, value in enumerate(values):
                if known is not None and code_of(class_codes(known), value) is None:
                    message = f"{value!r} is no category of feature {slice_name!r} ({', '.join(known)})"
                    yield (*here, i), message


@check("catalogue/intersections")
def intersections_of_slices(catalogue: Catalogue) -> Found:
    """An intersection joins two or more declared slices, once, and makes few combinations."""
    for name, model in catalogue.models.items():
        seen: set[frozenset[str]] = set()
        for i, members in enumerate(model.intersections):
            here: Location = ("models", name, "intersections", i)
            unknown_members = [m for m in members if m not in model.slices]
            for member in unknown_members:
                advice = nearest(member, model.slices)
                yield here, f"{member!r} is no slice of the model{advice}: declare it under slices"
            if len(set(members)) < 2 or len(set(members)) < len(members):
                yield here, "an intersection needs two or more different slices, such as [sex, age]"
            if frozenset(members) in seen:
                yield here, "the same slices are intersected twice: keep one"
            seen.add(frozenset(members))
            combinations = math.prod(len(model.slices.get(m, ())) for m in members)
            if combinations > MAXIMUM_SLICE_VALUES:
                yield (
                    here,
                    f"{combinations} combinations are too many for an intersection: at most {MAXIMUM_SLICE_VALUES}",
                )


@check("catalogue/disparities")
def disparities_of_task(catalogue: Catalogue) -> Found:
    """A bound on disparity is of a figure that the task has, can be reached, and has slices to look at."""
    for name, model in catalogue.models.items():
        known = FAIRNESS_METRICS[model.task]
        for metric, bound in (model.disparities or {}).items():
            here: Location = ("models", name, "disparities", metric)
            if metric not in known:
                yield (
                    here,
                    f"{metric!r} is not compared for a {model.task} model{nearest(metric, known)}: "
                    f"use {', '.join(known)}",
                )
            elif metric in PROPORTIONS and bound >= 1:
                yield here, f"{metric} lies between 0 and 1: a difference of {bound:g} can never fire"
        if model.disparities and not model.slices:
            yield ("models", name, "disparities"), "the model has no slices to compare: declare some"


@check("catalogue/kpis")
def duplicate_kpi(catalogue: Catalogue) -> Found:
    """A KPI is named once."""
    for name, model in catalogue.models.items():
        yield from _distinct(("models", name, "kpis"), model.kpis, "KPI")


@check("catalogue/kpi-objectives")
def kpi_objectives(catalogue: Catalogue) -> Found:
    """A KPI's objective is of a declared KPI and has a bound."""
    for name, model in catalogue.models.items():
        for kpi, objective in model.kpi_objectives.items():
            here: Location = ("models", name, "kpi_objectives", kpi)
            if kpi not in model.kpis:
                yield here, f"{kpi!r} is no KPI of the model{nearest(kpi, model.kpis)}: declare it under kpis"
            if objective.floor is None and objective.max_drop is None:
                yield here, "the objective has no bound: give a floor, a max_drop, or both"


def _distinct(location: Location, values: Iterable[str], what: str) -> Found:
    spelled: dict[str | None, str] = {}
    for value in dict.fromkeys(values):
        first = spelled.setdefault(category_name(value), value)
        if first != value:
            yield location, f"{what} {value!r} means the same value as {first!r}: keep one"
    for value, count in Counter(values).items():
        if count > 1:
            yield location, f"{what} {value!r} is listed {count} times: keep one"
        if is_missing(value):
            yield location, f"a {what} is empty text: missing values have their own bin; remove it"
