"""Two baselines against each other, in the terminal, on a page and as JSON."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from plumbline.baseline.artefact import Baseline, FeatureBins, Lineage, Quality, save_baseline
from plumbline.baseline.bins import bin_numeric, choose_numeric
from plumbline.baseline.compare import compare
from plumbline.baseline.noise import psi, significant_psi
from plumbline.cli.main import run
from plumbline.terminal import show


def numeric(values: np.ndarray, of: np.ndarray | None = None) -> FeatureBins:
    """Bins of ``of`` (default: of the values themselves), with the values counted in them."""
    own = values if of is None else of
    known = own[~np.isnan(own)]
    bins = choose_numeric(known, known.min(), known.max(), 10)
    counts = np.bincount(bin_numeric(values, bins.uppers), minlength=len(bins.labels)).tolist()
    return FeatureBins(
        kind="numeric",
        labels=list(bins.labels),
        counts=counts,
        noise=0.02,
        chi2=35.0,
        uppers=list(bins.uppers),
        minimum=float(known.min()),
        maximum=float(known.max()),
    )


def categorical(counts: dict[str, int], other: int = 0, missing: int = 0) -> FeatureBins:
    labels = [f"{i:02d}" for i in range(len(counts))]
    return FeatureBins(
        kind="categorical",
        labels=[*labels, "other", "missing"],
        counts=[*counts.values(), other, missing],
        noise=0.0,
        chi2=20.0,
        categories=list(counts),
    )


def baseline(version: str, features: dict[str, FeatureBins], commit: str | None = None, mae: float = 5.0) -> Baseline:
    return Baseline(
        model="eta",
        version=version,
        task="regression",
        features=features,
        quality={"mae": Quality(value=mae, stddev=0.5, rows=100)},
        lineage=Lineage(
            training_data=f"sha256:{version * 64}", source="t.csv", rows=4000, quality_rows=100, commit=commit
        ),
    )


@pytest.fixture
def pair() -> tuple[Baseline, Baseline]:
    rng = np.random.default_rng(1)
    still, moved = rng.normal(size=4000), rng.normal(0.5, 1.2, 4000)
    gap = np.where(rng.random(4000) < 0.1, np.nan, moved)
    old = baseline(
        "1",
        {
            "still": numeric(still),
            "moved": numeric(rng.normal(size=4000)),
            "gap": numeric(still),
            "dest": categorical({"ATL": 2000, "BOS": 1500}, other=400, missing=100),
            "gone": numeric(still),
        },
    )
    new = baseline(
        "2",
        {
            "still": numeric(rng.normal(size=4000)),
            "moved": numeric(moved),
            "gap": numeric(gap),
            "dest": categorical({"BOS": 1500, "CHI": 2200}, other=200, missing=100),
            "<new>": numeric(still),
        },
        commit="abc123",
        mae=4.0,
    )
    return old, new


def test_bars_stay_in_proportion_on_a_narrow_terminal(
    pair: tuple[Baseline, Baseline], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    show("difference.txt.j2", comparison=compare(*pair), drawn=1)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    bars = re.findall(r"(\d+\.\d\d)% +(█+[▏▎▍▌▋▊▉]?)", shown)
    largest, full = max((float(share), len(drawn)) for share, drawn in bars)
    for share, drawn in bars:
        assert len(drawn) == pytest.approx(float(share) / largest * full, abs=1.1)


def test_a_baseline_does_not_differ_from_itself(pair: tuple[Baseline, Baseline]) -> None:
    same = compare(pair[0], pair[0])
    assert [change.psi for change in same.features] == pytest.approx([0.0] * 5, abs=1e-12)
    assert all(change.exact and not change.drifted for change in same.features)
    assert [change.better for change in same.quality] == [None]


def test_rows_are_put_into_the_older_bins_nearly_as_counting_them_there_would(pair: tuple[Baseline, Baseline]) -> None:
    """The independent count needs the rows, which the artefact no longer has."""
    old, new = pair
    rng = np.random.default_rng(1)
    rng.normal(size=4000)
    moved = rng.normal(0.5, 1.2, 4000)
    uppers = np.array(old.features["moved"].uppers)
    counted = np.bincount(np.searchsorted(uppers, moved, side="left"), minlength=len(uppers) + 2)
    change = next(c for c in compare(old, new).features if c.name == "moved")
    assert not change.exact

    def folded(counts: np.ndarray) -> np.ndarray:
        """What is below and above the older rows' range counts with its neighbour; nothing is missing."""
        return np.array([counts[:2].sum(), *counts[2:-3], counts[-3:-1].sum(), 0])

    assert change.new == pytest.approx(folded(counted) / 4000, abs=0.025)
    before = folded(np.array(old.features["moved"].counts))
    assert change.psi == pytest.approx(psi(folded(counted), before), rel=1 / 6)
    assert change.threshold == max(0.1, significant_psi(before, 4000, 35.0))
    assert change.drifted


def test_with_the_same_bins_the_psi_is_exact() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=2000), rng.normal(0.3, 1.0, 1000)
    old, new = baseline("1", {"x": numeric(a)}), baseline("2", {"x": numeric(b, of=a)})
    (change,) = compare(old, new).features
    assert change.exact
    assert change.psi == psi(new.features["x"].counts, old.features["x"].counts)


@pytest.mark.parametrize("draw", ["normal", "uniform", "exponential", "lognormal"])
def test_two_samples_of_one_distribution_do_not_drift(draw: str) -> None:
    """The larger one reaches further out; interpolated into the bins below and above, that alone made .36."""
    rng = np.random.default_rng(6)
    old, new = (baseline(v, {"x": numeric(getattr(rng, draw)(size=n))}) for v, n in (("1", 4000), ("2", 100_000)))
    (change,) = compare(old, new).features
    assert change.psi < 0.01


def test_leaving_a_constant_is_seen() -> None:
    old = baseline("1", {"x": numeric(np.zeros(1000))})
    new = baseline("2", {"x": numeric(np.random.default_rng(7).normal(5.0, 1.0, 1000))})
    (change,) = compare(old, new).features
    assert dict(zip(change.labels, change.new, strict=True))["02 > 0"] == 1.0
    assert change.drifted


def test_missing_rows_stay_missing_and_a_heavy_value_stays_in_its_bin() -> None:
    rng = np.random.default_rng(4)
    zeros = np.where(rng.random(5000) < 0.6, 0.0, rng.lognormal(size=5000))
    more = np.where(rng.random(5000) < 0.8, 0.0, rng.lognormal(0.3, 1.0, 5000))
    more[:500] = np.nan
    (change,) = compare(baseline("1", {"x": numeric(zeros)}), baseline("2", {"x": numeric(more)})).features
    by_label = dict(zip(change.labels, change.new, strict=True))
    assert by_label["missing"] == 0.1
    (zero,) = [share for label, share in by_label.items() if label.endswith("= 0")]
    assert zero == pytest.approx((more == 0).mean(), abs=1e-9)
    assert sum(change.new) == pytest.approx(1.0)


def test_a_level_that_came_or_went_is_seen_and_one_of_unknown_count_is_other_on_both_sides(
    pair: tuple[Baseline, Baseline],
) -> None:
    old, new = (
        baseline("1", {"d": categorical({"ATL": 50, "BOS": 50})}),
        baseline("2", {"d": categorical({"ATL": 50, "CHI": 50})}),
    )
    (change,) = compare(old, new).features
    assert (change.labels, change.old) == (("ATL", "BOS", "CHI", "other", "missing"), (0.5, 0.5, 0.0, 0.0, 0.0))
    assert change.new == (0.5, 0.0, 0.5, 0.0, 0.0)
    assert change.drifted
    # Here both have rows in other, of which the artefacts do not list the levels.
    change = next(c for c in compare(*pair).features if c.name == "dest")
    assert change.labels == ("BOS", "other", "missing")
    assert change.old == (1500 / 4000, 2400 / 4000, 100 / 4000)
    assert change.new == (1500 / 4000, 2400 / 4000, 100 / 4000)


def test_features_of_one_side_only_are_named_and_the_rest_ranked(pair: tuple[Baseline, Baseline]) -> None:
    found = compare(*pair)
    assert (found.only_old, found.only_new) == (("gone",), ("<new>",))
    ratios = [change.psi / change.threshold for change in found.features]
    assert ratios == sorted(ratios, reverse=True)
    assert {change.name for change in found.features if change.drifted} == {"moved", "gap"}
    assert [(q.metric, q.old, q.new, q.better) for q in found.quality] == [("mae", 5.0, 4.0, True)]


class Page(HTMLParser):
    """Checks that tags close and that nothing comes from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not {"src", "href", "onload", "onclick"} & {name for name, _ in attributes}
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


def test_the_pages_are_whole_need_nothing_else_and_escape_names(
    pair: tuple[Baseline, Baseline], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (str(save_baseline(one, tmp_path)) for one in pair)
    for arguments, words in (
        (["show", new], ("eta 2", "abc123", "mae", "&lt;new&gt;")),
        (["diff", old, new], ("eta 1 against eta 2", "2 of 4 drifted", "moved", "Only in the newer")),
    ):
        path = tmp_path / f"{arguments[0]}.html"
        assert run(["baseline", *arguments, "--html", str(path)]) == 0
        assert capsys.readouterr().out == f"{path}\n"
        text = path.read_text()
        page = Page()
        page.feed(text)
        assert page.open == []
        assert not page.seen & {"script", "link", "iframe", "img"}
        assert all(word in text for word in words)
        assert "<new>" not in text
        assert not re.search(r"https?:", text)


def test_the_terminal_and_json_say_the_same(
    pair: tuple[Baseline, Baseline], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (str(save_baseline(one, tmp_path)) for one in pair)
    assert run(["baseline", "diff", old, new, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {f["name"]: f["psi"] for f in found["features"]} == {c.name: c.psi for c in compare(*pair).features}
    assert {"what": "commit", "old": "", "new": "abc123"} in found["lineage"]
    assert run(["baseline", "diff", old, new, "--draw", "1"]) == 0
    shown = capsys.readouterr().out
    first = found["features"][0]
    assert f"{first['name']}  (PSI {first['psi']:.3g}" in shown
    assert f"{found['features'][1]['name']}  (PSI" not in shown
    assert "+" not in shown.split("mae")[1].split("\n")[0]
    assert "-1" in shown.split("mae")[1].split("\n")[0]


def test_a_damaged_artefact_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pair: tuple[Baseline, Baseline]
) -> None:
    path = save_baseline(pair[0], tmp_path)
    path.write_bytes(msgspec.json.encode({}))
    assert run(["baseline", "diff", str(path), str(path)]) == 1
    assert "content has sha256" in capsys.readouterr().err
