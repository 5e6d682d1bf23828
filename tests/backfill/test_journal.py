from pathlib import Path

import pytest

from plumbline.backfill.journal import Journal, Mark, Plan
from plumbline.backfill.tsdb import PieceWriter
from plumbline.errors import UsageError

PLAN = Plan("digest", 900.0, {"job": "j"}, "rules")


def test_the_last_mark_and_the_blocks_are_found_again_and_a_torn_line_is_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path, PLAN) as journal:
        assert journal.mark is None
        journal.step(Mark(900.0, 0.0, 0, 10))
        journal.step(Mark(1800.0, 0.0, 0, 20, rejected=[(7, "bad_field")]))
        journal.block("01A")
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"time": 2700')
    with Journal(tmp_path, PLAN) as again:
        assert again.mark == Mark(1800.0, 0.0, 0, 20, rejected=[(7, "bad_field")])
        assert again.made == ["01A"]
        again.forget_blocks()
        again.block("01B")
    with Journal(tmp_path, PLAN) as third:
        assert third.made == ["01B"]
        assert third.mark is not None


def test_another_plan_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, PLAN).__exit__()
    with pytest.raises(UsageError, match="of another history, step, rules or labels that was cut off"):
        Journal(tmp_path, Plan("digest", 60.0, {"job": "j"}, "rules"))


def test_pieces_of_a_run_that_was_cut_off_are_finished_or_undone(tmp_path: Path) -> None:
    tsdb, work = tmp_path / "tsdb", tmp_path / "work"
    (work / "making-piece-3").mkdir(parents=True)  # promtool was at it
    (work / "ready-piece-1" / "01B").mkdir(parents=True)  # made, not moved
    (work / "ready-piece-1" / "01B" / "meta.json").write_text("{}")
    (work / "piece-1.om").write_text("moved already\n")
    (work / "piece-2.om").write_text("m 1 0.000\n# EOF\n")  # closed
    (work / "piece-3.om").write_text("m 1 1749600.000\nm 2 1750500.000\nm 3 17")  # open; the last was not noted
    (work / "piece-4.om").write_text("begun, nothing noted")
    announced: list[str] = []
    with PieceWriter(tsdb, work, 900.0, (3, 32), announced.append) as pieces:
        assert pieces.position() == (3, 32)
    assert not list(work.iterdir())
    blocks = {path.name for path in tsdb.iterdir()}
    assert len(blocks) == 3
    assert "01B" in blocks
    assert set(announced) == blocks
