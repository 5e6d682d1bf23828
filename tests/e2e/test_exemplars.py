"""From a point on the latency panel to the request behind it: exporter, Prometheus, and Grafana's own settings."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from plumbline import names
from plumbline.servers import free_port
from plumbline_dashboards.listing import all_panels, fill
from support.scenery import Exporter, build_baselines, events, post, prometheus_for, rows, write_catalogue
from support.servers import Prometheus, wait_for

pytestmark = pytest.mark.e2e


def panels_with_exemplars(folder: Path) -> list[str]:
    """PromQL of every panel query that asks for exemplars, in the generated dashboards."""
    found = []
    for path in sorted((folder / "dashboards/generated").glob("*.json")):
        for panel in all_panels(json.loads(path.read_text())):
            found += [target["expr"] for target in panel["targets"] if target.get("exemplar")]
    return found


def exemplars(prometheus: Prometheus, query: str) -> list[dict[str, Any]]:
    answer = requests.get(
        f"{prometheus.url}/api/v1/query_exemplars",
        params={"query": query, "start": time.time() - 600, "end": time.time() + 60},
        timeout=30,
    ).json()
    assert answer["status"] == "success", answer
    return [one for series in answer["data"] for one in series["exemplars"]]


def test_the_exemplar_of_the_latency_panel_opens_the_page_of_its_request(tmp_path: Path) -> None:
    port = free_port()
    catalogue = write_catalogue(tmp_path / "plumbline.yaml", port)
    here = f"http://127.0.0.1:{port}"
    catalogue = catalogue.model_copy(update={"links": catalogue.links.model_copy(update={"exporter": here})})
    build_baselines(catalogue, tmp_path, rows(400, 1))
    sent = events(rows(50, 2), time.time() - 5)
    for number, event in enumerate(sent):
        if event["type"] == "prediction":
            event["request_id"] = f"order/{number}?x=1"  # an id that must be encoded in an address
            event["latency"] = 0.003 * (number + 1)
    requests_ = {e["request_id"]: e for e in sent if e["type"] == "prediction"}
    exporter = Exporter(tmp_path / "plumbline.yaml", tmp_path / "baselines", tmp_path / "data", port)
    with exporter, prometheus_for(catalogue, tmp_path) as prometheus:
        post(exporter.url, requests_.values())

        [query, *_] = panels_with_exemplars(tmp_path)
        assert names.PREDICTION_LATENCY.name in query
        asked = fill(query, "2m", catalogue.evaluation.scrape_interval)
        found = wait_for(lambda: exemplars(prometheus, asked), name="exemplars")
        sources = yaml.safe_load((tmp_path / "dashboards/provisioning/datasources/plumbline.yml").read_text())
        [destination] = sources["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"]
        for exemplar in found:
            request_id = exemplar["labels"][destination["name"]]
            # As Grafana: provisioning leaves one dollar of two, and the value goes in encoded.
            template = destination["url"].replace("$$", "$")
            address = template.replace("${__value.raw}", requests.utils.quote(request_id, safe=""))
            page = requests.get(address, headers={"Accept": "text/html"}, timeout=30)
            assert page.status_code == 200
            assert f"<code>{request_id}</code>" in page.text
            # The exemplar is that request's own latency.
            assert float(exemplar["value"]) == pytest.approx(requests_[request_id]["latency"])
