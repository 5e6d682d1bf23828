from __future__ import annotations

import pytest

from plumbline.trace.features import against
from plumbline.trace.records import FeatureRecord, Value
from support.samples import baseline


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (0.5, ("01 [0, 1]", 0.5, None)),
        (1, ("01 [0, 1]", 0.5, None)),
        (1.5, ("02 (1, 2]", 0.5, None)),
        (-3, ("00 < 0", 0.0, "below the smallest, 0")),
        (2.5, ("03 > 2", 0.0, "above the largest, 2")),
        (None, ("missing", 0.0, "missing")),
        ("0.5", ("missing", 0.0, "not a number")),
        (True, ("missing", 0.0, "not a number")),
    ],
)
def test_a_number_lies_in_a_bin_of_the_baseline(value: Value, place: tuple[str, float, str | None]) -> None:
    assert against({"x": value, "c": "a"}, baseline())["x"] == FeatureRecord(*place)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("a", ("00", 0.6, None)),
        ("z", ("other", 0.1, None)),  # rare: the baseline has seen it
        ("new", ("other", 0.1, "never seen")),
        (0.5, ("other", 0.1, "never seen")),
    ],
)
def test_a_category_is_known_rare_or_new(value: Value, place: tuple[str, float, str | None]) -> None:
    assert against({"x": 0.5, "c": value}, baseline())["c"] == FeatureRecord(*place)


def test_a_feature_that_was_not_sent_is_missing_and_one_unknown_to_the_baseline_is_left_out() -> None:
    found = against({"x": 0.5, "more": 1.0}, baseline())
    assert set(found) == {"x", "c"}
    assert found["c"].note == "missing"
