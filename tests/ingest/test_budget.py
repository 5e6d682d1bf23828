"""The series estimate, held to what an engine really exposes."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue, Feature, Model, SeriesBudget
from plumbline.events.parse import parse
from plumbline.ingest.budget import estimate
from plumbline.ingest.engine import Engine
from support.samples import body, open_sample

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def declared() -> Catalogue:
    return load_catalogue(ROOT / "plumbline.yaml")


def parts(catalogue: Catalogue, model: Model) -> dict[str, int]:
    [budget] = estimate(catalogue.model_copy(update={"models": {"m": model}}))
    return budget.parts


def exposed(engine: Engine, model: str, version: str) -> int:
    """Series of a version on the page."""
    count = 0
    for block in engine.blocks():
        if block.metric.labels[:2] != ("model", "version"):
            continue
        rows = sum(row[:2] == (model, version) for row in block.labels)
        count += rows * (len(block.metric.buckets) + 3 if block.metric.kind == "histogram" else 1)
    return count


@pytest.mark.parametrize("model", ["clf", "reg"])
def test_a_version_counts_the_series_that_it_exposes(tmp_path: Path, model: str) -> None:
    engine = open_sample(tmp_path)
    deploy = {"type": "deployment", "model": model, "stage": "production"}
    told = body({**deploy, "version": "0", "ts": 1.0}, {**deploy, "version": "1", "ts": 2.0})
    engine.commit([parse(told, 10.0)], 10.0)
    assert engine.state.versions[model, "1"].series == exposed(engine, model, "1")
    engine.close()


def test_bins_are_counted_at_their_worst(declared: Catalogue) -> None:
    drift = parts(declared, declared.models["flight_late"])[names.FEATURE_VALUES.group]
    # 10 numeric, 2 open categorical, origin's 3 categories, 2 classes predicted, the score; each with 4 problems
    bins = 10 * 23 + 2 * 22 + 5 + 4 + 23
    of_outcome = 4 + 4  # counted with the outcomes, but in the same group
    assert drift == bins + of_outcome + 15 * 4 + 13 * 2


def test_a_confusion_matrix_of_many_classes_stays_small_and_slices_are_counted_by_class(declared: Catalogue) -> None:
    late = declared.models["flight_late"]
    classes = tuple(f"c{i}" for i in range(50))
    many = {"task": "multiclass", "classes": classes, "positive_class": None}

    def quality(**changes: object) -> int:
        return parts(declared, late.model_copy(update={**many, **changes}))[names.CONFUSION.group]

    # Hit, false positive and negative of 50 classes and "other", and outcomes with scores, Brier, log-loss
    assert quality(slices={"origin": ("EWR", "JFK")}) - quality(slices={}) == (3 * 51 + 3) * 3
    assert quality(slices={}) < 51**2


def test_an_intersection_counts_every_combination_and_other(declared: Catalogue) -> None:
    late = declared.models["flight_late"]
    slices = {"origin": ("EWR", "JFK"), "rush": ("yes", "no")}

    def quality(**changes: object) -> int:
        return parts(declared, late.model_copy(update={"slices": slices, **changes}))[names.CONFUSION.group]

    # confusion; scored, Brier, log-loss
    assert quality(intersections=(("origin", "rush"),)) - quality() == (4 + 3) * (2 * 2 + 1)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_model_of_200_features_fits_the_default_budget_with_its_versions(task):
    catalogue = load_catalogue(ROOT / "plumbline.yaml")
    features = {f"f{i}": Feature(type="numeric") for i in range(200)}
    classes = {"binary": ("0", "1"), "multiclass": tuple("abcdefghij"), "regression": None}[task]
    wide = Model(task=task, owner="team", features=features, classes=classes)
    [budget] = estimate(catalogue.model_copy(update={"models": {"wide": wide}, "series_budget": SeriesBudget()}))
    assert budget.versions == 5
    assert budget.series <= budget.limit <= SeriesBudget().total
