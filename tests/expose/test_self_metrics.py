from __future__ import annotations

import threading
from pathlib import Path

from plumbline import names
from plumbline.expose.block import Block
from plumbline.expose.self_metrics import SelfMetrics
from plumbline.names import Metric


def find(blocks: list[Block], metric: Metric) -> Block:
    return next(b for b in blocks if b.metric is metric)


def test_every_known_label_set_starts_at_0(tmp_path: Path) -> None:
    blocks = SelfMetrics(10, 5.0, tmp_path).blocks()
    refused = find(blocks, names.REQUESTS_REFUSED)
    assert dict(zip(refused.labels, refused.values.tolist(), strict=True)) == {
        (reason,): 0.0 for reason in names.REFUSE_REASONS
    }
    assert find(blocks, names.INGEST_DURATION).values.sum() == 0
    assert find(blocks, names.STORE_FREE).values[0] > 0
    assert find(blocks, names.START_TIME).values[0] == 5.0


def test_durations_fall_into_the_bucket_whose_bound_they_do_not_exceed() -> None:
    metrics = SelfMetrics(10, 5.0)
    for seconds in (0.0005, 0.0006, 99.0):
        metrics.ingest.observe(seconds)
    block = find(metrics.blocks(), names.INGEST_DURATION)
    assert block.values[0, :2].tolist() == [1.0, 1.0]
    assert block.values[0, -1] == 1.0
    assert block.sums is not None
    assert block.sums[0] == 0.0005 + 0.0006 + 99.0


def test_no_count_is_lost_between_threads() -> None:
    metrics = SelfMetrics(10, 5.0)

    def count() -> None:
        for _ in range(5000):
            metrics.refused.add("overloaded")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    block = find(metrics.blocks(), names.REQUESTS_REFUSED)
    assert block.values.sum() == 20000
