"""A retrain hook hands over the export of its period, ready to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from plumbline.alerts import parse_webhook
from plumbline.events.parse import parse
from plumbline.hooks.runner import HookRunner
from plumbline.units import parse_time
from support.alert_samples import alert, open_with_hooks, webhook
from support.hook_receiver import HookReceiver
from support.samples import body, outcome, prediction
from support.servers import wait_for

NOW = parse_time("2026-01-05T10:01:00Z")
Retrain = Callable[..., dict[str, Any]]


@pytest.fixture
def retrain(tmp_path: Path) -> Iterator[Retrain]:
    """Send one decayed model's alert; return the payload that the receiver got."""
    stops: list[Callable[[], None]] = []

    def make(**hooks: Any) -> dict[str, Any]:
        receiver = HookReceiver()
        receiver.__enter__()
        stops.append(lambda: receiver.__exit__(None, None, None))
        engine = open_with_hooks(tmp_path / "data", dry_run=False, retrain=f"{receiver.url}/r", **hooks)
        stops.append(engine.close)
        ts = NOW - 86400
        for version, count in (("1", 3), ("2", 4)):
            for n in range(count):
                request = f"{version}-{n}"
                engine.commit(
                    [parse(body(prediction(request, version=version, ts=ts), outcome(request, ts=ts + 60)), NOW)], NOW
                )
        engine.commit([parse(body(prediction("unknown", version="2", ts=ts)), NOW)], NOW)
        runner = HookRunner(engine.actions, engine.catalogue, engine.store, tmp_path, engine.blocks, lambda: NOW)
        runner.start()
        stops.append(runner.stop)
        decay = alert(labels={"alertname": "ModelQualityDecay", "severity": "warning"})
        engine.commit([parse_webhook(webhook(decay), NOW)], NOW)
        wait_for(lambda: receiver.calls, name="the call")
        ((_, _, payload),) = receiver.calls
        found: dict[str, Any] = payload
        return found

    yield make
    for stop in reversed(stops):
        stop()


def test_the_file_holds_every_version_of_the_period_and_its_digest_is_right(retrain: Retrain, tmp_path: Path) -> None:
    period = retrain()["period"]
    path = Path(period["file"]["path"])
    assert path == tmp_path / "exports" / "clf.parquet"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == period["file"]["sha256"]
    table = pq.read_table(path)
    assert table.num_rows == period["file"]["rows"] == 7
    assert sorted(table.column("_request_id").to_pylist()) == sorted(
        [f"1-{n}" for n in range(3)] + [f"2-{n}" for n in range(4)]
    )
    lineage = json.loads(pq.read_metadata(path).metadata[b"plumbline"])
    assert (lineage["start"], lineage["end"]) == (period["start"], period["end"])
    assert period["export"].startswith("plumbline export clf clf.parquet --from ")


def test_who_wants_no_copy_gets_the_command_alone(retrain: Retrain, tmp_path: Path) -> None:
    assert "file" not in retrain(retrain_file=False)["period"]
    assert not (tmp_path / "exports").exists()


def test_a_file_that_cannot_be_written_is_said_and_the_call_is_made(retrain: Retrain, tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("in the way")
    assert "exports" in retrain()["period"]["file"]["problem"]
