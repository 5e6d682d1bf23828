"""Two years of electricity prices and nine months of flights: what PromQL says of every chunk is true.

``plumbline backfill`` loads a recorded stream (events, or CSV) into a TSDB, a real Prometheus serves it, and each chunk's
quality and drift are compared with scikit-learn and numpy on the chunk's rows, and with ``truth.csv``,
a computation that is independent of this project. Its bins are plain quantiles; ours also have bins of
their own for below, above, missing and heavy values, so PSI, JS and KS are recomputed here from the
artefact's edges, and only what has no bins is compared with ``truth.csv``.

How to ask exactly: a chunk is [start, end). Its drift is the counters at ``end`` minus at ``start``, its
quality the same shifted by the maturity, because an outcome enters at prediction time + maturity (all
outcomes of both streams are known by then). Both ends must be sampling times; a sample shows everything
before it. ``increase()`` would extrapolate to the edges: right on average, not to the event.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml
from scipy.stats import wasserstein_distance

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from support.between import Between
from support.servers import Prometheus, plumbline
from support.stream import Stream, bin_counts, drift, epoch, quality, quality_without_bins, read_artefact, read_stream

pytestmark = pytest.mark.e2e

DATA = Path(__file__).parents[3] / "shared" / "data"
DAY = 86_400.0
MATURITY = DAY  # no outcome of either stream takes longer
EXACT = 1e-9
BINNED = 1e-6
# From bins: right within a bound that is recorded beside the value.
BOUNDED = ("roc_auc", "average_precision", *names.ERROR_QUANTILES)
# truth.csv is printed with six significant digits.
PRINTED = 6e-6

WHOLE = (names.ALL, names.ALL)
# Slice values by feature; every other value is counted as "other".
SLICES = {"elec2": {"weekday": ["1", "7"]}, "flights": {"origin": ["EWR", "JFK"]}}
BY_SLICE = {"binary": ("accuracy", "brier", "log_loss"), "regression": ("mae", "rmse", "bias", "r2")}

# Steps that have a sampling time between any two chunks, and within them none of the other's events.
STEPS = {"elec2": ("1d", DAY), "flights": ("6h", DAY / 4)}


@dataclass
class Chunk:
    name: str
    start: float
    end: float
    truth: dict[str, float]


@dataclass
class Scene:
    name: str
    task: str
    stream: Stream
    chunks: list[Chunk]
    artefact: dict[str, Any]
    catalogue: Path
    prometheus: Prometheus
    known: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    @property
    def selector(self) -> str:
        return f'{{model="{self.name}"}}'

    @property
    def ordered_bins(self) -> int:
        return max(len(bins["uppers"]) for bins in self.artefact["features"].values())

    def rows(self, chunk: Chunk) -> Stream:
        return self.stream.between(chunk.start, chunk.end)

    def ask(
        self, recorded: names.Recorded, metric: str | None = None, later: float = 0.0, feature: str = ".+"
    ) -> dict[str, list[dict[str, Any]]]:
        """Results of one recorded expression for every chunk, by the chunk's name.

        One range query covers all chunks of a week; the shorter last one has its own.
        """
        catalogue = load_catalogue(self.catalogue)
        found: dict[str, list[dict[str, Any]]] = {chunk.name: [] for chunk in self.chunks}
        for length in {chunk.end - chunk.start for chunk in self.chunks}:
            alike = {chunk.end + later: chunk.name for chunk in self.chunks if chunk.end - chunk.start == length}
            answer = requests.post(
                f"{self.prometheus.url}/api/v1/query_range",
                data={
                    "query": Between(catalogue, length, self.ordered_bins, feature).of(recorded, metric),
                    "start": min(alike),
                    "end": max(alike),
                    "step": length,
                },
                timeout=300,
            ).json()
            assert answer["status"] == "success", answer
            for series in answer["data"]["result"]:
                if series["metric"]["model"] != self.name or series["metric"]["version"] == names.UNKNOWN:
                    continue
                for at, value in series["values"]:
                    found[alike[float(at)]].append({**series["metric"], "number": float(value)})
        return found

    def numbers(
        self, recorded: names.Recorded, metric: str | None = None, later: float = 0.0, slice_: tuple[str, str] = WHOLE
    ) -> dict[str, float]:
        """The single value of each chunk, of all rows or of a slice value, which need not have any."""
        found = {}
        for name, items in self.ask(recorded, metric, later).items():
            mine = [i for i in items if (i.get("slice", WHOLE[0]), i.get("value", WHOLE[1])) == slice_]
            assert len(mine) == 1 or (slice_ != WHOLE and not mine), recorded.stem
            if mine:
                found[name] = mine[0]["number"]
        return found

    def by_feature(self, recorded: names.Recorded) -> dict[str, dict[str, float]]:
        """The value of each feature in each chunk; of the target, when its outcomes are mature."""
        if recorded.stem not in self.known:
            inputs = self.ask(recorded, feature=f"(_score|_prediction|{'|'.join(self.stream.features)})")
            outcomes = self.ask(recorded, later=MATURITY, feature=names.ACTUAL_FEATURE)
            self.known[recorded.stem] = {
                name: {item["feature"]: item["number"] for item in (*items, *outcomes[name])}
                for name, items in inputs.items()
            }
        return self.known[recorded.stem]


def read_chunks(name: str, step: float) -> list[Chunk]:
    found: dict[str, Chunk] = {}
    with (DATA / name / "truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["chunk"] == "reference":
                continue
            start = epoch(row["start"]) // step * step
            end = (epoch(row["end"]) // step + 1) * step
            chunk = found.setdefault(row["chunk"], Chunk(row["chunk"], start, end, {}))
            if not row["feature"]:
                chunk.truth[row["metric"]] = float(row["value"])
    chunks = sorted(found.values(), key=lambda chunk: chunk.start)
    assert all(a.end == b.start for a, b in pairwise(chunks)), "the step misses a border"
    return chunks


def write_catalogue(path: Path, name: str, meta: dict[str, Any]) -> None:
    receiver = [{"webhook": "http://127.0.0.1:9/x"}]
    binary = {"task": "binary", "classes": ["0", "1"], "positive_class": "1"}
    features = {feature: {"type": "numeric"} for feature in meta["numeric"]}
    features |= {feature: {"type": "categorical"} for feature in meta["categorical"]}
    model = {
        **(binary if meta["kind"] == "binary" else {"task": "regression"}),
        "owner": "team",
        "features": features,
        "outcome": {"maturity": f"{MATURITY / 3600:.0f}h"},
        "slices": SLICES[name],
    }
    raw = {
        "version": 1,
        "owners": {"team": {"team": "Team", "page": receiver, "ticket": receiver}},
        "platform_owner": "team",
        "models": {name: model},
        "host_metrics": False,
    }
    path.write_text(yaml.safe_dump(raw, sort_keys=False))


def history(name: str, folder: Path) -> list[object]:
    """The stream as a user has it: elec2 as events, flights as the table that it is."""
    if name == "flights":
        columns = ("version=model_version", "actual=label", "actual_ts=label_ts")
        return [DATA / name / "stream.csv.gz", *(word for column in columns for word in ("--map", column))]
    lines = folder / "history.ndjson"
    command = [sys.executable, DATA / "to_events.py", name]
    with lines.open("w") as file, subprocess.Popen(command, stdout=subprocess.PIPE) as events:
        assert events.stdout is not None
        for line in events.stdout:
            event = json.loads(line)
            if event["type"] == "prediction":  # the day is a number, and no slice by itself
                event["slices"] = {"weekday": f"{event['features']['day']:g}"}
            file.write(json.dumps(event) + "\n")
    assert events.returncode == 0
    return [lines]


def run_cli(*arguments: object) -> str:
    done = subprocess.run(plumbline(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["elec2", "flights"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    name: str = request.param
    if not (DATA / name / "truth.csv").is_file():
        pytest.skip(f"no recorded streams at {DATA} (they may not be distributed with the project)")
    folder = tmp_path_factory.mktemp(name)
    meta = json.loads((DATA / name / "meta.json").read_text())
    write_catalogue(folder / "plumbline.yaml", name, meta)
    catalogue = ("--catalogue", folder / "plumbline.yaml")
    run_cli(
        "baseline",
        "build",
        DATA / name / "reference.csv.gz",
        "--model",
        name,
        "--version",
        "m1",
        *catalogue,
        "--output",
        folder / "baselines",
        "--where",
        "era=train",
        "--quality-where",
        "era=reference",
        "--time-column",
        "ts",
        "--actual-column",
        "label",
    )
    step, seconds = STEPS[name]
    report = json.loads(
        run_cli(
            "backfill",
            *history(name, folder),
            *catalogue,
            "--baselines",
            folder / "baselines",
            "--data",
            folder / "data",
            "--tsdb",
            folder / "tsdb",
            "--step",
            step,
            "--json",
        )
    )
    assert report["rejected_total"] == 0
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    with Prometheus(config, folder / "tsdb", args=["--storage.tsdb.retention.time=100y"]) as prometheus:
        yield Scene(
            name,
            meta["kind"],
            read_stream(DATA / name / "stream.csv.gz", meta["numeric"], meta["categorical"]),
            read_chunks(name, seconds),
            read_artefact(folder / "baselines"),
            folder / "plumbline.yaml",
            prometheus,
        )


def test_counts_are_those_of_the_rows_and_of_the_truth(scene: Scene) -> None:
    for chunk in scene.chunks:
        rows = scene.rows(chunk)
        between = (
            f"ml_predictions_total{scene.selector} @ {chunk.end} - ml_predictions_total{scene.selector} @ {chunk.start}"
        )
        counted = scene.prometheus.query(f"sum({between})", chunk.end)
        assert float(counted[0]["value"][1]) == len(rows) == chunk.truth["n"], chunk.name
    mature = scene.numbers(names.R_QUALITY_SAMPLES, later=MATURITY)
    known = {chunk.name: float((~np.isnan(scene.rows(chunk).actual)).sum()) for chunk in scene.chunks}
    assert mature == known == {chunk.name: chunk.truth["n_labelled"] for chunk in scene.chunks}


def test_coverage_is_the_share_of_predictions_whose_outcome_is_known(scene: Scene) -> None:
    got = scene.numbers(names.R_COVERAGE, later=MATURITY)
    for chunk in scene.chunks:
        assert got[chunk.name] == pytest.approx(chunk.truth["n_labelled"] / chunk.truth["n"], rel=EXACT)


def test_quality_of_every_chunk_is_scikit_learns(scene: Scene) -> None:
    expected = {chunk.name: quality(scene.rows(chunk), scene.task) for chunk in scene.chunks}
    for metric in expected[scene.chunks[0].name]:
        if metric in BOUNDED:
            continue
        got = scene.numbers(names.R_QUALITY, metric, MATURITY)
        for chunk in scene.chunks:
            assert got[chunk.name] == pytest.approx(expected[chunk.name][metric], rel=EXACT, abs=1e-12), (
                chunk.name,
                metric,
            )
            if metric in chunk.truth:
                assert got[chunk.name] == pytest.approx(chunk.truth[metric], rel=PRINTED, abs=PRINTED), (
                    chunk.name,
                    metric,
                )


def test_quality_of_every_slice_value_in_every_chunk_is_scikit_learns(scene: Scene) -> None:
    ((name, listed),) = SLICES[scene.name].items()
    compared = 0
    for metric, value in product(BY_SLICE[scene.task], (*listed, names.OTHER)):
        got = scene.numbers(names.R_QUALITY, metric, MATURITY, (name, value))
        for chunk in scene.chunks:
            rows = scene.rows(chunk)
            said = rows.features[name] if name in rows.features else np.array([f"{d:g}" for d in rows.features["day"]])
            mine = rows.only(said == value if value in listed else ~np.isin(said, listed))
            assert (chunk.name in got) == (len(mine) > 0)
            if len(mine):
                expected = quality_without_bins(mine, scene.task)[metric]
                assert got[chunk.name] == pytest.approx(expected, rel=EXACT, abs=1e-12), (chunk.name, metric, value)
                compared += 1
    assert compared > 2.9 * len(BY_SLICE[scene.task]) * len(scene.chunks)


@pytest.mark.parametrize(
    ("metric", "recorded"), [("roc_auc", names.R_AUC_BOUND), ("average_precision", names.R_AP_BOUND)]
)
def test_ranking_is_within_its_recorded_bound_which_is_small(
    scene: Scene, metric: str, recorded: names.Recorded
) -> None:
    if scene.task != "binary":
        pytest.skip("a regression has no ranking of scores")
    got, bound = scene.numbers(names.R_QUALITY, metric, MATURITY), scene.numbers(recorded, later=MATURITY)
    errors = {c.name: abs(got[c.name] - quality(scene.rows(c), "binary")[metric]) for c in scene.chunks}
    assert all(errors[name] <= bound[name] + 1e-12 for name in errors)
    # Precision is less even across a bin than rank is, so its bound is wider; the error itself is small.
    assert float(np.median(list(bound.values()))) < {"roc_auc": 0.01, "average_precision": 0.02}[metric]
    assert float(np.median(list(errors.values()))) < 0.002


@pytest.mark.parametrize("metric", names.ERROR_QUANTILES)
def test_quantiles_of_the_error_are_within_their_recorded_bound(scene: Scene, metric: str) -> None:
    if scene.task != "regression":
        pytest.skip("a classifier has no size of error")
    got = scene.numbers(names.R_QUALITY, metric, MATURITY)
    bound = scene.numbers(names.R_ERROR_QUANTILE_BOUND, metric, MATURITY)
    apart = []
    for chunk in scene.chunks:
        rows = scene.rows(chunk)
        errors = np.abs(rows.prediction - rows.actual)
        share = names.ERROR_QUANTILES[metric]
        # "The" quantile lies between two rows; numpy's definitions name all of that range.
        low, high = (float(np.quantile(errors[~np.isnan(errors)], share, method=m)) for m in ("lower", "higher"))
        assert low - bound[chunk.name] <= got[chunk.name] <= high + bound[chunk.name], chunk.name
        apart.append(abs(got[chunk.name] / low - 1))
    # Interpolation does better than the bound says.
    assert float(np.median(apart)) < 0.05


def test_drift_of_every_feature_is_numpys_over_the_same_bins(scene: Scene) -> None:
    measures = {"psi": names.R_PSI, "js": names.R_JS, "ks": names.R_KS, "wasserstein": names.R_WASSERSTEIN}
    answers = {m: scene.by_feature(r) for m, r in measures.items()}
    for chunk in scene.chunks:
        rows = scene.rows(chunk)
        values = {**rows.features, names.SCORE_FEATURE: rows.score, names.PREDICTION_FEATURE: rows.prediction}
        # The target is counted when an outcome is mature, and only if there is one.
        values[names.ACTUAL_FEATURE] = rows.actual[~np.isnan(rows.actual)]
        for feature, bins in scene.artefact["features"].items():
            got = {m: answer[chunk.name] for m, answer in answers.items()}
            column = values[feature]
            if feature in (names.PREDICTION_FEATURE, names.ACTUAL_FEATURE) and bins["kind"] == "categorical":
                column = np.array([str(int(v)) for v in column], dtype=object)
            expected = drift(bin_counts(column, bins), bins)
            for metric, value in expected.items():
                where = (chunk.name, feature, metric)
                # JS near 0 is the root of a difference of two nearly equal sums.
                assert got[metric][feature] == pytest.approx(value, rel=BINNED, abs=1e-7), where
            assert {m for m in measures if feature in got[m]} == set(expected)
    assert names.ACTUAL_FEATURE in scene.artefact["features"]


def test_wasserstein_from_bins_is_near_scipys_of_the_rows(scene: Scene) -> None:
    """Within its proven bound where values stay in range; its typical error is that of ten bins."""
    got = scene.by_feature(names.R_WASSERSTEIN)
    with gzip.open(DATA / scene.name / "reference.csv.gz", "rt", newline="") as file:
        reference = [row for row in csv.DictReader(file) if row["era"] == "train"]
    apart = []
    for feature, bins in scene.artefact["features"].items():
        if bins["kind"] != "numeric" or feature not in scene.stream.features or not bins["stddev"]:
            continue
        uppers, sd = np.array(bins["uppers"]), bins["stddev"]
        known = np.array([float(row[feature]) for row in reference if row[feature] not in ("", "nan")])
        assert sd == pytest.approx(known.std(), rel=1e-9)
        for chunk in scene.chunks[::4]:
            values = scene.rows(chunk).features[feature]
            values = values[~np.isnan(values)]
            inside = np.clip(values, bins["minimum"], bins["maximum"])
            exact = wasserstein_distance(inside, known) / sd
            p, q = (np.histogram(v, [-np.inf, *uppers, np.inf])[0] / len(v) for v in (inside, known))
            bound = 0.75 * float(np.sum(np.diff(uppers) / sd * (p + q)[1:-1]))
            # Half a row per bin, at most the whole width away.
            smoothing = len(uppers) * (0.5 / len(values) + 0.5 / len(known)) * (uppers[-1] - uppers[0]) / sd
            assert abs(got[chunk.name][feature] - exact) <= bound + smoothing, (chunk.name, feature)
            apart.append(abs(got[chunk.name][feature] - exact))
    assert float(np.median(apart)) < 0.05


def test_estimated_accuracy_is_the_row_wise_estimate(scene: Scene) -> None:
    """CBPE by row with the baseline's own reliability: each prediction's chance of being right, averaged."""
    if scene.task != "binary":
        pytest.skip("an estimate needs scores")
    bins = scene.artefact["score_bins"]
    share = np.array(bins["positives"]) / np.array(bins["counts"])
    got = scene.numbers(names.R_QUALITY_ESTIMATE, "accuracy")
    for chunk in scene.chunks:
        rows = scene.rows(chunk)
        c = share[np.searchsorted(bins["uppers"], rows.score, side="left")]
        expected = float(np.where(rows.prediction == 1, c, 1 - c).mean())
        assert got[chunk.name] == pytest.approx(expected, rel=EXACT)
    # On the reference itself it is the measured accuracy, within what bins cost.
    with gzip.open(DATA / scene.name / "reference.csv.gz", "rt", newline="") as file:
        rows_ = [row for row in csv.DictReader(file) if row["era"] == "reference"]
    score, predicted = (np.array([float(row[c]) for row in rows_]) for c in ("score", "prediction"))
    c = share[np.searchsorted(bins["uppers"], score, side="left")]
    accuracy = np.mean([float(row["label"]) == float(row["prediction"]) for row in rows_])
    assert float(np.where(predicted == 1, c, 1 - c).mean()) == pytest.approx(accuracy, abs=0.011)


def test_the_early_view_shows_the_flattering_number_and_the_mature_one_the_truth(scene: Scene) -> None:
    """truth_asof.csv: what was visible some hours after the end of each day."""
    if scene.name != "flights":
        pytest.skip("outcomes of elec2 are all known after half an hour: nothing flatters")
    visible: dict[float, list[tuple[str, float, float]]] = {}
    with (DATA / scene.name / "truth_asof.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            said = (row["window"], float(row["n_labelled_by_then"]), float(row["mae_or_accuracy"]))
            visible.setdefault(float(row["hours_after_window_end"]), []).append(said)

    def overall(hours: float) -> float:
        return sum(n * mae for _, n, mae in visible[hours]) / sum(n for _, n, _ in visible[hours])

    between = Between(load_catalogue(scene.catalogue), DAY)
    daily = between.of(names.R_QUALITY, "mae")
    for day, _, mae in visible[24][:-1]:  # the samples end when the last outcome has matured, within the last day's
        at = epoch(f"{day}T00:00:00+00:00") + DAY + MATURITY
        whole = {"version": "m1", "slice": names.ALL}
        (mature,) = [r for r in scene.prometheus.query(daily, at) if whole.items() <= r["metric"].items()]
        assert float(mature["value"][1]) == pytest.approx(mae, rel=PRINTED, abs=PRINTED), day

    # The early horizon is a twelfth of the maturity, 2 h; an early outcome counts when it becomes known.
    rows = scene.stream
    early = (rows.known - rows.ts) <= 7200
    got = scene.numbers(names.R_EARLY_QUALITY, "mae")
    share = scene.numbers(names.R_EARLY_SHARE)
    flattered = 0
    for chunk in scene.chunks:
        mine = early & (rows.known >= chunk.start) & (rows.known < chunk.end)
        error = np.abs(rows.prediction - rows.actual)
        assert got[chunk.name] == pytest.approx(error[mine].mean(), rel=EXACT), chunk.name
        assert share[chunk.name] == pytest.approx(mine.sum() / chunk.truth["n"], rel=EXACT), chunk.name
        flattered += got[chunk.name] < chunk.truth["mae"]
    assert flattered >= 0.9 * len(scene.chunks)
    end = scene.chunks[-1].end + MATURITY
    (whole,) = [
        float(r["value"][1])
        for r in scene.prometheus.query("ml_early_absolute_error_total / ml_early_outcomes_total", end)
        if r["metric"]["version"] == "m1"
    ]
    assert round(whole, 1) == 21.1 < overall(0) < overall(1) < overall(3) < overall(24)
    assert round(overall(24), 1) == 27.2
