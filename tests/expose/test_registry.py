from __future__ import annotations

import numpy as np
import pytest
from structlog.testing import capture_logs

from plumbline import names
from plumbline.expose.block import Block
from plumbline.expose.registry import Registry


class Source:
    def __init__(self, name: str) -> None:
        self.name = name
        self.error: Exception | None = None
        self.values = np.ones(1)

    def blocks(self) -> list[Block]:
        if self.error is not None:
            raise self.error
        return [Block(names.BASELINE_ROWS, f"{self.name}/rows", 1, ((self.name, "1"),), self.values)]


def success(blocks: list[Block]) -> dict[str, float]:
    block = next(b for b in blocks if b.metric is names.COLLECTOR_SUCCESS)
    return {labels[0]: float(value) for labels, value in zip(block.labels, block.values, strict=True)}


def shown(blocks: list[Block]) -> set[str]:
    return {b.key for b in blocks if b.metric is names.BASELINE_ROWS}


def test_a_broken_collector_loses_only_its_own_series_and_says_so_once() -> None:
    good, bad = Source("good"), Source("bad")
    registry = Registry({"bad": bad.blocks, "good": good.blocks})
    assert shown(registry.collect()) == {"good/rows", "bad/rows"}
    bad.error = OSError("gone")
    with capture_logs() as logs:
        for _ in range(3):
            found = registry.collect()
            assert shown(found) == {"good/rows"}
            assert success(found) == {"bad": 0.0, "good": 1.0}
        bad.error = None
        found = registry.collect()
    assert success(found) == {"bad": 1.0, "good": 1.0}
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]
    assert "OSError: gone" in logs[0]["problem"]


@pytest.mark.parametrize("values", [np.ones(2), np.ones((1, 1))])
def test_blocks_that_cannot_be_rendered_count_as_a_failure(values: np.ndarray) -> None:
    source = Source("odd")
    source.values = values
    found = Registry({"odd": source.blocks}).collect()
    assert success(found) == {"odd": 0.0}
    assert shown(found) == set()
