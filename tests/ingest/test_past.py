"""Corrections of outcomes that were counted before the layout changed: nothing is one short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plumbline import names
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.store.embedded import EmbeddedStore
from support.samples import FixedBaselines, baseline, body, catalogue, outcome, prediction, values

Opener = Callable[..., Engine]
Net = dict[tuple[str, ...], float]
MATURE = 10_000.0


def feed(engine: Engine, *events: dict[str, Any], now: float = MATURE) -> None:
    engine.commit([parse(body(*events), now)], now)


def net(engine: Engine) -> Net:
    found = values(engine.blocks())
    for name, retracted in names.RETRACTED.items():
        for key in [key for key in found if key[0] == retracted.name]:
            found[name, *key[1:]] -= found.pop(key)
    return {key: value for key, value in found.items() if names.METRICS[key[0]].group in ("Quality", "Equal age")}


def models(**changes: Any) -> dict[str, Any]:
    plain = catalogue().model_dump(mode="json")["models"]
    plain["clf"] |= changes
    return plain


MULTI = {"task": "multiclass", "classes": ["cat", "dog"], "positive_class": None, "objectives": [], "kpis": []}
CASES = {
    "a slice is declared": (models(), models(slices={"c": ["a"]})),
    "a value is declared": (models(slices={"c": ["b"]}), models(slices={"c": ["a", "b"]})),
    "a value is taken out": (models(slices={"c": ["a", "b"]}), models(slices={"c": ["b"]})),
    "another class is the positive one": (models(), models(positive_class="0")),
}


@pytest.mark.parametrize("case", CASES)
def test_a_correction_across_a_change_counts_as_if_the_outcome_had_been_right_from_the_beginning(
    opened: Opener, case: str, tmp_path: Path
) -> None:
    then, now = CASES[case]
    found: list[Net] = []
    for folder, first in (("corrected", "1"), ("right", "0")):
        engine = opened(tmp_path / folder, models=then)
        feed(engine, prediction("r"), outcome("r", first), prediction("s"), outcome("s", "1"))
        engine.close()
        engine = opened(tmp_path / folder, models=now)
        if first == "1":
            feed(engine, outcome("r", "0", correction=True, ts=9000.0))
        feed(engine, prediction("t"), outcome("t", "1"))
        feed(engine, outcome("t", "0", correction=True, ts=9000.0))  # entered after the change: taken back everywhere
        found.append({k: v for k, v in net(engine).items() if k[0] != names.OUTCOMES.name})
        engine.close()
    assert found[0] == pytest.approx(found[1])
    assert all(value >= -1e-12 for value in found[0].values())


@pytest.mark.parametrize("case", CASES)
def test_so_it_is_with_an_outcome_that_waited_while_the_layout_changed(
    opened: Opener, case: str, tmp_path: Path
) -> None:
    then, now = CASES[case]
    found: list[Net] = []
    for folder, first in (("corrected", "1"), ("right", "0")):
        engine = opened(tmp_path / folder, models=then)
        feed(engine, prediction("r"), outcome("r", first), now=2100.0)  # mature at 4600
        engine.close()
        engine = opened(tmp_path / folder, models=now)
        engine.tick(MATURE)
        if first == "1":
            feed(engine, outcome("r", "0", correction=True, ts=9000.0))
        found.append({k: v for k, v in net(engine).items() if k[0] != names.OUTCOMES.name})
        engine.close()
    assert found[0] == pytest.approx(found[1])
    assert all(value >= -1e-12 for value in found[0].values())


def test_so_it_is_when_a_deployment_brings_another_baseline(tmp_path: Path) -> None:
    other = baseline("clf", "2")
    deploy = {
        "type": "deployment",
        "ts": 8000.0,
        "model": "clf",
        "version": "1",
        "stage": "production",
        "baseline": other.digest,
    }
    found: list[Net] = []
    for folder, first in (("corrected", "1"), ("right", "0")):
        known = FixedBaselines(baseline(), baseline("reg", "1", "regression"), other)
        engine = Engine(catalogue(), known, EmbeddedStore(tmp_path / folder))
        feed(engine, prediction("r"), outcome("r", first), now=8500.0)
        # One transaction: what is counted in it is counted by the new layout.
        said = [outcome("r", "0", correction=True, ts=9000.0)] if first == "1" else []
        feed(engine, prediction("s"), outcome("s", "1"), deploy, *said, outcome("s", "0", correction=True, ts=9000.0))
        found.append({k: v for k, v in net(engine).items() if k[0] != names.OUTCOMES.name})
        engine.close()
    assert found[0] == pytest.approx(found[1])
    assert sum(v for k, v in found[0].items() if k[0] == names.SCORE_BINS.name) == 1
    assert all(value >= -1e-12 for value in found[0].values())


def test_where_the_classes_changed_a_correction_is_left_out_and_counted(opened: Opener) -> None:
    engine = opened(models=models(**MULTI))
    said = {"prediction": "cat", "score": None}
    feed(engine, prediction("r", **said), outcome("r", "owl"))
    engine.close()
    engine = opened(models=models(**{**MULTI, "classes": ["cat", "dog", "owl"]}))
    for again in range(2):
        feed(engine, outcome("r", "dog", correction=True, ts=9000.0 + again))
        cells = net(engine)
        assert all(value >= 0 for value in cells.values())
        assert cells["ml_confusion_total", "clf", "1", "all", "all", "other", "cat"] == 1
        engine.close()
        engine = opened(models=models(**{**MULTI, "classes": ["cat", "dog", "owl"]}))
    assert net(engine)["ml_outcomes_excluded_total", "clf", "1", names.LAYOUT_CHANGED] == 2


def test_a_version_that_was_unknown_takes_nothing_back_of_what_it_never_counted(opened: Opener) -> None:
    engine = opened(models=models())
    feed(engine, prediction("r", version="7"), outcome("r", "1"))
    deploy = {"type": "deployment", "ts": 9000.0, "model": "clf", "version": "7", "stage": "canary"}
    feed(engine, deploy)
    feed(engine, outcome("r", "0", correction=True, ts=9500.0))
    cells = net(engine)
    assert all(value >= 0 for value in cells.values())
    assert cells["ml_confusion_total", "clf", "_unknown", "all", "all", "1", "1"] == 1
    assert cells["ml_outcomes_excluded_total", "clf", "7", names.LAYOUT_CHANGED] == 1
