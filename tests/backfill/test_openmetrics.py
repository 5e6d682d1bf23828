import io

import numpy as np

from plumbline import names
from plumbline.backfill.openmetrics import BlockWriter, series_text
from plumbline.expose.block import Block


def written(block: Block, extra: dict[str, str] | None = None) -> str:
    out = io.StringIO()
    BlockWriter(extra or {}).write([block], 1800.0, out)
    return out.getvalue()


def test_a_counter_is_written_with_its_labels_those_of_the_scrape_and_the_time():
    block = Block(names.PREDICTIONS, "p", 1, (("m", "1"),), np.array([3.0]))
    assert written(block, {"job": "plumbline"}) == (
        'ml_predictions_total{model="m",version="1",job="plumbline"} 3.0 1800.000\n'
    )


def test_label_values_are_escaped_and_empty_ones_left_out():
    assert series_text("x", {"a": 'q"\\\n', "b": ""}) == 'x{a="q\\"\\\\\\n"}'


def test_series_without_a_value_now_are_left_out():
    block = Block(names.PREDICTIONS, "p", 1, (("m", "1"), ("m", "2")), np.array([np.nan, 2.0]))
    assert 'version="1"' not in written(block)
    assert 'version="2"' in written(block)


def test_histogram_buckets_become_cumulative_with_count_and_sum():
    bounds = len(names.PREDICTION_LATENCY.buckets)
    counts = np.zeros((1, bounds + 1))
    counts[0, 0], counts[0, 2], counts[0, -1] = 2, 1, 1
    block = Block(names.PREDICTION_LATENCY, "l", 1, (("m", "1"),), counts, sums=np.array([9.5]))
    lines = written(block).splitlines()
    name = "ml_prediction_latency_seconds"
    assert lines[0] == f'{name}_bucket{{model="m",version="1",le="0.001"}} 2.0 1800.000'
    assert lines[2].split()[1] == "3.0"
    assert lines[bounds] == f'{name}_bucket{{model="m",version="1",le="+Inf"}} 4.0 1800.000'
    assert lines[bounds + 1] == f'{name}_count{{model="m",version="1"}} 4.0 1800.000'
    assert lines[bounds + 2] == f'{name}_sum{{model="m",version="1"}} 9.5 1800.000'
    assert len(lines) == bounds + 3


def test_a_changed_layout_gets_new_label_text():
    writer, out = BlockWriter({}), io.StringIO()
    writer.write([Block(names.PREDICTIONS, "p", 1, (("m", "1"),), np.array([1.0]))], 0.0, out)
    writer.write([Block(names.PREDICTIONS, "p", 2, (("m", "1"), ("m", "2")), np.array([1.0, 5.0]))], 9.0, out)
    assert out.getvalue().splitlines()[-1] == 'ml_predictions_total{model="m",version="2"} 5.0 9.000'
    assert writer.samples == 3
