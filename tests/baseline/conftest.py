"""Tables and models for the baseline's tests."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from plumbline.catalogue.model import Model

Writer = Callable[[str, Mapping[str, Sequence[Any]]], Path]


@pytest.fixture
def write_csv(tmp_path: Path) -> Writer:
    """Write columns as a CSV file; None is an empty cell."""

    def write(name: str, columns: Mapping[str, Sequence[Any]]) -> Path:
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return path

    return write


@pytest.fixture
def binary() -> Model:
    return Model.model_validate(
        {
            "task": "binary",
            "owner": "o",
            "classes": ["0", "1"],
            "positive_class": "1",
            "features": {"x": {"type": "numeric"}, "c": {"type": "categorical"}, "b": {"type": "boolean"}},
        }
    )


@pytest.fixture
def regression() -> Model:
    features = {"x": {"type": "numeric"}, "c": {"type": "categorical", "categories": ["u", "v"]}}
    return Model.model_validate({"task": "regression", "owner": "o", "features": features})
