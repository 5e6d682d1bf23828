"""The whole build: bins, counts, quality and lineage from a table."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy import stats

from plumbline.baseline import extent
from plumbline.baseline.artefact import load_baseline, save_baseline
from plumbline.baseline.bins import bin_numeric
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.baseline.noise import psi
from plumbline.baseline.sample import RowSample
from plumbline.baseline.table import Filter
from plumbline.catalogue.model import Model
from plumbline.errors import TableError, UsageError

DATA = Path(__file__).parents[3] / "shared" / "data"
DAY = 86_400


def columns(n=4000, seed=5):
    """A binary model's table over 40 days, with a held-out fifth."""
    random = np.random.default_rng(seed)
    actual = (random.random(n) < 0.4).astype(int)
    score = np.clip(random.normal(0.35 + 0.3 * actual, 0.2), 0, 1)
    x = [None if random.random() < 0.05 else float(v) for v in random.normal(size=n).round(6)]
    return {
        "ts": [1_700_000_000 + i * 40 * DAY // n for i in range(n)],
        "part": ["held" if i % 5 == 0 else "train" for i in range(n)],
        "x": x,
        "c": [f"level-{v}" for v in np.minimum(random.geometric(0.15, n), 30)],
        "b": ["True" if v else "False" for v in random.random(n) < 0.3],
        "score": score.round(6).tolist(),
        "prediction": [int(v) for v in score >= 0.5],
        "actual": [None if i % 50 == 0 else f"{a}.0" for i, a in enumerate(actual.tolist())],
    }


def settings(path, **changes) -> BuildSettings:
    chosen = {"where": Filter("part", "train"), "quality_where": Filter("part", "held")}
    return BuildSettings(tables=(path,), **{**chosen, **changes})


def test_a_binary_baseline_counts_every_reference_row_once_per_distribution(write_csv, binary):
    data = columns()
    made = build_baseline("m", "1", binary, settings(write_csv("t.csv", data))).baseline
    assert set(made.features) == {"x", "c", "b", "_prediction", "_score", "_actual"}
    assert all(sum(bins.counts) == 3200 for bins in made.features.values())
    x = np.array([np.nan if v is None else v for v in data["x"]])[np.array(data["part"]) == "train"]
    expected = np.bincount(bin_numeric(x, made.features["x"].uppers), minlength=len(made.features["x"].labels))
    assert made.features["x"].counts == expected.tolist()
    assert made.features["x"].counts[-1] == int(np.isnan(x).sum()) > 0
    assert (made.features["x"].minimum, made.features["x"].maximum) == (np.nanmin(x), np.nanmax(x))


def test_categories_beyond_the_top_twenty_are_other_and_remembered_as_rare(write_csv, binary):
    data = columns()
    bins = build_baseline("m", "1", binary, settings(write_csv("t.csv", data))).baseline.features["c"]
    train = [c for c, part in zip(data["c"], data["part"], strict=True) if part == "train"]
    assert len(bins.categories) == 20
    assert bins.labels[0] == "00"
    assert set(bins.rare) == set(train) - set(bins.categories) != set()
    assert bins.counts[20] == sum(c in bins.rare for c in train)
    assert bins.counts[0] == train.count(bins.categories[0]) == max(bins.counts)


def test_booleans_and_classes_take_the_catalogues_spelling(write_csv, binary):
    data = columns()
    made = build_baseline("m", "1", binary, settings(write_csv("t.csv", data))).baseline
    train = [i for i, part in enumerate(data["part"]) if part == "train"]
    assert made.features["b"].labels == ["00 false", "01 true", "other", "missing"]
    assert made.features["b"].counts[1] == sum(data["b"][i] == "True" for i in train)
    assert made.features["_prediction"].labels == ["00 0", "01 1", "other", "missing"]
    assert made.features["_prediction"].counts[1] == sum(data["prediction"][i] for i in train)
    assert made.classes == ["0", "1"]


def test_quality_is_of_held_out_rows_with_an_outcome(write_csv, binary):
    data = columns()
    built = build_baseline("m", "1", binary, settings(write_csv("t.csv", data)))
    rows = [i for i in range(4000) if data["part"][i] == "held" and data["actual"][i] is not None]
    right = [data["prediction"][i] == float(data["actual"][i]) for i in rows]
    accuracy = built.baseline.quality["accuracy"]
    assert accuracy.value == pytest.approx(np.mean(right), rel=1e-9)
    assert accuracy.rows == len(rows) == built.baseline.lineage.quality_rows
    assert accuracy.stddev is not None
    assert built.baseline.score_bins is not None
    assert sum(built.baseline.score_bins.counts) == len(rows)
    assert "80 held-out rows have no outcome and are left out of the quality" in built.remarks


def test_chi2_is_the_quantile_that_chance_exceeds_once_in_a_thousand_for_all_features_together(write_csv, binary):
    made = build_baseline("m", "1", binary, settings(write_csv("t.csv", columns()))).baseline
    for bins in made.features.values():
        expected = stats.chi2.isf(0.001 / len(binary.features), len(bins.labels) - 1)
        assert bins.chi2 == pytest.approx(expected, rel=1e-11)


def test_without_scipy_the_build_names_the_extra(write_csv, binary, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(UsageError, match=r"needs scipy: pip install 'plumbline\[baseline\]'"):
        build_baseline("m", "1", binary, settings(write_csv("t.csv", columns())))


def test_noise_is_measured_over_full_time_blocks(write_csv, binary):
    data = columns()
    built = build_baseline("m", "1", binary, settings(write_csv("t.csv", data), block_seconds=7 * DAY))
    assert built.blocks == "5 blocks of 7d"  # 40 days: the sixth week is cut short
    bins = built.baseline.features["x"]
    train = [i for i, part in enumerate(data["part"]) if part == "train"]
    x = np.array([np.nan if data["x"][i] is None else data["x"][i] for i in train])
    codes = bin_numeric(x, bins.uppers)
    part = 7 * DAY // 24
    times = np.array([data["ts"][i] for i in train])
    origin = times.min() // part * part
    week = (times - origin) // (7 * DAY)
    size = len(bins.labels)
    blocks = np.array([np.bincount(codes[week == w], minlength=size) for w in range(5)])
    expected = max(psi(block, blocks.sum(axis=0) - block) for block in blocks)
    assert bins.noise == pytest.approx(expected, rel=1e-9)


def test_without_times_or_with_few_weeks_blocks_have_equal_counts(write_csv, binary):
    data = columns(800)
    path = write_csv("t.csv", data)
    assert (
        build_baseline("m", "1", binary, settings(path, block_seconds=30.0 * DAY)).blocks == "8 blocks of equal count"
    )
    del data["ts"]
    built = build_baseline("m", "1", binary, settings(write_csv("u.csv", data)))
    assert built.blocks == "8 blocks of equal count"
    assert built.baseline.lineage.start is None


def test_quality_that_does_not_fill_four_weeks_is_cut_into_four(write_csv, binary):
    """The spread falls with the length of a block, so blocks are as near a week as four of them can be."""
    data = columns(2000)
    data["ts"] = [1_700_000_000 + i * 20 * DAY // 2000 for i in range(2000)]
    made = build_baseline("m", "1", binary, settings(write_csv("t.csv", data))).baseline
    rows = [i for i in range(2000) if data["part"][i] == "held" and data["actual"][i] is not None]
    right = np.array([data["prediction"][i] == float(data["actual"][i]) for i in rows])
    quarters = [part.mean() for part in np.array_split(right, 4)]
    assert made.quality["accuracy"].stddev == pytest.approx(np.std(quarters, ddof=1), rel=0.05)


def test_csv_and_parquet_of_the_same_rows_give_the_same_bins_and_quality(write_csv, binary, tmp_path):
    path = write_csv("t.csv", columns())
    parquet = tmp_path / "t.parquet"
    pq.write_table(pa.csv.read_csv(path), parquet)
    a, b = (build_baseline("m", "1", binary, settings(p)).baseline for p in (path, parquet))
    assert a.features == b.features
    assert (a.quality, a.score_bins) == (b.quality, b.score_bins)
    assert a.lineage.training_data != b.lineage.training_data


def test_the_same_input_gives_the_same_artefact_whatever_the_batches(write_csv, binary, tmp_path, monkeypatch):
    path = write_csv("t.csv", columns())
    first = build_baseline("m", "1", binary, settings(path)).baseline
    monkeypatch.setattr("plumbline.baseline.arrow.BATCH_ROWS", 37)
    second = build_baseline("m", "1", binary, settings(path)).baseline
    assert first.digest == second.digest
    saved = save_baseline(first, tmp_path / "out")
    assert load_baseline(saved) == first
    assert saved.stem == first.digest


def test_two_tables_count_as_one(write_csv, binary):
    data = columns()
    whole = write_csv("t.csv", data)
    halves = tuple(write_csv(f"{i}.csv", {k: v[i * 2000 : (i + 1) * 2000] for k, v in data.items()}) for i in range(2))
    a = build_baseline("m", "1", binary, settings(whole)).baseline
    b = build_baseline("m", "1", binary, replace(settings(whole), tables=halves)).baseline
    assert a.features == b.features
    assert a.quality == b.quality


def test_beyond_the_sample_edges_are_sampled_but_every_row_is_counted(write_csv, binary, monkeypatch):
    data = columns()
    exact = build_baseline("m", "1", binary, settings(write_csv("t.csv", data))).baseline.features["x"]
    monkeypatch.setattr(extent, "RowSample", lambda numbers, texts: RowSample(numbers, texts, 500))
    sampled = build_baseline("m", "1", binary, settings(write_csv("t.csv", data))).baseline.features["x"]
    assert sampled.uppers != exact.uppers
    assert sum(sampled.counts) == sum(exact.counts) == 3200
    assert (sampled.minimum, sampled.maximum) == (exact.minimum, exact.maximum)
    assert sampled.counts[0] == sampled.counts[-2] == 0  # nothing of the reference is below or above


def test_a_regression_baseline(write_csv, regression):
    random = np.random.default_rng(1)
    y = random.normal(5, 2, 1000).round(4)
    path = write_csv(
        "t.csv", {"x": y.tolist(), "c": ["u", "w"] * 500, "prediction": (y + 1).tolist(), "actual": y.tolist()}
    )
    built = build_baseline("r", "1", regression, BuildSettings(tables=(path,)))
    made = built.baseline
    assert made.features["c"].labels == ["00 u", "01 v", "other", "missing"]
    assert made.features["c"].counts == [500, 0, 500, 0]
    assert made.features["c"].rare == ["w"]
    assert made.features["_prediction"].kind == "numeric"
    assert made.quality["mae"].value == pytest.approx(1.0)
    assert made.quality["bias"].value == pytest.approx(1.0)
    assert made.actual_mean == pytest.approx(y.mean())
    assert made.score_bins is None
    assert any("flattering" in remark for remark in built.remarks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"prediction": lambda v, i: 2 if i == 7 else v},
            "column 'prediction', row 8: '2' is not one of the model's classes (0, 1)",
        ),
        (
            {"actual": lambda v, i: "maybe" if i == 5 else v},
            "column 'actual', row 6: 'maybe' is not one of the model's classes (0, 1)",
        ),
        (
            {"score": lambda v, i: 1.5 if i == 5 else v},
            "column 'score', row 6: 1.5 is not a probability: a score must lie between 0 and 1",
        ),
        ({"x": lambda v, i: None}, "column 'x' has no number in the reference rows"),
        ({"x": lambda v, i: "tall" if i == 41 else v}, "column 'x', row 42: 'tall' is not a number"),
        ({"actual": lambda v, i: None}, "column 'actual' is empty in every held-out row"),
        ({"part": lambda v, i: "held"}, "no row for the reference: none has part=train"),
        ({"part": lambda v, i: "train"}, "no row for the quality: none has part=held"),
    ],
)
def test_a_table_that_does_not_fit_the_model_says_where(write_csv, binary, change, message):
    data = columns(200)
    for name, edit in change.items():
        data[name] = [edit(v, i) for i, v in enumerate(data[name])]
    with pytest.raises(TableError) as caught:
        build_baseline("m", "1", binary, settings(write_csv("t.csv", data)))
    assert message in str(caught.value)


def test_missing_columns_are_named_together(write_csv, binary):
    data = columns(50)
    data["predicton"] = data.pop("prediction")
    del data["c"]
    with pytest.raises(TableError, match=r"has no columns 'c', 'prediction' \(did you mean 'predicton'\?\)"):
        build_baseline("m", "1", binary, settings(write_csv("t.csv", data)))


def test_blocks_of_a_minute_over_days_are_refused(write_csv, binary, monkeypatch):
    monkeypatch.setattr("plumbline.baseline.blocks._MAXIMUM_BLOCKS", 1_000)
    data = columns(4000)
    data["ts"] = [1_700_000_000 + i * 100 for i in range(4000)]
    path = write_csv("t.csv", data)
    with pytest.raises(UsageError, match="choose a longer --block"):
        build_baseline("m", "1", binary, settings(path, block_seconds=60.0))


@pytest.mark.parametrize("name", ["elec2", "flights"])
def test_edges_and_quality_equal_an_independent_computation(name):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip("the shared data folder with elec2 and flights is not here")
    truth = json.loads((folder / "meta.json").read_text())
    features = {n: {"type": "numeric"} for n in truth["numeric"]}
    features |= {n: {"type": "categorical"} for n in truth["categorical"]}
    model = {"task": truth["kind"], "owner": "o", "features": features}
    if truth["kind"] == "binary":
        model |= {"classes": ["0", "1"], "positive_class": "1"}
    made = build_baseline(
        name,
        "m1",
        Model.model_validate(model),
        BuildSettings(
            tables=(folder / "reference.csv.gz",),
            where=Filter("era", "train"),
            quality_where=Filter("era", "reference"),
            columns={"actual": "label"},
        ),
    ).baseline
    pseudo = {"score": "_score" if truth["kind"] == "binary" else "_prediction"}
    for key, edges in truth["quantile_edges_inner"].items():
        feature = pseudo.get(key, key)
        uppers = np.array(made.features[feature].uppers)
        assert max(np.abs(uppers - edge).min() for edge in edges) < 1e-12, feature
    common = set(truth["baseline"]) & set(made.quality)
    assert len(common) >= 4
    for metric in common:
        quality = made.quality[metric]
        assert quality.value == pytest.approx(truth["baseline"][metric], rel=1e-9)


@pytest.mark.parametrize("rows", [1, 3, 20])
def test_a_reference_that_can_never_detect_anything_is_said_to_be_too_small(write_csv, binary, rows):
    def said(count):
        data = {name: values[:count] for name, values in columns().items() if name != "part"}
        path = write_csv(f"{count}.csv", {**data, "x": list(range(count)), "actual": [i % 2 for i in range(count)]})
        remarks = build_baseline("m", "1", binary, BuildSettings(tables=(path,))).remarks
        return [remark for remark in remarks if "too small to detect drift" in remark]

    (told,) = said(rows)
    assert told.startswith(f"a reference of {rows} row")
    needed = int(re.search(r"About (\d+) rows are needed", told)[1])
    assert 50 < needed < 500
    assert said(needed) == []


def test_inputs_that_change_by_themselves_are_named(write_csv, binary):
    """x follows the day: within single days it is far from the whole, within weeks it is not."""
    data = columns(4000)
    data["x"] = [i * 40 // 4000 % 7 + 0.001 * (i % 10) for i in range(4000)]
    data["ts"] = [1_700_006_400 + i * 40 * DAY // 4000 for i in range(4000)]
    path = write_csv("t.csv", data)
    (said,) = [r for r in build_baseline("m", "1", binary, settings(path)).remarks if "by itself" in r]
    assert re.match(r"in 40 blocks of 1d of the reference PSI goes that far by itself: x \d", said)
    calm = build_baseline("m", "1", binary, settings(path, block_seconds=7 * DAY)).remarks
    assert not any("by itself" in remark for remark in calm)


def test_a_usual_name_that_is_declared_as_a_feature_is_that_feature_only(write_csv, binary):
    features = {name: {"type": "numeric"} for name in ("score", "ts", "actual")}
    model = binary.model_copy(
        update={"features": Model.model_validate({**binary.model_dump(), "features": features}).features}
    )
    data = {
        "score": [300 + i for i in range(80)],
        "ts": [i % 7 for i in range(80)],
        "actual": [i / 9 for i in range(80)],
    }
    data |= {
        "prediction": [i % 2 for i in range(80)],
        "truth": [i % 2 for i in range(80)],
        "p": [i / 80 for i in range(80)],
    }
    path = write_csv("t.csv", data)
    made = build_baseline("m", "1", model, BuildSettings((path,), columns={"_actual": "truth"})).baseline
    assert set(made.features) == {"score", "ts", "actual", "_prediction", "_actual"}
    assert made.lineage.start is None
    named = {"_actual": "truth", "_score": "p"}
    assert "_score" in build_baseline("m", "1", model, BuildSettings((path,), columns=named)).baseline.features
    with pytest.raises(
        UsageError, match="'actual' is a feature of the model: name the field's column by --map _actual="
    ):
        build_baseline("m", "1", model, BuildSettings((path,)))


def test_a_column_that_is_said_not_to_be_there_is_not_read(write_csv, binary):
    data = columns(400)
    data["score"] = [55.0] * 400
    data["ts"] = ["soon"] * 400
    made = build_baseline(
        "m", "1", binary, settings(write_csv("t.csv", data), columns={"ts": "", "score": ""})
    ).baseline
    assert "_score" not in made.features
    assert made.lineage.start is None


def test_two_undeclared_classes_are_no_hit_unless_they_are_one_class(write_csv):
    model = {"task": "multiclass", "owner": "o", "features": {"x": {"type": "numeric"}}, "classes": ["a", "b", "c"]}
    answers, actuals = ["a", "d", "d", "e"] * 20, ["a", "d", "e", "b"] * 20
    path = write_csv("t.csv", {"x": range(80), "prediction": answers, "actual": actuals})
    made = build_baseline("m", "1", Model.model_validate(model), BuildSettings((path,))).baseline
    assert made.quality["accuracy"].value == 0.5
    assert made.features["_prediction"].counts == [20, 0, 0, 60, 0]
    # Of "other": 40 of 60 answers were wrong, and 20 of 40 outcomes were found.
    assert made.quality["macro_precision"].value == pytest.approx((1 + 1 / 3) / 2)
    assert made.quality["macro_recall"].value == pytest.approx((1 + 0 + 0.5) / 3)
