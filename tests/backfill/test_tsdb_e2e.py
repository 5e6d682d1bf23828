"""Blocks made by the real promtool, asked of the real Prometheus."""

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from plumbline import names
from plumbline.backfill.history import load
from plumbline.backfill.journal import Journal, Plan
from plumbline.backfill.rules import RecordingRule, evaluate, temporary_prometheus
from plumbline.backfill.tsdb import PieceWriter, piece_seconds
from plumbline.errors import ToolError
from plumbline.expose.block import Block
from plumbline.history.order import arrange
from plumbline.history.records import JsonLines
from support.servers import query

HOUR = 3600.0


class CountingEngine:
    """Counts lines; stands for the engine, whose own tests are elsewhere."""

    def __init__(self) -> None:
        self.lines = 0

    def ingest(self, body: bytes, now: float) -> tuple[int, list[tuple[int, str]]]:
        self.lines += body.count(b"\n")
        return body.count(b"\n"), []

    def tick(self, now: float) -> None:
        pass

    def blocks(self) -> Iterable[Block]:
        yield Block(names.PREDICTIONS, "p", self.lines, (("m", "1"),), np.array([float(self.lines)]))

    def settled_at(self) -> float | None:
        return None

    def newest(self) -> float | None:
        return None


@pytest.mark.e2e
def test_history_and_recorded_series_are_found_at_their_own_time(tmp_path: Path):
    end = time.time() // HOUR * HOUR - 4 * HOUR
    start = end - 60 * 24 * HOUR  # two months: several blocks
    path = tmp_path / "h.ndjson"
    times = np.arange(start + 60.0, end, 600.0)  # six events an hour
    path.write_text("".join(f'{{"ts": {t}}}\n' for t in times.tolist()))
    tsdb = tmp_path / "tsdb"
    history = arrange(JsonLines([path]), tmp_path / "scratch")
    with Journal(tmp_path / "journal", Plan(history.digest, 900.0, {}, "")) as journal:
        report = load(history, CountingEngine(), tsdb, journal, tmp_path / "work", step=900.0, labels={"job": "j"})
    assert report.blocks > 1
    assert report.accepted == len(times)
    rules = [
        RecordingRule("rec:day", "sum_over_time(rec:hour[86399s:1h])"),
        RecordingRule("rec:hour", "sum by (model) (increase(ml_predictions_total[1h]))", (("by", "rule"),)),
    ]
    recorded = evaluate(rules, tsdb, tmp_path / "work", report.first, report.last, HOUR)
    assert recorded > 2 * 24 * 55
    with temporary_prometheus(tsdb, tmp_path / "p.log") as server:
        middle = start + 31 * 24 * HOUR

        def shown(series: str) -> dict[str, float]:
            return {r["metric"]["model"]: float(r["value"][1]) for r in query(server.url, f"{series} @ {middle}")}

        assert shown('ml_predictions_total{job="j"}') == {"m": float(np.count_nonzero(times <= middle))}
        assert shown('rec:hour{by="rule"}')["m"] == pytest.approx(6.0, rel=1e-6)
        assert shown("rec:day")["m"] == pytest.approx(144.0, rel=1e-6)


@pytest.mark.e2e
def test_a_piece_that_promtool_refuses_is_an_error_with_its_words(tmp_path: Path):
    with (
        pytest.raises(ToolError, match="create-blocks-from"),
        PieceWriter(tmp_path / "tsdb", tmp_path / "work", HOUR) as writer,
    ):
        writer.at(0.0).write("no openmetrics {\n")


@pytest.mark.e2e
def test_a_rule_that_prometheus_refuses_is_named(tmp_path: Path):
    (tmp_path / "tsdb").mkdir()
    with pytest.raises(ToolError, match="recording rule bad:rule: prometheus refused it"):
        evaluate([RecordingRule("bad:rule", "sum(")], tmp_path / "tsdb", tmp_path / "work", 0.0, 60.0, 60.0)


def test_pieces_are_block_ranges_of_about_a_thousand_steps():
    assert piece_seconds(60.0) == 162 * HOUR
    assert piece_seconds(900.0) == 162 * HOUR
    assert piece_seconds(2 * HOUR) == 1458 * HOUR
