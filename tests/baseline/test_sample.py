"""The sample of rows that bins are chosen from."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.baseline.convert import TextColumn
from plumbline.baseline.sample import RowSample


def filled(values: np.ndarray, batch: int, limit: int) -> RowSample:
    sample = RowSample(["x"], ["c"], limit)
    for start in range(0, len(values), batch):
        part = values[start : start + batch]
        levels, codes = np.unique(part.astype(int) % 7, return_inverse=True)
        text = TextColumn(tuple(f"l{level}" for level in levels), codes)
        sample.add(len(part), {"x": part}, {"c": text})
    return sample


def test_up_to_the_limit_every_row_is_kept_in_order():
    values = np.arange(1000.0)
    sample = filled(values, 64, 1000)
    assert sample.numbers("x").tolist() == values.tolist()
    levels, counts = sample.texts("c")
    assert dict(zip(levels, counts, strict=True)) == {f"l{i}": len(range(i, 1000, 7)) for i in range(7)}


@pytest.mark.parametrize("batch", [1, 17, 1000, 5000])
def test_which_rows_are_kept_does_not_depend_on_the_batches(batch):
    values = np.arange(5000.0)
    expected = filled(values, 333, 200)
    found = filled(values, batch, 200)
    assert found.numbers("x").tolist() == expected.numbers("x").tolist()
    assert sum(found.texts("c")[1]) == 200
    assert dict(zip(*found.texts("c"), strict=True)) == dict(zip(*expected.texts("c"), strict=True))


def test_beyond_the_limit_early_and_late_rows_are_kept_alike():
    kept = filled(np.arange(100_000.0), 4096, 10_000).numbers("x")
    assert kept.size == len(set(kept.tolist())) == 10_000
    assert kept.mean() == pytest.approx(50_000, rel=0.03)


def test_texts_stay_with_their_rows():
    sample = filled(np.arange(5000.0), 100, 50)
    expected = np.bincount(sample.numbers("x").astype(int) % 7, minlength=7)
    levels, counts = sample.texts("c")
    assert dict(zip(levels, counts, strict=True)) == {f"l{i}": n for i, n in enumerate(expected.tolist()) if n}
