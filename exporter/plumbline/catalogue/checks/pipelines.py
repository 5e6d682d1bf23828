"""Checks of data pipelines."""

from __future__ import annotations

from plumbline.catalogue.checks.base import Found, check, unknown
from plumbline.catalogue.model import Catalogue
from plumbline.units import parse_duration


@check("catalogue/unknown-model")
def unknown_model(catalogue: Catalogue) -> Found:
    """A pipeline feeds models that exist, each named once."""
    known = catalogue.models
    for name, pipeline in catalogue.pipelines.items():
        for i, model in enumerate(pipeline.models):
            if model not in known:
                yield ("pipelines", name, "models", i), unknown("model", model, known, "models")
            elif model in pipeline.models[:i]:
                yield ("pipelines", name, "models", i), f"model {model!r} is listed twice: keep one"


@check("catalogue/stages")
def duplicate_stage(catalogue: Catalogue) -> Found:
    """A stage and a data check are named once."""
    for name, pipeline in catalogue.pipelines.items():
        for key, entries in (("stages", pipeline.stages), ("checks", pipeline.checks)):
            for i, entry in enumerate(entries):
                if entry in entries[:i]:
                    yield ("pipelines", name, key, i), f"{entry!r} is listed twice: keep one"


@check("catalogue/freshness")
def freshness_of_cadence(catalogue: Catalogue) -> Found:
    """Data may be older than one cadence, or the alert fires before every run."""
    for name, pipeline in catalogue.pipelines.items():
        cadence, freshness = parse_duration(pipeline.cadence), parse_duration(pipeline.freshness)
        if freshness <= cadence:
            message = (
                f"freshness {pipeline.freshness} is not longer than cadence {pipeline.cadence}: it would "
                "fire before every run; allow at least one late run"
            )
            yield ("pipelines", name, "freshness"), message


@check("catalogue/row-bounds")
def row_bounds(catalogue: Catalogue) -> Found:
    """The least rows are fewer than the most, and more than none: fewer than 0 there never are."""
    for name, pipeline in catalogue.pipelines.items():
        low, high = pipeline.rows.min, pipeline.rows.max
        if low == 0:
            yield ("pipelines", name, "rows", "min"), "min 0 can never fire: leave it out, or demand a row"
        if low is not None and high is not None and low > high:
            yield ("pipelines", name, "rows", "min"), f"min {low} is larger than max {high}: swap them"
