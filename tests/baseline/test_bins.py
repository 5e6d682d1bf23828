"""Bins: every value falls into exactly one, the one its label says."""

from __future__ import annotations

import bisect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.baseline.bins import NumericBins, bin_numeric, choose_categories, choose_numeric, declared_labels

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=-1e12, max_value=1e12),
    st.integers(-5, 5).map(float),
)
samples = st.lists(numbers, min_size=1, max_size=300).map(lambda values: np.array(values, dtype=np.float64))


def chosen(values, bins=10) -> NumericBins:
    array = np.asarray(values, dtype=np.float64)
    return choose_numeric(array, float(array.min()), float(array.max()), bins)


def counts(values, bins: NumericBins) -> list[int]:
    codes = bin_numeric(np.asarray(values, dtype=np.float64), bins.uppers)
    return np.bincount(codes, minlength=len(bins.labels)).tolist()


@given(samples, st.integers(2, 20))
def test_reference_values_fill_every_bin_but_below_above_and_missing(sample, b):
    bins = chosen(sample, b)
    found = counts(sample, bins)
    assert len(bins.labels) == len(bins.uppers) + 2 <= 2 * b + 3
    assert found[0] == found[-1] == found[-2] == 0
    assert all(found[1:-2])
    assert list(bins.uppers) == sorted(set(bins.uppers))


@given(samples, st.lists(st.one_of(numbers, st.floats()), max_size=50))
def test_each_value_is_in_the_one_bin_whose_ends_enclose_it(sample, values):
    bins = chosen(sample)
    codes = bin_numeric(np.array(values, dtype=np.float64), bins.uppers)
    lowers = [-math.inf, *bins.uppers]
    uppers = [*bins.uppers, math.inf]
    for value, code in zip(values, codes.tolist(), strict=True):
        if math.isnan(value):
            assert code == len(bins.labels) - 1
        elif math.isinf(value):
            assert code == (0 if value < 0 else len(bins.labels) - 2)
        else:
            enclosing = [i for i, (a, b) in enumerate(zip(lowers, uppers, strict=True)) if a < value <= b]
            assert enclosing == [code] == [bisect.bisect_left(bins.uppers, value)]


@given(samples)
def test_a_value_with_a_tenth_of_the_mass_shares_its_bin_with_no_other_reference_value(sample):
    bins = chosen(sample)
    levels, mass = np.unique(sample, return_counts=True)
    for level in levels[mass * 10 >= sample.size]:
        code = bin_numeric(np.array([level]), bins.uppers)[0]
        assert set(sample[bin_numeric(sample, bins.uppers) == code]) == {level}


@given(samples)
def test_the_inner_quantiles_are_edges_unless_no_row_lies_between_them_and_the_next(sample):
    bins = chosen(sample)
    for edge in np.unique(np.quantile(sample, np.arange(1, 10) / 10)):
        if edge not in bins.uppers:
            larger = min((u for u in bins.uppers if u >= edge), default=math.inf)
            smaller = max((u for u in bins.uppers if u < edge), default=-math.inf)
            between = (sample > smaller) & (sample <= edge)
            assert not between.any() or larger == sample.max()


def test_a_constant_column_sees_any_move_away_from_its_value():
    bins = chosen([0.003467] * 50)
    assert bins.labels == ("00 < 0.003467", "01 = 0.003467", "02 > 0.003467", "missing")
    assert counts([0.003467, 0.0034669, 0.0034671, math.nan, math.inf], bins) == [1, 1, 2, 1]


def test_a_heavy_value_has_a_bin_of_its_own_between_its_neighbours():
    # A third of the rows are 0; the deciles fall inside the spread on either side, or on 0 itself.
    values = np.concatenate([np.zeros(100), np.linspace(-1, -0.001, 100), np.linspace(0.001, 1, 100)])
    bins = chosen(values)
    at_zero = next(i for i, label in enumerate(bins.labels) if label.endswith(" = 0"))
    assert counts(values, bins)[at_zero] == 100
    assert bins.labels[at_zero - 1].endswith(", 0)")
    assert bin_numeric(np.array([-1e-300, 1e-300]), bins.uppers).tolist() == [at_zero - 1, at_zero + 1]


def test_whole_numbers_need_no_bins_for_the_gaps_between_them():
    assert chosen(np.repeat(np.arange(1.0, 4.0), 10)).labels == (
        "00 < 1",
        "01 = 1",
        "02 (1, 2]",
        "03 (2, 3]",
        "04 > 3",
        "missing",
    )


def test_labels_show_as_many_digits_as_keep_the_ends_apart():
    labels = chosen([1.0000001, 1.0000002, 1.0000003, 1.0000004] * 5).labels
    assert labels[:3] == ("00 < 1.0000001", "01 = 1.0000001", "02 (1.0000001, 1.0000002]")


def test_float32_would_move_values_across_an_edge_so_bins_are_float64():
    bins = chosen([0.1, 0.2, 0.3])
    assert (
        bin_numeric(np.array([0.1]), bins.uppers)[0]
        != bin_numeric(np.array([np.float32(0.0999999999)], float), bins.uppers)[0]
    )


def test_numeric_bins_agree_with_numpys_histogram_on_inner_intervals():
    values = np.random.default_rng(1).normal(size=5000)
    bins = chosen(values)
    edges = [values.min(), *bins.uppers[1:]]
    # np.histogram closes on the left: mirror values and edges to close on the right.
    expected = np.histogram(-values, bins=-np.array(edges)[::-1])[0][::-1]
    assert counts(values, bins)[1:-2] == expected.tolist()


def test_the_twenty_most_frequent_categories_get_bins_whose_labels_hide_the_raw_value():
    levels = [f"user-{i:02d}" for i in range(30)]
    categories, labels = choose_categories(levels, [100 - i for i in range(30)])
    assert categories == levels[:20]
    assert labels == [*(f"{i:02d}" for i in range(20)), "other", "missing"]


def test_equally_frequent_categories_are_taken_in_text_order():
    assert choose_categories(["b", "c", "a"], [1, 1, 1])[0] == ["a", "b", "c"]


def test_declared_categories_are_part_of_their_labels():
    assert declared_labels(["EWR", "JFK"]) == ["00 EWR", "01 JFK", "other", "missing"]


@pytest.mark.parametrize("values", [np.empty(0), np.array([math.nan])])
def test_binning_nothing_or_only_missing_works(values):
    assert bin_numeric(values, chosen([1.0, 2.0]).uppers).size == values.size
