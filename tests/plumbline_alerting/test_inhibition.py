"""Inhibition between alerts of a pipeline, by the real Alertmanager."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from plumbline.catalogue.model import Catalogue
from plumbline_alerting.alertmanager import configuration
from plumbline_alerting.model import to_yaml
from support.servers import Alertmanager, wait_for

pytestmark = pytest.mark.e2e


def alert(name: str, pipeline: str) -> dict[str, dict[str, str]]:
    return {"labels": {"alertname": name, "severity": "critical", "pipeline": pipeline, "owner": "weather-data"}}


def test_a_failed_pipeline_pages_once_not_again_for_the_age_of_its_data(
    root_catalogue: Catalogue, tmp_path: Path
) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(to_yaml(configuration(root_catalogue)))
    sent = [alert("PipelineFailed", "a"), alert("PipelineStale", "a"), alert("PipelineStale", "b")]
    with Alertmanager(path, tmp_path / "data") as running:
        requests.post(f"{running.url}/api/v2/alerts", json=sent, timeout=5).raise_for_status()

        def muted() -> set[tuple[str, str]]:
            known = requests.get(f"{running.url}/api/v2/alerts", timeout=5).json()
            assert len(known) <= len(sent)
            return {
                (one["labels"]["alertname"], one["labels"]["pipeline"]) for one in known if one["status"]["inhibitedBy"]
            }

        assert wait_for(muted, name="the age of the data to be muted") == {("PipelineStale", "a")}
