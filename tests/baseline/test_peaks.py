"""The largest share of missing values in any window of the reference."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from plumbline.baseline.artefact import Baseline, FeatureBins, load_baseline, save_baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.baseline.peaks import FEWEST_ROWS, PeakCounter
from support.samples import baseline

HOUR, DAY = 3600.0, 86_400.0
WINDOWS = {"1h": HOUR, "1d": DAY}


def measured(times: np.ndarray, missing: np.ndarray, windows=WINDOWS, batches=1) -> dict[str, float]:
    counter = PeakCounter(windows, float(times.min()), float(times.max()))
    for part in np.array_split(np.arange(times.size), batches):
        slots = counter.add_rows(times[part])
        counter.add("x", slots[missing[part]])
    return counter.peaks("x")


def largest_share(times: np.ndarray, missing: np.ndarray, window: float, slide: float) -> float:
    """The same by brute force, over windows that begin every ``slide`` seconds."""
    shares = []
    for begin in np.arange(times.min(), times.max(), slide):
        here = (times >= begin) & (times < begin + window)
        if here.sum() >= FEWEST_ROWS and begin + window <= times.max() + slide:
            shares.append(missing[here].mean())
    return max(shares)


def test_the_peak_is_the_largest_share_over_every_position_of_the_window():
    random = np.random.default_rng(3)
    times = np.sort(random.uniform(0.0, 10 * DAY, 20_000))
    missing = random.random(20_000) < 0.02
    missing |= (times > 4.6 * DAY) & (times < 5.0 * DAY) & (random.random(20_000) < 0.7)
    found = measured(times, missing, batches=7)
    for name, seconds in WINDOWS.items():
        assert found[name] == pytest.approx(largest_share(times, missing, seconds, HOUR / 4), abs=0.02), name
    assert found["1h"] > 0.7 > 0.35 > found["1d"] > 0.25


def test_an_outage_across_midnight_counts_as_one():
    times = np.arange(0.0, 4 * DAY, 60.0)
    missing = (times >= 1.5 * DAY) & (times < 2.5 * DAY)
    assert measured(times, missing)["1d"] == 1.0


def test_windows_with_too_few_rows_have_no_share():
    times = np.arange(0.0, 4 * DAY, HOUR / 2)  # two rows an hour, 48 a day
    missing = times < HOUR
    found = measured(times, missing)
    assert set(found) == {"1d"}
    assert found["1d"] == pytest.approx(2 / 48, abs=0.01)


def test_what_never_occurred_has_no_peak():
    times = np.arange(0.0, DAY, 60.0)
    assert measured(times, np.zeros(times.size, dtype=bool)) == {}


def test_a_reference_shorter_than_the_window_is_one_window():
    times = np.arange(0.0, HOUR, 10.0)
    missing = times < HOUR / 4
    assert measured(times, missing, {"1d": DAY})["1d"] == 0.25


def with_peaks(peaks) -> Baseline:
    made = baseline()
    x = msgspec.structs.replace(made.features["x"], problem_peaks=peaks)
    return msgspec.structs.replace(made, features={**made.features, "x": x})


def test_a_window_that_was_not_measured_takes_the_longest_shorter_one():
    bins = with_peaks({"missing": {"1h": 0.9, "6h": 0.5, "7d": 0.2}}).features["x"]
    asked = {"30m": 1800.0, "1h": HOUR, "1d": DAY, "7d": 7 * DAY}
    assert list(bins.peaks(asked)) == [("missing", "1h", 0.9), ("missing", "1d", 0.5), ("missing", "7d", 0.2)]


def test_an_older_artefact_keeps_its_name_and_has_no_peaks(tmp_path):
    old = baseline()
    assert b"problem_peaks" not in old.to_bytes()
    path = save_baseline(old, tmp_path)
    loaded = load_baseline(path)
    assert loaded.digest == path.stem
    assert list(loaded.features["x"].peaks(WINDOWS)) == []
    new = load_baseline(save_baseline(with_peaks({}), tmp_path))
    assert new.features["x"].problem_peaks == {}
    assert new.digest != old.digest


def test_the_build_measures_missing_and_unseen_values(write_csv, binary, monkeypatch):
    monkeypatch.setattr("plumbline.baseline.count._RARE_LEVELS", 25)
    n = 4000
    gone = [1000 <= i < 1100 for i in range(n)]
    data = {
        "ts": [1_700_000_000 + 60 * i for i in range(n)],
        "x": [None if gone[i] else i % 7 for i in range(n)],
        "c": [f"k{i if i % 2 else i % 19}" for i in range(n)],  # 2,000 levels that occur once
        "b": [i % 3 == 0 for i in range(n)],
        "score": [0.1 + 0.8 * (i % 2) for i in range(n)],
        "prediction": [i % 2 for i in range(n)],
        "actual": [i % 2 for i in range(n)],
    }
    settings = BuildSettings(tables=(write_csv("t.csv", data),), peak_windows=WINDOWS)
    features: dict[str, FeatureBins] = build_baseline("m", "1", binary, settings).baseline.features
    assert features["x"].problem_peaks == {"missing": {"1h": 1.0, "1d": pytest.approx(100 / 1440, rel=0.01)}}
    assert features["b"].problem_peaks == features["_score"].problem_peaks == {}
    seen = features["c"].problem_peaks
    assert features["c"].rare == []  # too many to remember, so the exporter counts them all as unseen
    assert isinstance(seen, dict)
    assert seen["unseen"]["1d"] == pytest.approx(features["c"].counts[-2] / n, abs=0.02)
