from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from plumbline import names
from plumbline.baseline.bins import bin_numeric, choose_numeric
from plumbline.counting.serving import count_predictions
from plumbline.events.kinds import Prediction
from plumbline.layout.build import build_layout
from support.samples import baseline, catalogue

NUMBERS = st.floats(-1e100, 1e100) | st.integers(-5, 5).map(float)


@given(st.lists(NUMBERS, min_size=1, max_size=40), st.integers(2, 12), st.lists(NUMBERS | st.integers(), max_size=9))
def test_live_traffic_falls_into_the_bins_that_the_baseline_counted(
    reference: list[float], bins: int, live: list[float]
) -> None:
    sample = np.array(reference)
    chosen = choose_numeric(sample, sample.min(), sample.max(), bins)
    artefact = baseline()
    features = {
        **artefact.features,
        "x": replace(artefact.features["x"], uppers=list(chosen.uppers), labels=list(chosen.labels)),
    }
    layout = build_layout("clf", "1", catalogue().models["clf"], replace(artefact, features=features))
    cells = np.zeros(layout.size)
    values = [*reference, *live, math.inf, -math.inf, None]
    events = [
        Prediction(request_id="r", model="clf", version="1", features={"x": v, "c": "a"}, prediction="1")
        for v in values
    ]
    count_predictions(layout, cells, events, [1.0] * len(events))
    slot = layout.features[0]
    assert slot.name == "x"
    assert slot.bins is not None
    assert slot.bins.metric is names.FEATURE_VALUES
    expected = bin_numeric(np.array([math.nan if v is None else float(v) for v in values]), chosen.uppers)
    counted = cells[slot.bins.offset : slot.bins.end]
    assert counted.tolist() == np.bincount(expected, minlength=len(chosen.labels)).tolist()
