"""Small catalogues, baselines and events that many tests share."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from plumbline.baseline.artefact import Baseline, FeatureBins, Lineage, Quality, ScoreBins
from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue
from plumbline.events.parse import parse
from plumbline.expose.block import Block
from plumbline.ingest.engine import Engine
from plumbline.store.base import Store
from plumbline.store.embedded import EmbeddedStore

OWNER = {"team": "T", "page": [{"webhook": "http://localhost:1/p"}], "ticket": [{"webhook": "http://localhost:1/t"}]}


def catalogue(**changes: Any) -> Catalogue:
    """A binary model ``clf`` and a regression ``reg`` with one numeric and one categorical feature."""
    features = {"x": {"type": "numeric"}, "c": {"type": "categorical"}}
    raw = {
        "version": 1,
        "owners": {"team": OWNER},
        "platform_owner": "team",
        "models": {
            "clf": {
                "task": "binary",
                "owner": "team",
                "features": features,
                "classes": ["0", "1"],
                "positive_class": "1",
                "outcome": {"maturity": "1h"},
                "kpis": ["margin"],
                "objectives": [{"metric": "accuracy", "max_drop": 0.1, "severity": "critical"}],
            },
            "reg": {"task": "regression", "owner": "team", "features": features, "outcome": {"maturity": "1h"}},
        },
        "pipelines": {
            "feed": {
                "owner": "team",
                "stages": ["load"],
                "cadence": "1d",
                "freshness": "2d",
                "models": ["clf"],
                "rows": {"min": 1, "max": 10},
                "checks": ["no_gaps"],
            }
        },
        **changes,
    }
    return Catalogue.model_validate(raw)


def baseline(model: str = "clf", version: str = "1", task: str = "binary") -> Baseline:
    """Bins of x: below 0, (0,1], (1,2], above 2, missing; of c: a, b, other, missing."""
    x = FeatureBins(
        kind="numeric",
        labels=["00 < 0", "01 [0, 1]", "02 (1, 2]", "03 > 2", "missing"],
        counts=[0, 50, 50, 0, 0],
        noise=0.01,
        chi2=18.0,
        uppers=[-1e-9, 1.0, 2.0],
        minimum=0.0,
        maximum=2.0,
    )
    c = FeatureBins(
        kind="categorical",
        labels=["00", "01", "other", "missing"],
        counts=[60, 30, 10, 0],
        noise=0.02,
        chi2=16.0,
        categories=["a", "b"],
        rare=["z"],
    )
    features = {"x": x, "c": c}
    score = None
    if task == "binary":
        features["_prediction"] = FeatureBins(
            kind="categorical",
            labels=["00 0", "01 1", "other", "missing"],
            counts=[50, 50, 0, 0],
            noise=0.0,
            chi2=16.0,
            categories=["0", "1"],
        )
        score = ScoreBins(
            uppers=[0.25, 0.5, 0.75],
            labels=["00", "01", "02", "03"],
            counts=[25, 25, 25, 25],
            positives=[2, 8, 17, 23],
            score_sums=[3.0, 9.0, 16.0, 22.0],
        )
        quality = {"accuracy": Quality(value=0.8, stddev=0.02, rows=100)}
    else:
        quality = {"mae": Quality(value=1.0, stddev=0.1, rows=100)}
    return Baseline(
        model=model,
        version=version,
        task=task,
        features=features,
        score_bins=score,
        quality=quality,
        actual_mean=5.0 if task == "regression" else None,
        classes=["0", "1"] if task == "binary" else [],
        lineage=Lineage(training_data="sha256:ab", source="t.csv", rows=100, quality_rows=100, commit="c0ffee"),
    )


class FixedBaselines(BaselineFolder):
    """A folder that holds the given baselines and never looks again."""

    def __init__(self, *baselines: Baseline) -> None:
        super().__init__(None)
        for one in baselines:
            self._by_digest[one.digest] = one


def open_sample(folder: Path, store: Store | None = None, **changes: Any) -> Engine:
    """Open an engine with both sample models and their baselines, by default on an embedded store."""
    baselines = FixedBaselines(baseline(), baseline("reg", "1", "regression"))
    return Engine(catalogue(**changes), baselines, store or EmbeddedStore(folder))


def prediction(request: str, **changes: Any) -> dict[str, Any]:
    """A prediction event of clf/1 at ts 1000."""
    return {
        "type": "prediction",
        "ts": 1000.0,
        "request_id": request,
        "model": "clf",
        "version": "1",
        "features": {"x": 0.5, "c": "a"},
        "prediction": "1",
        "score": 0.9,
        "latency": 0.02,
        **changes,
    }


def outcome(request: str, actual: object = "1", **changes: Any) -> dict[str, Any]:
    """An outcome event at ts 2000."""
    return {"type": "outcome", "ts": 2000.0, "request_id": request, "actual": actual, **changes}


def body(*events: dict[str, Any]) -> bytes:
    """Events as NDJSON."""
    return b"\n".join(json.dumps(e).encode() for e in events)


def send(engine: Engine, *events: dict[str, Any], now: float | None = None) -> None:
    """Store events; none may be rejected."""
    parsed = parse(body(*events), time.time())
    assert parsed.rejected == []
    engine.commit([parsed], time.time() if now is None else now)


def values(blocks: list[Block]) -> dict[tuple[str, ...], float]:
    """All counters and gauges as {(metric, label values...): value}; histograms by bucket and sum."""
    found: dict[tuple[str, ...], float] = {}
    for block in blocks:
        for row, labels in enumerate(block.labels):
            name = (block.metric.name, *labels)
            if block.metric.kind == "histogram":
                assert block.sums is not None
                found[*name, "sum"] = float(block.sums[row])
                for column, count in enumerate(block.values[row]):
                    found[*name, f"bucket{column}"] = float(count)
            elif block.values[row] == block.values[row]:
                assert name not in found, f"{name} is exposed twice"
                found[name] = float(block.values[row])
    return found
