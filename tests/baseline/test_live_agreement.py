"""The reference, sent again as live traffic, falls into the very bins the baseline counted."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np

from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.catalogue.model import Catalogue
from plumbline.events.parse import parse
from plumbline.ingest.budget import estimate
from plumbline.ingest.engine import Engine
from plumbline.store.embedded import EmbeddedStore
from support.samples import OWNER, FixedBaselines, body, values


def test_live_counts_of_the_reference_equal_the_baselines_within_the_estimated_series(tmp_path):
    random = np.random.default_rng(11)
    n = 1500
    columns = {
        "x": [float(v) for v in np.where(random.random(n) < 0.3, 0.0, random.normal(size=n).round(3))],
        "day": random.integers(1, 8, n).tolist(),
        "c": [f"k{v}" for v in np.minimum(random.geometric(0.1, n), 40)],
        "b": [bool(v) for v in random.random(n) < 0.2],
        "score": random.random(n).round(4).tolist(),
    }
    columns["prediction"] = [int(s > 0.5) for s in columns["score"]]
    columns["actual"] = [int(v) for v in random.random(n) < columns["score"]]
    columns["x"][7] = None
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    kinds = {"x": "numeric", "day": "numeric", "c": "categorical", "b": "boolean"}
    catalogue = Catalogue.model_validate(
        {
            "version": 1,
            "owners": {"team": OWNER},
            "platform_owner": "team",
            "models": {
                "clf": {
                    "task": "binary",
                    "owner": "team",
                    "classes": ["0", "1"],
                    "positive_class": "1",
                    "features": {name: {"type": kind} for name, kind in kinds.items()},
                }
            },
        }
    )
    made = build_baseline("clf", "1", catalogue.models["clf"], BuildSettings(tables=(path,))).baseline
    events = [
        {
            "type": "prediction",
            "ts": 1000.0,
            "request_id": f"r{i}",
            "model": "clf",
            "version": "1",
            "features": {name: columns[name][i] for name in kinds},
            "prediction": columns["prediction"][i],
            "score": columns["score"][i],
        }
        for i in range(n)
    ]
    events += [
        {"type": "outcome", "ts": 1000.0, "request_id": f"r{i}", "actual": columns["actual"][i]} for i in range(n)
    ]
    engine = Engine(catalogue, FixedBaselines(made), EmbeddedStore(tmp_path / "store"))
    try:
        engine.commit([parse(body(*events), 2000.0)], 2000.0)
        blocks = engine.blocks()
        counted = values(blocks)
    finally:
        engine.close()
    exposed: Counter[tuple[str, ...]] = Counter()
    for block in blocks:
        histogram = block.metric.kind == "histogram"
        for labels in block.labels:
            exposed[labels[:2]] += len(block.metric.buckets) + 3 if histogram else 1
    (budget,) = estimate(catalogue)
    assert 0.7 * budget.per_version < exposed["clf", "1"] <= budget.per_version
    assert exposed["clf", "_unknown"] == budget.unknown
    for name, bins in made.features.items():
        live = [counted["ml_feature_values_total", "clf", "1", name, label] for label in bins.labels]
        assert live == bins.counts, name
    for name in kinds:
        assert counted["ml_feature_problems_total", "clf", "1", name, "unseen"] == 0
        assert counted["ml_feature_problems_total", "clf", "1", name, "out_of_range"] == 0
        assert counted["ml_feature_problems_total", "clf", "1", name, "wrong_type"] == 0
