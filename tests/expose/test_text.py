from __future__ import annotations

import gzip
import math
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as text_page
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Exemplar as ClientExemplar
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.utils import floatToGoString

from plumbline import names
from plumbline.expose.block import Block, Exemplar
from plumbline.expose.text import Renderer
from support.search import examples

# Everything a label may hold; surrogates cannot be UTF-8 and are tested apart.
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
numbers = st.one_of(st.integers(0, 2**60).map(float), st.floats(allow_nan=True, allow_infinity=True), st.just(math.nan))


@st.composite
def pages(draw: Any) -> list[Block]:
    """A counter, a gauge and a histogram with hostile labels and values."""
    found = []
    for metric in (names.FEATURE_VALUES, names.BASELINE_ROWS):
        labels = draw(st.lists(st.tuples(*[texts] * len(metric.labels)), unique=True, max_size=12))
        values = np.array([draw(numbers) for _ in labels], dtype=np.float64)
        if metric.kind == "counter":
            values = np.abs(values)
        found.append(Block(metric, metric.name, 1, tuple(labels), values))
    labels = draw(st.lists(st.tuples(texts, texts), unique=True, max_size=4))
    columns = len(names.PREDICTION_LATENCY.buckets) + 1
    counts = np.array(
        [[float(draw(st.integers(0, 2**40))) for _ in range(columns)] for _ in labels], dtype=np.float64
    ).reshape(len(labels), columns)
    sums = np.array([float(draw(st.integers(0, 1000))) / 7 for _ in labels])
    exemplars = {}
    if labels:
        # prometheus_client's parser loses track of an escaped quote or backslash inside an exemplar;
        # Prometheus itself reads them (test_real_prometheus.py).
        request = draw(texts).replace('"', "'").replace("\\", "/")
        exemplars[0, 2] = Exemplar({"request_id": request}, 0.004, 1700000000.5)
        counts[0, 2] += 1
    found.append(Block(names.PREDICTION_LATENCY, "latency", 1, tuple(labels), counts, sums, exemplars))
    return found


def expected(blocks: list[Block]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of counters and gauges, and per histogram its count and sum."""
    found = {}
    for block in blocks:
        for row, labels in enumerate(block.labels):
            own = frozenset(zip(block.metric.labels, labels, strict=True))
            if block.sums is None:
                if not math.isnan(block.values[row]):
                    found[block.metric.name, own] = float(block.values[row])
                continue
            total = 0.0
            for bound, count in zip((*block.metric.buckets, math.inf), block.values[row].tolist(), strict=True):
                total += count
                found[f"{block.metric.name}_bucket", own | {("le", bound)}] = total
            found[f"{block.metric.name}_sum", own] = float(block.sums[row])
            found[f"{block.metric.name}_count", own] = total
    return found


def parsed(families: Any) -> dict[tuple[str, frozenset[tuple[str, Any]]], float]:
    found = {}
    for family in families:
        for sample in family.samples:
            labels = {k: float(v) if k == "le" else v for k, v in sample.labels.items()}
            key = (sample.name, frozenset(labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


class ClientFamilies(CollectorRegistry):
    """The blocks as a registry of prometheus_client's own families."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = blocks

    def collect(self) -> Iterator[Any]:
        for block in self.blocks:
            metric = block.metric
            kind = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}.get(metric.kind, HistogramMetricFamily)
            family: Any = kind(metric.family, metric.help, labels=metric.labels)
            for row, labels in enumerate(block.labels):
                if block.sums is not None:
                    bounds = map(floatToGoString, (*metric.buckets, math.inf))
                    found = [block.exemplars.get((row, at)) for at in range(len(metric.buckets) + 1)]
                    theirs = [e and ClientExemplar(e.labels, e.value, e.timestamp) for e in found]
                    counts = np.cumsum(block.values[row]).tolist()
                    family.add_metric(labels, list(zip(bounds, counts, theirs, strict=True)), block.sums[row])
                elif not math.isnan(block.values[row]):
                    family.add_metric(labels, block.values[row])
            if family.samples:
                yield family


def samples(families: Any) -> dict[tuple[str, ...], list[Any]]:
    """Every sample with its exemplar, by the head of its family."""
    return {
        (f.name, f.type, f.documentation): sorted(
            ((s.name, sorted(s.labels.items()), s.value, s.exemplar) for s in f.samples), key=repr
        )
        for f in families
    }


@settings(max_examples=examples(60))
@given(pages(), st.integers(1, 20))
def test_a_parser_reads_back_what_was_rendered(blocks: list[Block], chunk: int) -> None:
    renderer = Renderer(chunk)
    text = renderer.render(blocks).decode()
    assert parsed(parse_text(text)) == expected(blocks)
    exact = renderer.render(blocks, openmetrics=True).decode()
    assert parsed(parse_openmetrics(exact)) == expected(blocks)
    assert exact.endswith("# EOF\n")


@settings(max_examples=examples(40))
@given(st.lists(pages(), min_size=2, max_size=4), st.integers(1, 20))
def test_a_warm_renderer_gives_the_page_a_fresh_one_gives_also_as_gzip(history: list[list[Block]], chunk: int) -> None:
    warm = Renderer(chunk)
    for generation, page in enumerate(history):
        blocks = [Block(b.metric, b.key, generation, b.labels, b.values, b.sums, b.exemplars) for b in page]
        for openmetrics in (False, True):
            fresh = Renderer(chunk).render(blocks, openmetrics)
            assert warm.render(blocks, openmetrics) == fresh
            packed = warm.render(blocks, openmetrics, compress=True)
            assert gzip.decompress(packed) == fresh
            assert warm.render(blocks, openmetrics, compress=True) == packed


@settings(max_examples=examples(40))
@given(pages())
def test_prometheus_client_writes_a_page_of_the_same_samples_and_exemplars(blocks: list[Block]) -> None:
    theirs, renderer = ClientFamilies(blocks), Renderer()
    assert samples(parse_text(renderer.render(blocks).decode())) == samples(parse_text(text_page(theirs).decode()))
    page = renderer.render(blocks, openmetrics=True).decode()
    assert samples(parse_openmetrics(page)) == samples(parse_openmetrics(openmetrics_page(theirs).decode()))


def test_a_half_surrogate_in_a_label_does_not_lose_the_page() -> None:
    block = Block(names.BASELINE_ROWS, "b", 1, (("m\ud800", "1"),), np.ones(1))
    assert b'model="m?"' in Renderer().render([block])


def counter(rows: int, generation: int = 1, changed: int | None = None) -> Block:
    values = np.arange(rows, dtype=np.float64)
    if changed is not None:
        values[changed] += 0.5
    labels = tuple(("m", "1", "f", str(row)) for row in range(rows))
    return Block(names.FEATURE_VALUES, "k", generation, labels, values)


def test_only_the_slice_that_changed_is_rendered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(100)
    renderer.render([counter(1000)], compress=True)
    done: list[int] = []
    from plumbline.expose import text

    pack = text._gzip
    monkeypatch.setattr(text, "_gzip", lambda data: (done.append(len(data)), pack(data))[1])
    renderer.render([counter(1000)], compress=True)
    assert done == []
    page = renderer.render([counter(1000, 2, changed=555)], compress=True)
    assert len(done) == 1
    assert b'bin="555"} 555.5\n' in gzip.decompress(page)


def test_what_vanished_is_forgotten() -> None:
    renderer = Renderer(100)
    renderer.render([counter(1000)], compress=True)
    assert len(renderer._pieces) == 10
    assert gzip.decompress(renderer.render([], compress=True)) == b""
    assert renderer._pieces == {}
    assert renderer._members[False] == {}


def test_a_family_in_many_blocks_has_one_header() -> None:
    blocks = [Block(names.PREDICTIONS, f"k{i}", 1, ((f"m{i}", "1"),), np.ones(1)) for i in range(3)]
    blocks.insert(1, Block(names.BASELINE_ROWS, "rows", 1, (("m", "1"),), np.ones(1)))
    page = Renderer().render(blocks).decode()
    assert page.count("# TYPE ml_predictions_total counter") == 1
    assert len(parsed(parse_text(page))) == 4


def test_an_exemplar_too_long_for_openmetrics_is_left_out() -> None:
    counts = np.ones((1, 14))
    long = {(0, 0): Exemplar({"request_id": "r" * 200}, 0.001, 1.0)}
    block = Block(names.PREDICTION_LATENCY, "l", 1, (("m", "1"),), counts, np.ones(1), long)
    page = Renderer().render([block], openmetrics=True).decode()
    assert "request_id" not in page
    list(parse_openmetrics(page))


def test_exemplars_are_in_openmetrics_only_and_bounds_are_floats() -> None:
    counts = np.ones((1, 14))
    block = Block(
        names.PREDICTION_LATENCY,
        "l",
        1,
        (("m", "1"),),
        counts,
        np.ones(1),
        {(0, 9): Exemplar({"request_id": 'a"b'}, 0.9, 12.5)},
    )
    renderer = Renderer()
    assert b"request_id" not in renderer.render([block])
    page = renderer.render([block], openmetrics=True)
    assert b'le="1.0"} 10 # {request_id="a\\"b"} 0.9 12.500\n' in page
    assert b"_created" not in page


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say_about_any_metric() -> None:
    blocks = []
    for metric in names.METRICS.values():
        labels = (tuple(f"v{i}" for i in range(len(metric.labels))),)
        if metric.kind == "histogram":
            counts = np.ones((1, len(metric.buckets) + 1))
            blocks.append(Block(metric, metric.name, 1, labels, counts, np.ones(1)))
        else:
            blocks.append(Block(metric, metric.name, 1, labels, np.ones(1)))
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=Renderer().render(blocks), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
