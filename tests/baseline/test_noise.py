"""PSI and its noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.baseline.noise import leave_one_out_noise, psi

counts = st.lists(st.integers(0, 10_000), min_size=1, max_size=25)


@given(counts)
def test_nothing_drifts_from_itself(c):
    assert psi(c, c) == 0.0


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=25))
def test_psi_is_symmetric_and_never_negative(pairs):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    assert psi(a, b) >= 0.0
    assert psi(a, b) == pytest.approx(psi(b, a), rel=1e-12, abs=1e-15)


def test_psi_equals_its_formula_written_out():
    p, q = [10.5 / 31.0, 20.5 / 31.0], [15.5 / 41.0, 25.5 / 41.0]
    expected = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert psi([10, 20], [15, 25]) == pytest.approx(expected, rel=1e-12)


def test_without_drift_psi_has_the_chi_squared_mean():
    random = np.random.default_rng(7)
    n, m, bins = 500, 5000, 10
    share = np.full(bins, 1 / bins)
    values = [psi(random.multinomial(n, share), random.multinomial(m, share)) for _ in range(400)]
    assert np.mean(values) / (1 / n + 1 / m) == pytest.approx(bins - 1, rel=0.1)


def test_noise_is_the_largest_psi_of_a_block_against_the_rest():
    blocks = np.array([[10, 10], [12, 8], [3, 17]])
    expected = max(psi(blocks[i], np.delete(blocks, i, axis=0).sum(axis=0)) for i in range(3))
    assert leave_one_out_noise(blocks) == expected > 0.0


def test_a_single_block_has_no_noise():
    assert leave_one_out_noise(np.array([[1, 2]])) == 0.0
