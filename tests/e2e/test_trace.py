"""From a request to its training data through the real exporter, and back from its data batch."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
import requests

from plumbline.servers import free_port
from support.scenery import Exporter, build_baselines, events, post, rows, write_catalogue
from support.servers import plumbline, wait_for

pytestmark = pytest.mark.e2e


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(plumbline(*arguments), capture_output=True, text=True, timeout=60)


def test_one_request_leads_to_commit_and_training_data_and_its_batch_back(tmp_path: Path) -> None:
    port = free_port()
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", port)
    baselines = build_baselines(catalogue, tmp_path, rows(400, 1))
    start = time.time() - 60
    sent = events(rows(200, 2), start)
    for number, event in enumerate(sent):
        if event["type"] == "prediction":
            event["data_batch_id"] = f"batch/{number % 3}"
    digest = baselines["late"].digest
    more = [
        {
            "type": "deployment",
            "model": "late",
            "version": "1",
            "stage": "production",
            "ts": start - 9,
            "baseline": digest,
            "commit": "c0ffee",
        },
        {
            "type": "pipeline",
            "pipeline": "p",
            "stage": "s",
            "run_id": "run",
            "status": "succeeded",
            "data_batch_id": "batch/0",
            "inputs": ["raw"],
            "ts": start - 5,
        },
    ]
    wanted = [e for e in sent if e.get("data_batch_id") == "batch/0"]
    with Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", tmp_path / "data", port) as exporter:
        post(exporter.url, [*more, *sent])

        batch = json.loads(ask("batch", "batch/0", "--url", exporter.url, "--json").stdout)
        assert batch["predictions"] == len(wanted)
        listed = ask("batch", "batch/0", "--url", exporter.url, "--list").stdout.splitlines()
        assert {json.loads(line)["request_id"] for line in listed} == {e["request_id"] for e in wanted}

        # Exemplars of the latency histogram carry request ids; each leads to a trace.
        page = requests.get(
            f"{exporter.url}/metrics", headers={"Accept": "application/openmetrics-text"}, timeout=30
        ).text
        [exemplar] = {
            line.partition('# {request_id="')[2].partition('"')[0]
            for line in page.splitlines()
            if 'model="late"' in line and "# {request_id=" in line
        }
        request = next(e["request_id"] for e in wanted if e["model"] == "late")
        for one in (exemplar, request):
            found = json.loads(ask("trace", one, "--url", exporter.url, "--json").stdout)
            info = found["predictions"][0]["version_info"]
            assert (info["commit"], info["baseline"]) == ("c0ffee", digest)
            assert info["training_data"] == baselines["late"].lineage.training_data
            assert info["training_data"].startswith("sha256:")
        assert [b["data_batch_id"] for b in found["batches"]] == ["batch/0", "raw"]
        assert found["batches"][0]["runs"][0]["run_id"] == "run"
        actual = next(e["actual"] for e in sent if e["type"] == "outcome" and e["request_id"] == request)
        assert [(o["actual"], o["standing"]) for o in found["outcomes"]] == [(actual, True)]
        assert f"Request {request}" in ask("trace", request, "--url", exporter.url).stdout

        def same() -> bool:
            folder = ["--data", str(tmp_path / "data"), "--baselines", str(tmp_path / "baselines")]
            return json.loads(ask("trace", request, *folder, "--json").stdout) == json.loads(
                ask("trace", request, "--url", exporter.url, "--json").stdout
            )

        wait_for(same, name="the folder and the exporter agree")
        unknown = ask("trace", "nobody", "--url", exporter.url)
        assert (unknown.returncode, unknown.stdout) == (1, "")
