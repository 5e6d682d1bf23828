"""``plumbline skew`` against a real exporter."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pytest
import requests

from plumbline.servers import free_port
from support.scenery import Exporter, build_baselines, events, post, rows, write_catalogue
from support.servers import plumbline


@pytest.mark.e2e
def test_a_table_of_recomputed_features_is_compared_with_what_was_served(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", free_port())
    build_baselines(catalogue, tmp_path, rows(500, 1))
    stream = rows(200, 2)
    with (tmp_path / "again.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "x", "c"])
        for i in range(200):
            missing = stream.x[i] != stream.x[i]
            # Training code fills what is missing; serving did not. One row in ten has another category.
            writer.writerow([f"l{i}", 0.0 if missing else stream.x[i], "zz" if i % 10 == 0 else stream.c[i] or ""])
    with Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", tmp_path / "data") as exporter:
        served = [event for event in events(stream, 1.7e9) if event["type"] == "prediction"]
        post(exporter.url, served)
        words = ["--catalogue", tmp_path / "plumbline.yaml", "--model", "late", "--map", "request_id=id"]
        command = plumbline("skew", tmp_path / "again.csv", *words, "--url", exporter.url)
        said = [subprocess.run([*command, "--json"], capture_output=True, text=True, check=True) for _ in range(2)]
        assert [json.loads(one.stdout) for one in said] == [
            {"accepted": 200, "rejected": 0, "duplicates": 0},
            {"accepted": 200, "rejected": 0, "duplicates": 200},
        ]
        text = requests.get(f"{exporter.url}/metrics", timeout=10).text
        unfit = subprocess.run([*command, "--map", "score=s"], capture_output=True, text=True, check=False)
    empty = sum(x != x for x in stream.x)
    of = 'model="late",version="1",feature='
    assert f'ml_feature_skew_rows_total{{{of}"x"}} 200\n' in text
    assert f'ml_feature_skew_mismatches_total{{{of}"x"}} {empty}\n' in text
    assert f'ml_feature_skew_mismatches_total{{{of}"c"}} 20\n' in text
    assert unfit.returncode == 2
    assert "'score' is not read here; what is read: request_id, x" in unfit.stderr
