"""The series estimate."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.catalogue.budget import estimate, feature_bins
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Feature

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("feature", "bins"),
    [
        (Feature(type="numeric"), 23),
        (Feature(type="categorical"), 22),
        (Feature(type="categorical", categories=("a", "b", "c")), 5),
        (Feature(type="boolean"), 4),
    ],
)
def test_bins_are_counted_at_their_worst(feature, bins):
    assert feature_bins(feature) == bins


def test_the_parts_add_up_and_versions_multiply():
    catalogue = load_catalogue(ROOT / "plumbline.yaml")
    for budget in estimate(catalogue):
        live = catalogue.series_budget.versions_per_model * sum(p.series for p in budget.parts)
        assert budget.series == live + budget.unknown


def test_drift_counts_each_bin_four_problems_per_distribution_and_two_of_skew_per_feature():
    catalogue = load_catalogue(ROOT / "plumbline.yaml")
    late = next(budget for budget in estimate(catalogue) if budget.model == "flight_late")
    drift = next(part.series for part in late.parts if part.group == "drift")
    # 10 numeric, 2 open categorical, origin's 3 categories, 2 classes predicted and true, the score
    bins = 10 * 23 + 2 * 22 + 5 + 2 * 4 + 23
    assert drift == bins + 16 * 4 + 13 * 2


def test_a_confusion_matrix_of_many_classes_stays_small_and_slices_are_counted_by_class():
    catalogue = load_catalogue(ROOT / "plumbline.yaml")
    late = catalogue.models["flight_late"]
    classes = tuple(f"c{i}" for i in range(50))
    many = late.model_copy(
        update={"task": "multiclass", "classes": classes, "positive_class": None, "slices": {"origin": ("EWR", "JFK")}}
    )
    [budget] = estimate(catalogue.model_copy(update={"models": {"many": many}}))
    quality = next(part.series for part in budget.parts if part.group == "quality")
    # 20 classes and the rest; hit, false positive and negative of 50 classes and "other" for all rows, the
    # two origins and others; for each of these outcomes with scores, Brier, log-loss
    assert quality == 21**2 + (3 * 51 + 3) * 4


def test_an_intersection_counts_every_combination_and_other():
    catalogue = load_catalogue(ROOT / "plumbline.yaml")
    late = catalogue.models["flight_late"]
    slices = {"origin": ("EWR", "JFK"), "rush": ("yes", "no")}

    def quality(**changes):
        changed = catalogue.model_copy(update={"models": {"m": late.model_copy(update={"slices": slices, **changes})}})
        return next(part.series for part in estimate(changed)[0].parts if part.group == "quality")

    assert quality(intersections=(("origin", "rush"),)) - quality() == (4 + 3) * (
        2 * 2 + 1
    )  # confusion; scored, Brier, log-loss
