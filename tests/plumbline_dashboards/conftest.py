"""The catalogue of the repository and what is generated from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile
from plumbline_dashboards.generate import generate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.model_validate(yaml.safe_load((ROOT / "plumbline.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def files(catalogue: Catalogue) -> list[GeneratedFile]:
    return list(generate(catalogue))


@pytest.fixture(scope="session")
def dashboards(files: list[GeneratedFile]) -> dict[str, dict[str, Any]]:
    """Every dashboard by uid."""
    found = [json.loads(f.content) for f in files if f.path.endswith(".json") and "queries" not in f.path]
    return {dashboard["uid"]: dashboard for dashboard in found}
