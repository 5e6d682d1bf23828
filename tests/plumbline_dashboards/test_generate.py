from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from plumbline import names
from plumbline.catalogue.model import Catalogue, Processes, Serving
from plumbline.generated import GeneratedFile, stale_files, write_files
from plumbline.store.postgres_views import READER
from plumbline_dashboards.generate import generate

ROOT = Path(__file__).parents[2]


def titles(catalogue: Catalogue, name: str) -> set[str]:
    """Titles of the rows and panels of one dashboard."""
    path = f"dashboards/generated/{names.DASHBOARD_UIDS[name]}.json"
    [text] = [f.content for f in generate(catalogue) if f.path == path]
    found: set[str] = set()
    for panel in json.loads(text)["panels"]:
        found |= {panel["title"], *(inner["title"] for inner in panel.get("panels", ()))}
    return found


def test_the_pinned_sdk_is_installed() -> None:
    # An unpinned install silently takes the build for Grafana 10.1, whose version epoch is higher.
    assert version("grafana-foundation-sdk").lstrip("v") == "0.0.21"


def test_the_committed_files_are_the_generated_ones(files: list[GeneratedFile]) -> None:
    assert stale_files(files, ROOT) == []


def test_nothing_else_lies_among_the_generated_files(files: list[GeneratedFile]) -> None:
    made = {f.path for f in files}
    for folder in ("dashboards/generated", "dashboards/provisioning"):
        lying = {p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*") if p.is_file()}
        assert lying <= made


def test_generation_is_deterministic(catalogue: Catalogue, files: list[GeneratedFile]) -> None:
    assert list(generate(catalogue)) == files


def test_writing_twice_changes_nothing(files: list[GeneratedFile], tmp_path: Path) -> None:
    assert set(write_files(files, tmp_path)) == {f.path for f in files}
    assert write_files(files, tmp_path) == []


def test_there_is_one_dashboard_per_uid_of_the_contract(
    files: list[GeneratedFile], dashboards: dict[str, dict[str, Any]]
) -> None:
    assert set(dashboards) == set(names.DASHBOARD_UIDS.values())
    for uid in dashboards:
        assert f"dashboards/generated/{uid}.json" in {f.path for f in files}


def test_every_file_ends_in_one_newline(files: list[GeneratedFile]) -> None:
    assert all(f.content.endswith("\n") and not f.content.endswith("\n\n") for f in files)


def test_binary_panels_appear_only_with_a_binary_model(catalogue: Catalogue) -> None:
    regression = {name: m for name, m in catalogue.models.items() if m.task == "regression"}
    without = catalogue.model_copy(update={"models": regression})
    assert "Confusion" in titles(catalogue, "quality")
    assert "Confusion" not in titles(without, "quality")
    assert "Shift of the outcome" in titles(without, "quality")


def test_kpis_appear_only_where_a_model_has_some(catalogue: Catalogue) -> None:
    models = {name: m.model_copy(update={"kpis": ("revenue",)}) for name, m in catalogue.models.items()}
    assert "KPIs" not in titles(catalogue, "quality")
    assert "KPIs" in titles(catalogue.model_copy(update={"models": models}), "quality")


def test_process_panels_appear_only_where_processes_are_named(catalogue: Catalogue) -> None:
    named = catalogue.model_copy(update={"processes": {"api": Processes(command_contains="uvicorn")}})
    assert "Running processes" not in titles(catalogue, "infrastructure")
    assert "Running processes" in titles(named, "infrastructure")


def test_expected_traffic_is_drawn_only_where_it_is_declared(catalogue: Catalogue) -> None:
    def listed(of: Catalogue) -> str:
        [text] = [f.content for f in generate(of) if f.path.endswith("queries.json")]
        return text

    serving = Serving(predictions_per_second=0.5)
    models = {name: m.model_copy(update={"serving": serving}) for name, m in catalogue.models.items()}
    assert names.OBJECTIVE_TRAFFIC not in listed(catalogue)
    assert names.OBJECTIVE_TRAFFIC in listed(catalogue.model_copy(update={"models": models}))


def test_windows_come_from_the_catalogue(catalogue: Catalogue) -> None:
    short = catalogue.evaluation.model_copy(
        update={
            "drift": ("2m", "10m"),
            "quality": ("1m", "2m", "10m"),
            "fast": "2m",
            "slow": "10m",
            "drift_alert": "2m",
        }
    )
    made = list(generate(catalogue.model_copy(update={"evaluation": short})))
    [listing] = [f.content for f in made if f.path.endswith("queries.json")]
    assert names.R_PSI.over("2m") in listing
    assert names.R_QUALITY.over("10m") in listing
    assert "_1d" not in listing
    assert "_1h" not in listing


def test_node_exporter_is_shown_where_it_replaces_our_host_metrics(catalogue: Catalogue) -> None:
    theirs = catalogue.model_copy(update={"host_metrics": False})
    path = f"dashboards/generated/{names.DASHBOARD_UIDS['infrastructure']}.json"
    [text] = [f.content for f in generate(theirs) if f.path == path]
    assert "node_cpu_seconds_total" in text
    assert names.HOST_CPU.name not in text


def test_the_provisioned_data_source_is_the_scraped_prometheus(
    catalogue: Catalogue, files: list[GeneratedFile]
) -> None:
    [text] = [f.content for f in files if f.path == "dashboards/provisioning/datasources/plumbline.yml"]
    prometheus, alertmanager, _ = yaml.safe_load(text)["datasources"]
    assert prometheus["url"] == f"http://{catalogue.targets.prometheus[0]}"
    assert prometheus["jsonData"]["timeInterval"] == catalogue.evaluation.scrape_interval
    assert alertmanager["url"] == f"http://{catalogue.targets.alertmanagers[0]}"
    assert not prometheus["editable"]


def test_exemplars_lead_to_the_request_on_the_exporter(catalogue: Catalogue) -> None:
    links = catalogue.links.model_copy(update={"exporter": "https://plumbline.example/"})
    made = generate(catalogue.model_copy(update={"links": links}))
    [text] = [f.content for f in made if f.path == "dashboards/provisioning/datasources/plumbline.yml"]
    prometheus, *_ = yaml.safe_load(text)["datasources"]
    [destination] = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    # Grafana's provisioning turns $$ into $; the label is the one that the exporter's exemplars carry.
    assert destination["url"].replace("$$", "$") == "https://plumbline.example/trace/${__value.raw}"
    assert destination["name"] == "request_id"


def test_the_store_is_provisioned_for_the_reader_without_a_secret_in_the_file(files: list[GeneratedFile]) -> None:
    [text] = [f.content for f in files if f.path == "dashboards/provisioning/datasources/plumbline.yml"]
    *_, store = yaml.safe_load(text)["datasources"]
    assert (store["type"], store["user"]) == ("grafana-postgresql-datasource", READER)
    # From the environment, where an unset variable is empty: without a PostgreSQL, Grafana starts all the same.
    assert store["secureJsonData"] == {"password": "${PLUMBLINE_STORE_PASSWORD}"}
    assert store["url"] == "${PLUMBLINE_STORE_ADDRESS}"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    given = compose["services"]["grafana"]["environment"]
    assert set(re.findall(r"\$\{(PLUMBLINE_STORE_\w+)\}", text)) <= set(given)


def test_the_provider_takes_its_folder_from_the_environment(files: list[GeneratedFile]) -> None:
    [text] = [f.content for f in files if f.path == "dashboards/provisioning/dashboards/plumbline.yml"]
    [provider] = yaml.safe_load(text)["providers"]
    assert provider["options"]["path"] == "${PLUMBLINE_DASHBOARDS}"
    assert provider["allowUiUpdates"] is False
