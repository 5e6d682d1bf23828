from pathlib import Path

import pytest

from plumbline.backfill.history import COMMIT_LINES, check_times, read_steps
from plumbline.errors import TableError
from plumbline.history.order import Arranged
from plumbline.history.records import JsonLines, Record


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
