"""Catalogues of these tests, and their generated files in a folder laid out as the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.generated import write_files
from plumbline_alerting.generate import generate

ROOT = Path(__file__).parents[2]
RULE_TESTS = ROOT / "alerting" / "tests"

# What `make demo` does to a catalogue, more or less: seconds instead of hours.
FAST = {
    "scrape_interval": "1s",
    "rule_interval": "2s",
    "drift": ["30s", "2m", "10m"],
    "quality": ["30s", "2m", "10m"],
    "fast": "30s",
    "slow": "2m",
    "drift_alert": "30s",
    "alert_for": "2s",
    "ticket_for": "4s",
}


def faster(path: Path, folder: Path) -> Catalogue:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    fast = folder / path.name
    fast.write_text(yaml.safe_dump({**document, "evaluation": FAST}), encoding="utf-8")
    return load_catalogue(fast)


@pytest.fixture(scope="session")
def root_catalogue() -> Catalogue:
    return load_catalogue(ROOT / "plumbline.yaml")


@pytest.fixture(scope="session")
def fast_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return faster(ROOT / "plumbline.yaml", tmp_path_factory.mktemp("fast"))


@pytest.fixture(scope="session")
def test_catalogue() -> Catalogue:
    return load_catalogue(RULE_TESTS / "plumbline.yaml")


@pytest.fixture(scope="session", params=["root", "fast", "test"])
def any_catalogue(request: pytest.FixtureRequest) -> Catalogue:
    found: Catalogue = request.getfixturevalue(f"{request.param}_catalogue")
    return found


@pytest.fixture
def generated(any_catalogue: Catalogue, tmp_path: Path) -> Path:
    write_files(generate(any_catalogue), tmp_path)
    return tmp_path
