"""How often the drift rule is wrong: on streams that do not drift, and on one that does, by .2 SD.

The figures are those of the published method (docs/metrics/drift.md): without drift, PSI/(1/n + 1/m) is
chi-squared, so a nominal 5% is exceeded in 4 to 5%; the rule with both gates raises no alarm in 315 chunks;
a shift of .2 standard deviations is seen in 91% of chunks of 1,000 by significance, in .1% by ".1" alone.
Counts are drawn with numpy through the bins, noise and quantiles that make a baseline; a part of them is asked
of a real Prometheus, which must say the same of every feature and chunk.

Seeds are fixed. Tolerances are the central 99.9% of the binomial distribution for the number of draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import requests
from scipy import stats

from plumbline import names
from plumbline.backfill.openmetrics import series_text
from plumbline.backfill.rules import query_range, temporary_prometheus
from plumbline.backfill.tsdb import PieceWriter
from plumbline.baseline.bins import bin_numeric, choose_numeric
from plumbline.baseline.noise import ALPHA, PSI_FLOOR, leave_one_out_noise, psi, significant_psi
from plumbline.catalogue.model import Catalogue
from support.between import Between

FEATURES = 20
CHUNKS = 315
REFERENCE = 20_000
SIZES = (100, 350, 1000, 3600)
SHIFT = 0.2
DAY = 86_400.0

Draw = Callable[[np.random.Generator, int], np.ndarray]


def spikes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Zero in six of ten rows, else lognormal: as rain or a purchase is."""
    return np.where(rng.random(n) < 0.6, 0.0, rng.lognormal(0.0, 1.0, n))


def gaps(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.05, np.nan, rng.normal(size=n))


KINDS: tuple[Draw, ...] = (
    lambda rng, n: rng.normal(size=n),
    lambda rng, n: rng.uniform(size=n),
    lambda rng, n: rng.lognormal(0.0, 1.5, n),
    lambda rng, n: rng.poisson(3.0, n).astype(float),
    lambda rng, n: (rng.random(n) < 0.3).astype(float),
    spikes,
    gaps,
)


@dataclass
class Feature:
    """One feature's baseline: its bins, counts, noise between ten blocks, and quantile."""

    draw: Draw
    labels: tuple[str, ...]
    count: Callable[[np.ndarray], np.ndarray]
    reference: np.ndarray
    noise: float
    chi2: float

    def threshold(self, n: float) -> float:
        return max(PSI_FLOOR, self.noise, significant_psi(self.reference, n, self.chi2))


def feature(rng: np.random.Generator, draw: Draw, rows: int = REFERENCE, tail: float = ALPHA / FEATURES) -> Feature:
    values = draw(rng, rows)
    known = values[~np.isnan(values)]
    bins = choose_numeric(known, known.min(), known.max(), 10)
    size = len(bins.labels)

    def count(sample: np.ndarray) -> np.ndarray:
        return np.bincount(bin_numeric(sample, bins.uppers), minlength=size)

    blocks = np.array([count(block) for block in np.split(values, 10)])
    noise = leave_one_out_noise(blocks)
    return Feature(draw, bins.labels, count, blocks.sum(axis=0), noise, stats.chi2.isf(tail, size - 1))


def within(hits: int, trials: int, low: float, high: float) -> bool:
    """Whether hits of trials agree with a probability somewhere between low and high."""
    return bool(stats.binom.ppf(0.0005, trials, low) <= hits <= stats.binom.ppf(0.9995, trials, high))


def test_two_gates_raise_no_alarm_in_315_chunks_without_drift() -> None:
    """By its level the rule may err in at most one chunk of a thousand: 0 is what 73% of seeds give, or more."""
    rng = np.random.default_rng(20)
    features = [feature(rng, KINDS[i % len(KINDS)]) for i in range(FEATURES)]
    alarms, significant = 0, 0
    for chunk in range(CHUNKS):
        n = SIZES[chunk % len(SIZES)]
        values = [(f, psi(f.count(f.draw(rng, n)), f.reference)) for f in features]
        alarms += any(value > f.threshold(n) for f, value in values)
        significant += any(value > significant_psi(f.reference, n, f.chi2) for f, value in values)
    assert alarms == 0
    assert within(significant, CHUNKS, 0.0, ALPHA)


@pytest.mark.parametrize("n", [100, 350, 1000])
def test_with_ten_bins_a_nominal_5_percent_is_exceeded_in_4_to_5(n: int) -> None:
    """Ten quantile bins and nothing else, as the method's source has them."""
    rng = np.random.default_rng(n)
    trials, hits = 6000, 0
    limit = (1 / n + 1 / REFERENCE) * stats.chi2.isf(0.05, 9)
    for _ in range(10):
        reference = rng.normal(size=REFERENCE)
        edges = np.quantile(reference, np.arange(1, 10) / 10)
        counts = np.bincount(np.searchsorted(edges, reference), minlength=10)
        shares = np.diff([0.0, *stats.norm.cdf(edges), 1.0])
        hits += sum(psi(c, counts) > limit for c in rng.multinomial(n, shares, trials // 10))
    assert within(hits, trials, 0.04, 0.05)


@pytest.mark.parametrize("rows", [1000, REFERENCE, 1_000_000])
@pytest.mark.parametrize("n", [50, 100, 1000])
def test_with_the_baselines_own_bins_the_level_is_kept_at_any_size_of_the_reference(rows: int, n: int) -> None:
    """Below, above and missing hold no reference row; counted as plain bins they made 5% into 20 to 47%."""
    rng = np.random.default_rng([rows, n])
    one = feature(rng, KINDS[0], rows, 0.05)
    limit = significant_psi(one.reference, n, one.chi2)
    trials = 3000
    hits = sum(psi(one.count(rng.normal(size=n)), one.reference) > limit for _ in range(trials))
    assert within(hits, trials, 0.005, 0.05)


def shifted(one: Feature, rng: np.random.Generator, trials: int) -> np.ndarray:
    return np.array([psi(one.count(rng.normal(SHIFT, 1.0, 1000)), one.reference) for _ in range(trials)])


def test_a_shift_of_a_fifth_of_a_standard_deviation_is_seen_at_a_thousand_rows_but_not_by_the_floor() -> None:
    rng = np.random.default_rng(7)
    trials = 2000
    edges_of = rng.normal(size=REFERENCE)
    edges = np.quantile(edges_of, np.arange(1, 10) / 10)
    counts = np.bincount(np.searchsorted(edges, edges_of), minlength=10)
    shares = np.diff([0.0, *stats.norm.cdf(edges - SHIFT), 1.0])
    plain = np.array([psi(c, counts) for c in rng.multinomial(1000, shares, trials)])
    seen = int((plain > (1 / 1000 + 1 / REFERENCE) * stats.chi2.isf(ALPHA, 9)).sum())
    # 91% was measured with references of other sizes: at 10,000 rows it is 89%, at 100,000 94%.
    assert within(seen, trials, 0.88, 0.94)
    assert within(int((plain > PSI_FLOOR).sum()), trials, 0.0005, 0.003)

    own = feature(rng, KINDS[0], tail=ALPHA)
    values = shifted(own, rng, trials)
    assert (values > significant_psi(own.reference, 1000, own.chi2)).mean() > 0.85
    assert (values > PSI_FLOOR).mean() < 0.01


@pytest.fixture(scope="module")
def promql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[list[np.ndarray]], list[Feature], str]]:
    """A Prometheus over the counters of 24 chunks, one a day: every third is shifted."""
    rng = np.random.default_rng(24)
    folder = tmp_path_factory.mktemp("level")
    features = [feature(rng, KINDS[i % len(KINDS)]) for i in range(FEATURES)]
    chunks = []
    with PieceWriter(folder / "tsdb", folder / "work", DAY) as pieces:
        total = [np.zeros(len(f.labels)) for f in features]
        for day in range(25):
            if day:
                n, move = SIZES[day % len(SIZES)], SHIFT if day % 3 == 0 else 0.0
                chunks.append([f.count(f.draw(rng, n) + move) for f in features])
                total = [a + b for a, b in zip(total, chunks[-1], strict=True)]
            at = day * DAY
            out = pieces.at(at)

            def write(metric: names.Metric, value: float, *labels: str, out=out, at=at) -> None:  # type: ignore[no-untyped-def]
                text = series_text(metric.name, dict(zip(metric.labels, ("m", "1", *labels), strict=True)))
                out.write(f"{text} {float(value)!r} {at:.3f}\n")

            write(names.BASELINE_ROWS, REFERENCE)
            for i, f in enumerate(features):
                write(names.BASELINE_FEATURE_NOISE, f.noise, f"f{i}")
                write(names.BASELINE_FEATURE_CHI2, f.chi2, f"f{i}")
                shares = (f.reference + 0.5) / (f.reference.sum() + 0.5 * len(f.labels))
                for label, share, value in zip(f.labels, shares, total[i], strict=True):
                    write(names.BASELINE_FEATURE_SHARE, share, f"f{i}", label)
                    write(names.FEATURE_VALUES, value, f"f{i}", label)
    with temporary_prometheus(folder / "tsdb", folder / "prometheus.log") as server:
        yield chunks, features, server.url


@pytest.mark.e2e
def test_promql_says_of_every_chunk_and_feature_what_numpy_says(
    promql: tuple[list[list[np.ndarray]], list[Feature], str], root_catalogue: Catalogue
) -> None:
    chunks, features, url = promql
    between = Between(root_catalogue, DAY)
    with requests.Session() as session:
        answers = {
            recorded.stem: {
                series.metric["feature"]: [float(value) for _, value in series.values]
                for series in query_range(session, url, recorded.stem, between.of(recorded), DAY, 24 * DAY, DAY)
            }
            for recorded in (names.R_PSI, names.R_PSI_THRESHOLD)
        }
    values, thresholds = answers[names.R_PSI.stem], answers[names.R_PSI_THRESHOLD.stem]
    quiet = seen = 0
    for at, chunk in enumerate(chunks):
        for i, (f, counts) in enumerate(zip(features, chunk, strict=True)):
            value, threshold = values[f"f{i}"][at], thresholds[f"f{i}"][at]
            assert value == pytest.approx(psi(counts, f.reference), rel=1e-6)
            assert threshold == pytest.approx(f.threshold(counts.sum()), rel=1e-9)
            moved = (at + 1) % 3 == 0
            seen += moved and value > threshold
            quiet += not moved and value > threshold
    assert quiet == 0
    assert seen > 0  # a binary feature moved off its two values leaves its bins
