"""Served features against recomputed ones: counted once per request, whatever comes first and however often."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plumbline.counting.skew import same
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from support.samples import body, prediction, values

Opener = Callable[..., Engine]


def recomputed(request: str, **changes: Any) -> dict[str, Any]:
    return {"type": "recomputed", "ts": 2000.0, "request_id": request, "features": {"x": 1.0, "c": "a"}, **changes}


def feed(engine: Engine, *events: dict[str, Any]) -> list[int]:
    return engine.commit([parse(body(*events), 10_000.0)], 10_000.0)


def skew(engine: Engine, version: str = "1") -> dict[str, tuple[float, float]]:
    v = values(engine.blocks())
    return {
        feature: tuple(v[f"ml_feature_skew_{what}_total", "clf", version, feature] for what in ("rows", "mismatches"))
        for feature in ("x", "c")
    }


SERVED = [
    prediction("r1", features={"x": 1.0, "c": "a"}),
    prediction("r2", features={"x": 2.0, "c": None}),
    prediction("r3", features={"x": 3.0, "c": "b"}),
]
AGAIN = [
    recomputed("r1"),
    recomputed("r2", features={"x": 2.5, "c": "b"}),
    recomputed("r3", features={"x": 3.0}),
    recomputed("never served"),
]


def test_rows_and_mismatches_are_counted_per_feature(engine: Engine) -> None:
    feed(engine, *SERVED, *AGAIN)
    assert skew(engine) == {"x": (3, 1), "c": (2, 1)}
    assert values(engine.blocks())["plumbline_events_total", "recomputed"] == 4


def test_neither_order_nor_resends_nor_a_restart_change_the_counts(opened: Opener, tmp_path: Path) -> None:
    events = [*SERVED, *AGAIN]
    for turn, chosen in enumerate(itertools.islice(itertools.permutations(events), 0, 5040, 1009)):
        folder = tmp_path / str(turn)
        engine = opened(folder)
        feed(engine, *chosen[:3])
        feed(engine, *chosen[1:5])
        engine.close()
        engine = opened(folder)
        feed(engine, *chosen)
        assert feed(engine, *chosen) == [len(events)]
        assert skew(engine) == {"x": (3, 1), "c": (2, 1)}
        engine.close()


def test_a_request_is_compared_once_even_if_it_is_recomputed_otherwise(engine: Engine) -> None:
    feed(engine, *SERVED, *AGAIN)
    assert feed(engine, recomputed("r1", features={"x": 9.0})) == [1]
    assert skew(engine)["x"] == (3, 1)


def test_a_version_that_is_named_is_the_only_one_compared(engine: Engine) -> None:
    feed(engine, prediction("r1"), recomputed("r1", version="2"), recomputed("r1", model="other"))
    assert skew(engine) == {"x": (0, 0), "c": (0, 0)}
    feed(engine, recomputed("r1", model="clf", version="1"))
    assert skew(engine)["x"][0] == 1


@pytest.mark.parametrize(
    ("numeric", "served", "again", "equal"),
    [
        (True, 1.0, 1.0 + 9e-7, True),  # what float32 may lose
        (True, 1.0, 1.0 + 2e-6, False),
        (True, 1e12, 1e12 + 1e5, True),
        (True, 0.0, 1e-10, True),
        (True, 0.0, 1e-8, False),
        (True, "1", 1.0, False),
        (True, 10**400, 1.0, False),
        (True, None, 0.0, False),
        (False, None, None, True),
        (False, "a", None, False),
        (False, 1, 1.0, True),
        (False, 1.0, "1", True),
        (False, True, "true", True),
        (False, 0.5, 0.5, True),
        (False, 0.5, 0.25, False),
        (False, 0.5, "0.50", True),
        (False, True, 1, True),
        (False, "", None, True),
        (True, "", None, True),
        (True, "x", None, False),
    ],
)
def test_what_counts_as_the_same_value(numeric: bool, served: Any, again: Any, equal: bool) -> None:
    assert same(numeric, served, again) == same(numeric, again, served) == equal


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"type": "recomputed", "request_id": "a"}, "missing_field"),
        ({"type": "recomputed", "request_id": "", "features": {}}, "bad_id"),
        ({"type": "recomputed", "request_id": "a", "features": {}, "version": "\n"}, "bad_field"),
        ({"type": "recomputed", "request_id": "a", "features": {"x": [1]}}, "bad_field"),
    ],
)
def test_a_recomputation_that_says_too_little_is_refused(event: dict[str, Any], reason: str) -> None:
    assert [line.reason for line in parse(body(event), 1.0).rejected] == [reason]
