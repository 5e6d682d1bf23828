"""The same events live and as history say the same; and a backfill that is killed goes on as if it had not been.

One stream of two models reaches one exporter over HTTP, scraped by a real Prometheus, and is loaded by ``plumbline
backfill`` from NDJSON in any order, from CSV and from Parquet. Every series of the models, and every recorded value
since deployment, is then the same.
"""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import requests
import yaml

from plumbline import names
from plumbline.backfill.rules import query_range, temporary_prometheus
from plumbline.catalogue.model import Catalogue
from plumbline.generated import run_generators, write_files
from plumbline.servers import free_port
from support.scenery import Exporter, Rows, build_baselines, events, ndjson, post, prometheus_for, rows, write_catalogue
from support.servers import plumbline, wait_for

pytestmark = pytest.mark.e2e

HOUR = 3600.0
Series = dict[tuple[tuple[str, str], ...], float]


@dataclass
class Scene:
    folder: Path
    catalogue: Catalogue
    stream: Rows
    events: list[dict[str, Any]]
    times: np.ndarray
    end: float

    @property
    def rules(self) -> Path:
        return self.folder / "rules.yml"

    @property
    def command(self) -> list[str]:
        folder = self.folder
        return plumbline("backfill", "--catalogue", folder / "plumbline.yaml", "--baselines", folder / "baselines")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("history")
    catalogue = write_catalogue(folder / "plumbline.yaml", free_port(), maturity="1h")
    build_baselines(catalogue, folder, rows(2000, 1))
    stream = rows(800, 2, shift=0.4)
    end = time.time() // HOUR * HOUR - 6 * HOUR
    times = np.sort(np.random.default_rng(3).uniform(end - 30 * HOUR, end - 2 * HOUR, len(stream))).round(3)
    made = events(stream, 0.0, 0.0)
    for i, event in enumerate(made):
        known = 600.0 if event["type"] == "outcome" else 0.0
        event["ts"] = float(times[i // 4] + known)
    write_files(run_generators(catalogue), folder / "generated")
    groups = yaml.safe_load((folder / "generated" / "prometheus" / "rules" / "life.yml").read_text())["groups"]
    chosen = [rule for group in groups for rule in group["rules"] if rule["record"] in QUALITY]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "quality", "rules": chosen}]}))
    return Scene(folder, catalogue, stream, made, times, end)


def tables(scene: Scene) -> dict[str, Path]:
    """The rows of each model as a user's own table."""
    found = {}
    s = scene.stream
    for model, answer, actual in (("late", (s.score > 0.5).astype(int), s.late), ("minutes", s.answer, s.minutes)):
        path = scene.folder / f"{model}-history.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["request_id", "when", "x", "c", "score", "latency", "prediction", "label", "label_ts"])
            for i, at in enumerate(scene.times):
                score = repr(float(s.score[i])) if model == "late" else ""
                x = "" if np.isnan(s.x[i]) else repr(float(s.x[i]))
                writer.writerow(
                    [
                        f"{model[0]}{i}",
                        repr(float(at)),
                        x,
                        s.c[i],
                        score,
                        0.01,
                        answer[i],
                        actual[i],
                        repr(float(at + 600.0)),
                    ]
                )
        found[model] = path
    return found


def backfill(scene: Scene, name: str, *arguments: object) -> tuple[Path, float]:
    """Return the blocks and the time of their last sample."""
    tsdb = scene.folder / name / "tsdb"
    command = [
        *scene.command,
        *map(str, arguments),
        "--data",
        str(scene.folder / name / "data"),
        "--tsdb",
        str(tsdb),
        "--step",
        "15m",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tsdb, json.loads(done.stdout)["last"]


def series(url: str, query: str, at: float) -> Series:
    answer = requests.get(f"{url}/api/v1/query", params={"query": query, "time": repr(at)}, timeout=30).json()
    assert answer["status"] == "success", answer
    left_out = ("job", "instance")
    return {
        tuple(sorted((k, v) for k, v in one["metric"].items() if k not in left_out)): float(one["value"][1])
        for one in answer["data"]["result"]
    }


def same(a: Series, b: Series) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert b[key] == pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True), key


# What quality since deployment is made of: three levels of rules.
QUALITY = {
    recorded.over("life")
    for recorded in (
        names.R_QUALITY,
        names.R_QUALITY_SAMPLES,
        *(names.R_INCREASES[m.name] for m in (names.CONFUSION, names.REGRESSION, names.ABSOLUTE_ERROR)),
    )
}
# All but when the exporter first knew of a model: that is the time of the history, and now.
COUNTED = '{__name__=~"ml_.+", __name__!~".+_declared_timestamp_seconds"}'


@pytest.fixture(scope="module")
def live(scene: Scene) -> Iterator[tuple[Series, Series]]:
    """What the exporter counts of the events as they come, and what the rules record of that."""
    port = int(scene.catalogue.targets.exporters[0].rpartition(":")[2])
    with Exporter(scene.folder / "plumbline.yaml", scene.folder / "baselines", scene.folder / "live", port) as exporter:
        for start in range(0, len(scene.events), 2000):
            post(exporter.url, scene.events[start : start + 2000])
        with prometheus_for(scene.catalogue, scene.folder / "scrape") as prometheus:
            quality = names.R_QUALITY.over("life")

            def known() -> Series | None:
                found = series(prometheus.url, f'{quality}{{metric=~"accuracy|mae"}}', time.time())
                return found if len(found) == 2 else None

            wait_for(known, name="recorded quality")
            now = time.time()
            yield series(prometheus.url, COUNTED, now), series(prometheus.url, '{__name__=~".+:.+_life"}', now)


def test_history_says_what_the_same_events_said_live(scene: Scene, live: tuple[Series, Series]) -> None:
    shuffled = list(scene.events)
    random.Random(4).shuffle(shuffled)
    lines = scene.folder / "any-order.ndjson"
    lines.write_bytes(ndjson(shuffled) + b"\n")
    tsdb, last = backfill(scene, "ndjson", lines, "--rules", scene.rules)
    with temporary_prometheus(tsdb, scene.folder / "ndjson.log") as server:
        same(series(server.url, COUNTED, last), live[0])
        recorded = series(server.url, '{__name__=~".+:.+_life"}', last)
        assert {dict(key).get("metric") for key in recorded} >= {"accuracy", "mae"}
        same(recorded, {key: live[1][key] for key in recorded})


def test_tables_say_what_the_same_events_said_live(scene: Scene, live: tuple[Series, Series]) -> None:
    csv_tables = tables(scene)
    options = ["--version", "1", "--map", "ts=when", "--map", "actual=label", "--map", "actual_ts=label_ts"]
    parquet = scene.folder / "minutes.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(csv_tables["minutes"]), parquet)
    for model, path in (("late", csv_tables["late"]), ("minutes", parquet)):
        tsdb, last = backfill(scene, f"table-{model}", path, "--model", model, *options)
        wanted = {key: value for key, value in live[0].items() if ("model", model) in key and ("version", "1") in key}
        with temporary_prometheus(tsdb, scene.folder / f"table-{model}.log") as server:
            same(series(server.url, f'{{__name__=~"ml_.+", model="{model}", version="1"}}', last), wanted)


def every_sample(tsdb: Path, log: Path, scene: Scene) -> dict[str, list[tuple[float, str]]]:
    start = (scene.times[0] // 900.0 - 1) * 900.0
    with temporary_prometheus(tsdb, log) as server, requests.Session() as session:
        found = query_range(session, server.url, "all", '{__name__=~"(ml_|.+:).+"}', start, scene.end + HOUR, 900.0)
    return {json.dumps(one.metric, sort_keys=True): one.values for one in found}


def kill_when(process: subprocess.Popen[bytes], journal: Path, word: bytes, count: int) -> bool:
    """Kill a backfill as soon as its journal holds a word so often; False if it ended before."""
    while process.poll() is None:
        if journal.is_file() and journal.read_bytes().count(word) >= count:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            return True
        time.sleep(0.002)
    return False


def test_a_backfill_that_is_killed_goes_on_and_doubles_nothing(scene: Scene) -> None:
    lines = scene.folder / "killed.ndjson"
    lines.write_bytes(ndjson(sorted(scene.events, key=lambda e: e["ts"])) + b"\n")
    whole = every_sample(backfill(scene, "whole", lines, "--rules", scene.rules)[0], scene.folder / "whole.log", scene)
    tsdb, data = scene.folder / "killed" / "tsdb", scene.folder / "killed" / "data"
    command = [
        *scene.command,
        str(lines),
        "--rules",
        str(scene.rules),
        "--data",
        str(data),
        "--tsdb",
        str(tsdb),
        "--step",
        "15m",
    ]
    kills = 0
    for word, count in ((b'"time"', 3), (b'"time"', 60), (b'"made"', 2)):
        with (scene.folder / "killed.err").open("wb") as errors, subprocess.Popen(command, stderr=errors) as process:
            kills += kill_when(process, tsdb / "backfill.tmp" / "journal.jsonl", word, count)
    assert kills == 3
    other = subprocess.run([*command, "--job", "x"], capture_output=True, text=True, check=False)
    assert other.returncode == 2
    assert "of another history, step, rules or labels that was cut off" in other.stderr
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["resumed"]
    assert not (tsdb / "backfill.tmp").exists()
    found = every_sample(tsdb, scene.folder / "killed.log", scene)
    assert found.keys() == whole.keys()
    for key, values in whole.items():
        if '"__name__": "ml_' in key:
            assert found[key] == values, key
        else:  # Prometheus sums in no fixed order
            assert np.array(found[key], float) == pytest.approx(np.array(values, float), rel=1e-12), key
    assert len(list(tsdb.glob("*/meta.json"))) == len(list((scene.folder / "whole" / "tsdb").glob("*/meta.json")))
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "already holds events up to" in again.stderr


def test_a_replay_of_a_table_counts_what_the_rows_say(scene: Scene) -> None:
    table = tables(scene)["late"]
    with Exporter(scene.folder / "plumbline.yaml", scene.folder / "baselines", scene.folder / "replayed") as exporter:
        columns = ("--map=ts=when", "--map=actual=label", "--map=actual_ts=label_ts")
        words = (f"--catalogue={scene.folder / 'plumbline.yaml'}", "--model=late", "--version=1", *columns)
        command = plumbline("replay", table, *words, "--speed=1e6", f"--url={exporter.url}", "--json")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["sent"] == {"prediction": len(scene.stream), "outcome": len(scene.stream)}
        text = requests.get(f"{exporter.url}/metrics", timeout=10).text
    assert f'ml_predictions_total{{model="late",version="1"}} {len(scene.stream)}' in text.replace(".0\n", "\n")
