"""A data pipeline and a training run that say what they did.

``extract`` writes the day's rows, ``clean`` drops the broken ones and publishes the batch for the service,
``train`` fits a model on it, freezes its baseline and announces it. Each stage is one pipeline event that
names the batch it made and those it read. The batch that a model is trained on is named by the digest of its
file; the deployment names the same digest, the commit of this code and the baseline, so that a prediction can
be traced back to the very bytes and the very code.

    python examples/pipeline.py OUT_FOLDER --batch 2026-05-01 --train [--url http://127.0.0.1:9877]

``GIT_COMMIT`` names the commit, as a build server knows it; without it, git is asked.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from plumbline import Client
from plumbline.baseline.artefact import save_baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.catalogue.load import load_catalogue
from plumbline.logging import bind, configure

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

MODEL = "late"
FEATURES = ("distance", "wind_speed")
CATALOGUE = Path(__file__).with_name("plumbline.yaml")
HELD_OUT = 0.3
log = logging.getLogger("pipeline")


@dataclass
class Stage:
    """What a stage reports at its end."""

    data_batch_id: str | None = None
    inputs: list[str] = field(default_factory=list)
    rows_in: int | None = None
    rows_out: int | None = None
    rows_rejected: int | None = None
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
            pipeline="flights",
            stage=name,
            status=status,
            duration=time.perf_counter() - start,
            data_ts=time.time(),
            **vars(report),
        )
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


def feed(folder: Path, client: Client, batch: str, seed: int) -> Path:
    """Make one batch of data: extract, clean, publish. Returns its file."""
    raw, cleaned = folder / f"{batch}.raw.csv", folder / f"{batch}.csv"
    with stage(client, "extract") as report:
        report.data_batch_id = f"{batch}/raw"
        report.rows_out = extract(raw, seed)
    with stage(client, "clean") as report:
        report.data_batch_id, report.inputs = batch, [f"{batch}/raw"]
        header, *rows = raw.read_text().splitlines()
        good = [row for row in rows if float(row.split(",")[1]) >= 0]
        cleaned.write_text("\n".join([header, *good]) + "\n")
        report.rows_in, report.rows_out = len(rows), len(good)
        report.rows_rejected = len(rows) - len(good)
        report.checks = [{"name": "no_negative_wind", "passed": all("-" not in row for row in good)}]
    # What the service reads: the newest batch and the wind in it.
    wind = float(np.loadtxt(cleaned, delimiter=",", skiprows=1)[:, 1].mean())
    publish(folder / "current.json", {"data_batch_id": batch, "wind_speed": wind})
    return cleaned


def train(folder: Path, client: Client, batch: str, table: Path) -> dict[str, Any]:
    """Fit the model on a batch, freeze its baseline, announce it; return what describes it."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and feeding does not need it

    rows = np.loadtxt(table, delimiter=",", skiprows=1)
    cut = round(len(rows) * (1 - HELD_OUT))
    training = folder / f"{batch}.training.csv"
    with stage(client, "train") as report:
        lines = table.read_text().splitlines()
        training.write_text("\n".join(lines[: cut + 1]) + "\n")
        digest = f"sha256:{hashlib.sha256(training.read_bytes()).hexdigest()}"
        report.data_batch_id, report.inputs = digest, [batch]
        report.rows_in, report.rows_out = len(rows), cut
        # From the file itself: what its digest names is what the model has seen.
        seen = np.loadtxt(training, delimiter=",", skiprows=1)
        fitted = LogisticRegression(max_iter=1000).fit(seen[:, :2], seen[:, 2])
    version = f"{batch}-{digest.removeprefix('sha256:')[:8]}"
    commit = os.environ.get("GIT_COMMIT") or git_commit()
    baseline = freeze(folder, version, fitted, seen, rows[cut:], commit)
    model = {
        "model": MODEL,
        "version": version,
        "training_data": digest,
        "commit": commit,
        "baseline": baseline,
        "weights": dict(zip(FEATURES, fitted.coef_[0].tolist(), strict=True)),
        "bias": float(fitted.intercept_[0]),
    }
    publish(folder / "model.json", model)
    client.deployment(
        model=MODEL,
        version=version,
        stage="production",
        commit=commit,
        training_data=digest,
        baseline=baseline,
        config={"model": "LogisticRegression", "held_out": HELD_OUT},
    )
    return model


def freeze(
    folder: Path,
    version: str,
    fitted: LogisticRegression,
    seen: npt.NDArray[np.float64],
    held_out: npt.NDArray[np.float64],
    commit: str,
) -> str:
    """Build the baseline: the rows the model has seen for drift, those it has not for quality."""
    tables = []
    for name, rows in (("seen", seen), ("held-out", held_out)):
        path = folder / f"{version}.{name}.csv"
        score = fitted.predict_proba(rows[:, :2])[:, 1]
        columns = np.column_stack([rows, score, score > 0.5])
        header = ",".join((*FEATURES, "actual", "score", "prediction"))
        # Classes are whole numbers; everything else keeps its digits.
        formats = ("%.6g", "%.6g", "%d", "%.9g", "%d")
        np.savetxt(path, columns, delimiter=",", header=header, comments="", fmt=formats)
        tables.append(path)
    settings = BuildSettings(tables=(tables[0],), quality_tables=(tables[1],), commit=commit)
    made = build_baseline(MODEL, version, load_catalogue(CATALOGUE).models[MODEL], settings).baseline
    save_baseline(made, folder / "baselines")
    return made.digest


def git_commit() -> str:
    """Return the commit of the code that runs; "unknown" outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def publish(path: Path, content: dict[str, Any]) -> None:
    """Replace a file as a whole: the service may read it at any moment."""
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)


def run(folder: Path, client: Client, batch: str, seed: int = 0, *, training: bool = True) -> dict[str, Any] | None:
    """Run the pipeline for one batch; return what describes the model, if one was trained."""
    folder.mkdir(parents=True, exist_ok=True)
    with bind(run_id=f"run-{batch}"):
        table = feed(folder, client, batch, seed)
        return train(folder, client, batch, table) if training else None


def main() -> None:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description="Make a batch of data, and train on it.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:9877", help="the exporter")
    parser.add_argument("--batch", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", action="store_true", help="train a model on the batch and announce it")
    given = parser.parse_args()
    with Client(given.url, spool_dir=given.folder / "spool") as client:
        configure("flights-pipeline", client=client)
        run(given.folder, client, given.batch, given.seed, training=given.train)


if __name__ == "__main__":
    main()
