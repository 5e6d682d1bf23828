"""The bins of each feature, chosen from the sample and the catalogue before rows are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from plumbline.baseline.bins import choose_categories, choose_numeric, declared_labels
from plumbline.baseline.extent import Extent
from plumbline.baseline.rows import TIME, Source
from plumbline.catalogue.model import Model
from plumbline.errors import TableError
from plumbline.names import ACTUAL_FEATURE, PREDICTION_FEATURE

CLASS_FEATURES = (PREDICTION_FEATURE, ACTUAL_FEATURE)


@dataclass(frozen=True, slots=True)
class Layout:
    """Bins of one feature, before its rows are counted."""

    kind: str
    labels: Sequence[str]
    uppers: Sequence[float] = ()
    categories: Sequence[str] = ()
    minimum: float | None = None
    maximum: float | None = None
    stddev: float | msgspec.UnsetType = msgspec.UNSET


def choose_layouts(source: Source, model: Model, extent: Extent, bins: int) -> dict[str, Layout]:
    """Choose the bins of every column; raise a TableError for a feature without any number."""
    layouts: dict[str, Layout] = {}
    for key, request in source.wanted.items():
        if key == TIME:
            continue
        if request.kind in ("number", "probability"):
            values = extent.sample.numbers(key)
            values = values[np.isfinite(values)]
            if not values.size and key == ACTUAL_FEATURE:
                continue  # no row of the reference has an outcome: nothing to compare the target with
            if not values.size:
                raise TableError(
                    f"{source.tables[0]}: column {request.column!r} has no number in the reference rows: "
                    "fill it, or take the feature out of the catalogue"
                )
            low, high = extent.minimum[key], extent.maximum[key]
            chosen = choose_numeric(values, low, high, bins)
            # Of a constant only rounding is left, in which nothing can be measured.
            stddev = extent.stddev[key] if low < high else 0.0
            layouts[key] = Layout("numeric", chosen.labels, chosen.uppers, (), low, high, stddev)
            continue
        categories, labels = _levels(key, model, extent)
        layouts[key] = Layout("categorical", labels, categories=categories)
    return layouts


def _levels(key: str, model: Model, extent: Extent) -> tuple[Sequence[str], Sequence[str]]:
    if key in CLASS_FEATURES:
        declared: Sequence[str] | None = model.classes or ()
    elif model.features[key].type == "boolean":
        declared = ("false", "true")
    else:
        declared = model.features[key].categories
    if declared is None:
        return choose_categories(*extent.sample.texts(key))
    return declared, declared_labels(declared)
