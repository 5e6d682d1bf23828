"""A data pipeline and a training run that say what they did.

Three stages: ``extract`` writes the day's rows, ``clean`` drops the broken ones, ``train`` fits a model
and announces it. Each stage is one pipeline event; the model's event names the digest of the very file it
was trained on, so that a prediction can be traced back to its data.

    python examples/pipeline.py OUT_FOLDER [EXPORTER_URL]
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from plumbline import Client
from plumbline.logging import bind, configure

MODEL = "late"
FEATURES = ("distance", "wind_speed")
log = logging.getLogger("pipeline")


@dataclass
class Stage:
    """What a stage reports at its end."""

    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    checks: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def stage(client: Client, name: str) -> Iterator[Stage]:
    """Send one event at the end of a stage, whichever way it ends."""
    report, start, status = Stage(), time.perf_counter(), "failed"
    try:
        yield report
        status = "succeeded"
    finally:
        client.pipeline(
            pipeline="flights", stage=name, status=status, duration=time.perf_counter() - start,
            data_ts=time.time(), **vars(report),
        )  # fmt: skip
        log.info("stage %s %s", name, status)


def extract(path: Path, seed: int) -> int:
    """Write a day's rows, a few of them broken; stands for a query to a warehouse."""
    rng = np.random.default_rng(seed)
    distance, wind = rng.uniform(100, 2500, 1000), rng.gamma(3, 4, 1000)
    late = rng.random(1000) < 1 / (1 + np.exp(-(wind - 14) / 3))
    wind[:20] = -1
    rows = np.column_stack([distance, wind, late])
    np.savetxt(path, rows, delimiter=",", header="distance,wind_speed,late", comments="", fmt="%.6g")
    return len(rows)


def run(folder: Path, client: Client, batch: str, seed: int = 0) -> dict[str, Any]:
    """Run the three stages for one batch of data; return what describes the model."""
    folder.mkdir(parents=True, exist_ok=True)
    raw, cleaned = folder / f"{batch}.raw.csv", folder / f"{batch}.csv"
    with bind(data_batch_id=batch, run_id=f"run-{batch}"):
        with stage(client, "extract") as report:
            report.rows_out = extract(raw, seed)
        with stage(client, "clean") as report:
            header, *rows = raw.read_text().splitlines()
            good = [row for row in rows if float(row.split(",")[1]) >= 0]
            cleaned.write_text("\n".join([header, *good]) + "\n")
            report.rows_in, report.rows_out = len(rows), len(good)
            report.rows_rejected = len(rows) - len(good)
            report.checks = [{"name": "no_negative_wind", "passed": all("-" not in row for row in good)}]
        with stage(client, "train") as report:
            table = np.loadtxt(cleaned, delimiter=",", skiprows=1)
            fitted = LogisticRegression(max_iter=1000).fit(table[:, :2], table[:, 2])
            report.rows_in = len(table)
            digest = hashlib.sha256(cleaned.read_bytes()).hexdigest()
            model = {
                "model": MODEL, "version": f"{batch}-{digest[:8]}", "training_data": f"sha256:{digest}",
                "commit": os.environ.get("GIT_COMMIT", "unknown"), "data_batch_id": batch,
                "weights": dict(zip(FEATURES, fitted.coef_[0].tolist(), strict=True)),
                "bias": float(fitted.intercept_[0]),
            }  # fmt: skip
            (folder / "model.json").write_text(json.dumps(model))
        client.deployment(
            model=MODEL, version=model["version"], stage="production", commit=model["commit"],
            training_data=model["training_data"], data_batch_id=batch,
        )  # fmt: skip
    return model


if __name__ == "__main__":
    out, url = Path(sys.argv[1]), (sys.argv[2:] or ["http://127.0.0.1:9877"])[0]
    with Client(url, spool_dir=out / "spool") as shipping:
        configure("flights-pipeline", client=shipping)
        run(out, shipping, time.strftime("%Y-%m-%d"))
