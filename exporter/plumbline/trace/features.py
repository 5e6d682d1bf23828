"""Where a request's features lie among the rows of the baseline: which of them is the odd one?

Reads a prediction's features and the version's baseline; bins as the exporter's counters do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plumbline.baseline.artefact import Baseline, FeatureBins
from plumbline.baseline.bins import bin_numeric
from plumbline.trace.records import FeatureRecord, Value
from plumbline.values import as_float, class_codes, code_of, is_missing, is_number


def against(features: Mapping[str, Value], baseline: Baseline) -> dict[str, FeatureRecord]:
    """Return the place of each feature that the baseline knows; one that was not sent is missing."""
    return {
        name: _place(features.get(name), bins) for name, bins in baseline.features.items() if not name.startswith("_")
    }


def _place(value: Value, bins: FeatureBins) -> FeatureRecord:
    code = len(bins.labels) - 1  # missing
    note = None
    if is_missing(value):
        note = "missing"
    elif bins.kind == "numeric":
        if not is_number(value):
            note = "not a number"
        else:
            code = int(bin_numeric(np.array([as_float(value)]), bins.uppers)[0])
            if bins.minimum is not None and value < bins.minimum:
                note = f"below the smallest, {bins.minimum:g}"
            elif bins.maximum is not None and value > bins.maximum:
                note = f"above the largest, {bins.maximum:g}"
    else:
        code = code_of(class_codes(bins.categories), value, len(bins.categories))
        if code == len(bins.categories) and code_of(class_codes(bins.rare), value) is None:
            note = "never seen"
    rows = sum(bins.counts)
    return FeatureRecord(bins.labels[code], bins.counts[code] / rows if rows else 0.0, note)
