from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest

from plumbline.backfill.history import COMMIT_LINES, check_times, load, read_steps
from plumbline.backfill.journal import Journal, Mark, Plan
from plumbline.backfill.run import backfill, backfill_warnings
from plumbline.errors import StoreError, TableError, ToolError
from plumbline.expose.block import Block
from plumbline.history.order import Arranged, arrange
from plumbline.history.records import JsonLines, Record
from plumbline.ingest.engine import Engine


def records(*times: float) -> list[Record]:
    return [Record(at, b"{}", i) for i, at in enumerate(times)]


def test_events_are_cut_into_steps_that_end_on_multiples_and_empty_steps_are_kept() -> None:
    steps = list(read_steps(records(101, 109, 110, 130), 10.0))
    assert [(step.time, [r.place for r in step.records], step.ends, step.done) for step in steps] == [
        (110.0, [0, 1], True, 2),
        (120.0, [2], True, 3),
        (130.0, [], True, 3),
        (140.0, [3], True, 4),
    ]


def test_a_step_with_more_events_than_one_commit_may_hold_comes_in_parts() -> None:
    steps = list(read_steps(records(*[5.0] * (2 * COMMIT_LINES + 1), 10.0), 10.0))
    assert [(step.time, len(step.records), step.ends) for step in steps] == [
        (10.0, COMMIT_LINES, False),
        (10.0, COMMIT_LINES, False),
        (10.0, 1, True),
        (20.0, 1, True),
    ]


def test_history_of_the_last_three_hours_is_refused() -> None:
    history = Arranged(JsonLines([Path("h")]), 1, 0.0, 100_000.0, "")
    check_times(history, 100_000.0 + 3 * 3600)
    with pytest.raises(TableError, match=r"reaches to 1970-01-02T03:46:40.000Z.*3 hours before now"):
        check_times(history, 100_000.0 + 3 * 3600 - 1)


def test_a_program_that_is_missing_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "promtool").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "events.ndjson").write_text("{}\n")
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{record: a, expr: b}]}]\n")
    untouched = cast("Engine", None)
    with pytest.raises(ToolError, match="prometheus is not installed"):
        backfill(tmp_path / "events.ndjson", untouched, tmp_path / "tsdb", step=60.0, rules=[tmp_path / "rules.yml"])
    assert not (tmp_path / "tsdb").exists()


class Stored:
    """An engine whose store holds events up to a time; nothing of it may be asked for more."""

    def __init__(self, newest: float) -> None:
        self._newest = newest

    def newest(self) -> float | None:
        return self._newest

    def ingest(self, body: bytes, now: float) -> tuple[int, list[tuple[int, str]]]:
        raise AssertionError("events were fed")

    def tick(self, now: float) -> None:
        raise AssertionError("time went on")

    def blocks(self) -> Iterable[Block]:
        raise AssertionError("a sample was taken")

    def settled_at(self) -> float | None:
        return None


def load_beside(newest: float, tmp_path: Path, mark: Mark | None) -> None:
    path = tmp_path / "h.ndjson"
    path.write_text('{"ts": 1000}\n{"ts": 9000}\n')
    history = arrange(JsonLines([path]), tmp_path / "scratch")
    with Journal(tmp_path / "journal", Plan(history.digest, 900.0, {}, "")) as journal:
        if mark is not None:
            journal.step(mark)
        load(history, Stored(newest), tmp_path / "tsdb", journal, tmp_path / "work", step=900.0, labels={}, now=1e6)


def test_history_is_not_mixed_with_events_that_the_store_already_has_of_its_time(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"already holds events up to .*16:40.*there is nothing to do"):
        load_beside(1000.0, tmp_path, None)
    assert not (tmp_path / "tsdb").exists()


def test_samples_that_the_machine_lost_are_noticed(tmp_path: Path) -> None:
    """One step ahead of the samples the store may be, that is where a kill falls; not two."""
    with pytest.raises(StoreError, match="the machine went down, or live events came in"):
        load_beside(3600.0, tmp_path, Mark(2700.0, 900.0, 0, 0))
    with pytest.raises(AssertionError, match="time went on"):
        load_beside(3599.0, tmp_path, Mark(2700.0, 900.0, 0, 0))


def test_retention_and_blocks_of_the_same_time_are_warned_of(tmp_path: Path) -> None:
    history = Arranged(JsonLines([Path("h")]), 1, 0.0, 1000.0, "")
    assert backfill_warnings(history, tmp_path, 14 * 86_400.0) == []
    block = tmp_path / "01ABC"
    block.mkdir()
    for first, last, overlaps in ((900_000, 2_000_000, True), (1_000_001, 2_000_000, False), (-5, 0, False)):
        (block / "meta.json").write_text(f'{{"minTime": {first}, "maxTime": {last}, "version": 1}}')
        assert any("01ABC" in text for text in backfill_warnings(history, tmp_path, 0.0)) is overlaps
    (text,) = backfill_warnings(history, tmp_path, 100.4 * 86_400)
    assert "--storage.tsdb.retention.time=102d" in text
