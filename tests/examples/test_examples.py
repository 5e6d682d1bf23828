from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import requests
import structlog

from plumbline import Client
from plumbline.logging import configure
from plumbline.servers import free_port
from support.exporter_stand_in import StandIn
from support.scenery import Exporter, write_catalogue

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def quiet() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def ask(service: Any, requests_: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://test") as client:
            return [(await client.post(url, **options)).json() for url, options in requests_]

    return asyncio.run(run())


@pytest.mark.e2e
def test_pipeline_and_service_reach_the_real_exporter(tmp_path: Path, quiet: None) -> None:
    port = free_port()
    write_catalogue(tmp_path / "plumbline.yaml", port)
    pipeline, service = load("pipeline"), load("service")
    client = Client(f"http://127.0.0.1:{port}", spool_dir=tmp_path / "spool", linger=0.01, backoff=0.05)
    configure("svc", client=client)
    pipeline.run(tmp_path / "out", client, "b1")  # the exporter is not there yet: all goes to disk
    app = service.build(client, tmp_path / "out")
    predict = {"json": {"distance": 500, "wind_speed": 20}, "headers": {"X-Request-ID": "my-request"}}
    answers = ask(app, [("/predict", predict), ("/outcome/my-request", {"params": {"actual": 1}})])
    assert answers[0]["request_id"] == "my-request"
    (tmp_path / "baselines").mkdir()
    with Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", tmp_path / "data", port) as exporter:
        assert client.flush(20)
        page = requests.get(exporter.url + "/metrics", timeout=10).text
    client.close()
    stats = client.stats()
    assert stats.sent == stats.created
    stored = dict(re.findall(r'^plumbline_events_total\{kind="(\w+)"\} (\d+)', page, re.MULTILINE))
    assert {k: int(stored[k]) for k in ("prediction", "outcome", "pipeline", "deployment")} == {
        "prediction": 1,
        "outcome": 1,
        "pipeline": 3,
        "deployment": 1,
    }
    assert sum(map(int, stored.values())) == stats.sent
    assert int(stored["log"]) >= 5


def test_the_model_names_the_file_it_was_trained_on(tmp_path: Path, quiet: None) -> None:
    import hashlib
    import json

    stand_in = StandIn()
    try:
        with Client(stand_in.url, linger=0.01, strict=True) as client:
            model = load("pipeline").run(tmp_path, client, "b1")
        events = [json.loads(line) for line in stand_in.lines]
    finally:
        stand_in.stop()
    digest = hashlib.sha256((tmp_path / "b1.training.csv").read_bytes()).hexdigest()
    assert model["training_data"] == events[-1]["training_data"] == f"sha256:{digest}"
    [baseline] = (tmp_path / "baselines").iterdir()
    assert events[-1]["baseline"] == baseline.stem
    stages = [e for e in events if e["type"] == "pipeline"]
    assert [(e["data_batch_id"], e["inputs"]) for e in stages] == [
        ("b1/raw", []),
        ("b1", ["b1/raw"]),
        (f"sha256:{digest}", ["b1"]),
    ]
    assert [(e["stage"], e["status"], e["run_id"]) for e in stages] == [
        ("extract", "succeeded", "run-b1"),
        ("clean", "succeeded", "run-b1"),
        ("train", "succeeded", "run-b1"),
    ]
    assert (stages[1]["rows_in"], stages[1]["rows_out"], stages[1]["rows_rejected"]) == (1000, 980, 20)
