"""What a value means: names of categories, look-ups of classes, ids and probabilities."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.values import (
    category_name,
    class_codes,
    code_of,
    codes_of,
    identifier,
    is_missing,
    is_number,
    listed_name,
    plain,
    probability,
    same_category,
)

VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6))


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("1", (1, 1.0, "1", "1.0", " 1 ", "1.000")),
        ("0", (0, 0.0, -0.0, "0.0", "-0.0")),
        ("0.5", (0.5, "0.5", " 0.5")),
        ("10000000000000000000000", (10**22, 1e22, "1e+22")),
        ("1e-05", (1e-05, "1e-05")),
        ("true", (True, "true", "True", "TRUE ")),
        ("false", (False, "False")),
        ("1.10", ("1.10",)),  # a version is not the number 1.1
        ("007", ("007",)),
        ("1e5", ("1e5",)),
        ("NA", ("NA",)),  # Namibia
        ("None", ("None",)),
        (None, (None, math.nan, math.inf, "", "  ", "nan", "NaN")),
    ],
)
def test_spellings_of_one_category_have_one_name(name: str | None, spellings: tuple[object, ...]) -> None:
    assert [category_name(value) for value in spellings] == [name] * len(spellings)


@pytest.mark.parametrize(
    ("names", "spellings"),
    [
        (["0", "1"], [(0, False, "0.0", "False"), (1, 1.0, "1.0", " 1", True)]),
        (["0.0", "1.0"], [(0, "0"), (1, "1", "1.0", "true")]),
        (["false", "true"], [(False, 0.0, "FALSE", "f", "NO", "n"), (True, "TRUE", 1, "1.0", "t", "Yes", "Y")]),
        (["True", "False"], [(True, "true", 1), (False, 0)]),
        (["1", "true"], [(1, "1.0"), (True, "True")]),
        (["1.1", "1.10"], [("1.1", 1.1), ("1.10",)]),
        (["0.50", "x"], [(0.5, "0.50"), (" x ",)]),
        (["007"], [("007",)]),
        (["-", ".", "1e-05", ".5"], [("-",), (".",), (1e-05, "1e-05"), (0.5, ".5")]),
    ],
)
def test_a_class_is_found_by_every_spelling_of_its_value(names: list[str], spellings: list[tuple[object, ...]]) -> None:
    codes = class_codes(names)
    for at, values in enumerate(spellings):
        assert [code_of(codes, value) for value in values] == codes_of(codes, values, -1) == [at] * len(values)
    others = (None, "", math.nan, "X", "2", 0.25, 7, "7")
    assert [code_of(codes, value) for value in others] == [None] * len(others)


@given(VALUES)
def test_a_value_is_found_by_its_own_name_and_is_missing_where_it_has_none(value: object) -> None:
    name = category_name(value)
    assert is_missing(value) is (name is None) or value in (math.inf, -math.inf)
    if name is not None:
        assert category_name(name) == name
        assert code_of(class_codes([name]), value) == 0
        assert same_category(value, name)
        assert listed_name((name, "else"), value) == name


def test_a_listed_value_takes_the_lists_spelling_and_any_other_keeps_its_name() -> None:
    assert [listed_name(("1", "2.0"), v) for v in (2, "2", 2.0, 3.0, "x", None)] == [
        "2.0",
        "2.0",
        "2.0",
        "3",
        "x",
        None,
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.5, "0.50", True),
        (True, 1, True),
        ("True", 1.0, True),
        ("1.1", "1.10", False),
        (None, "", True),
        ("a", None, False),
    ],
)
def test_two_values_are_one_category_where_either_finds_the_other(one: object, other: object, same: bool) -> None:
    assert same_category(one, other) is same_category(other, one) is same


def test_a_number_is_neither_a_text_nor_a_truth_value() -> None:
    assert [is_number(v) for v in (1, 1.5, math.nan, True, "1", None)] == [True, True, True, False, False, False]


def test_what_rounding_pushed_past_0_or_1_is_0_or_1_and_nothing_else_is_changed() -> None:
    assert [probability(p) for p in (1.0000000000000002, 1.0000001, -1e-17, -1e-6)] == [1.0, 1.0, 0.0, 0.0]
    assert [probability(p) for p in (0.0, 0.5, 1.0, 1.00001, -0.1, 55.0)] == [0.0, 0.5, 1.0, 1.00001, -0.1, 55.0]


def test_an_id_is_text_and_never_in_the_form_of_an_exponent() -> None:
    assert [identifier(v) for v in ("1.0", " r 1", 7, 12345678901.0, 2**63)] == [
        "1.0",
        " r 1",
        "7",
        "12345678901",
        "9223372036854775808",
    ]
    assert [identifier(v) for v in (None, math.nan, "")] == [None, None, None]
    with pytest.raises(ValueError, match="a float column keeps 15 digits"):
        identifier(2.0**53)


def test_cells_of_other_types_become_what_an_event_carries() -> None:
    cells = [Decimal("1.50"), Decimal("2.00"), date(2024, 2, 29), datetime(2024, 2, 29, 1, tzinfo=UTC), True, "x", None]
    assert [plain(cell) for cell in cells] == [1.5, 2, "2024-02-29", "2024-02-29T01:00:00Z", True, "x", None]
