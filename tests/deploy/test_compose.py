"""What can be known of the containers without pulling an image."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline import names
from plumbline.catalogue.model import Catalogue

ROOT = Path(__file__).parents[2]
SERVICES = ("network", "exporter", "prometheus", "alertmanager", "grafana")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    """Instructions of each stage of the exporter's Dockerfile."""
    text = (ROOT / "exporter/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, rest = line.strip().split(maxsplit=1)
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, rest))
    return found


def pinned(image: str) -> bool:
    """Whether an image is pinned to a full version."""
    _, colon, tag = image.rpartition(":")
    return bool(colon) and re.match(r"v?\d+\.\d+", tag) is not None


def test_all_parts_are_there(compose: dict[str, Any]) -> None:
    assert tuple(compose["services"]) == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_pinned_by_version(compose: dict[str, Any], service: str) -> None:
    assert pinned(compose["services"][service]["image"])


def test_ports_are_published_on_the_loopback_only(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)


def test_the_generated_targets_are_reached_in_the_shared_network(compose: dict[str, Any]) -> None:
    catalogue = Catalogue.model_validate(yaml.safe_load((ROOT / "plumbline.yaml").read_text(encoding="utf-8")))
    targets = catalogue.targets
    wanted = {*targets.exporters, *targets.prometheus, *targets.alertmanagers, "localhost:3000"}
    inside = {f"localhost:{p.rsplit(':', 1)[1]}" for p in compose["services"]["network"]["ports"]}
    assert inside == wanted
    for name in SERVICES[1:]:
        assert compose["services"][name]["network_mode"] == "service:network"


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_gains_privileges(compose: dict[str, Any], service: str) -> None:
    found = compose["services"][service]
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert not found.get("privileged")


@pytest.mark.parametrize("service", ["prometheus", "alertmanager", "grafana"])
def test_foreign_images_get_a_health_check(compose: dict[str, Any], service: str) -> None:
    assert compose["services"][service]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_data_live_in_named_volumes_and_the_rest_is_read_only(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", ()):
            source, _, *mode = volume.split(":")
            if source.startswith("."):
                assert mode == ["ro"], (name, volume)
            else:
                assert source in compose["volumes"], (name, volume)


def test_mounted_files_of_this_repository_exist(compose: dict[str, Any]) -> None:
    # Those of the dashboards: the others come from other generators, or from the user.
    sources = [v.split(":")[0] for v in compose["services"]["grafana"]["volumes"] if v.startswith(".")]
    assert all((ROOT / source).exists() for source in sources)


def test_grafanas_folder_holds_the_dashboards_and_nothing_else(compose: dict[str, Any]) -> None:
    # Grafana would take any other JSON file there for a broken dashboard.
    grafana = compose["services"]["grafana"]
    folder = grafana["environment"]["PLUMBLINE_DASHBOARDS"]
    mounts = [volume.split(":") for volume in grafana["volumes"]]
    [source] = [source for source, target, *_ in mounts if target == folder]
    found = {path.name for path in (ROOT / source).iterdir()}
    assert found == {f"{uid}.json" for uid in names.DASHBOARD_UIDS.values()}


def test_prometheus_keeps_exemplars_and_a_year(compose: dict[str, Any]) -> None:
    flags = compose["services"]["prometheus"]["command"]
    assert "--enable-feature=exemplar-storage" in flags
    [kept] = [f.split("=")[1] for f in flags if "retention.time" in f]
    assert int(kept.removesuffix("d")) > 366


def test_the_exporters_image_is_not_run_as_root(stages: list[list[tuple[str, str]]]) -> None:
    users = [rest for instruction, rest in stages[-1] if instruction == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_the_exporters_image_checks_its_health(stages: list[list[tuple[str, str]]]) -> None:
    [check] = [rest for instruction, rest in stages[-1] if instruction == "HEALTHCHECK"]
    assert f"http://127.0.0.1:{names.DEFAULT_PORT}/-/healthy" in check


def test_the_exporters_image_is_built_in_stages_from_pinned_bases(stages: list[list[tuple[str, str]]]) -> None:
    bases = [rest.split()[0] for stage in stages for instruction, rest in stage if instruction == "FROM"]
    assert len(bases) == 2
    assert all(pinned(base) for base in bases)
    final = " ".join(rest for instruction, rest in stages[-1] if instruction == "RUN")
    assert "--no-index" in final
    assert "dev" not in shlex.split(final)


def test_what_the_build_copies_is_let_through_by_dockerignore(stages: list[list[tuple[str, str]]]) -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
    }
    copied = {part for instruction, rest in stages[0] if instruction == "COPY" for part in rest.split()[:-1]}
    assert copied
    assert copied <= allowed
