"""What corrections take back, in the rules; and the early view, which no alert may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.comparison_queries import canary_errors
from plumbline_alerting.generate import generate
from support.rulefiles import compare, groups_of

CELL = 'model="bad", version="1", slice="{slice}", value="v", actual="{actual}", predicted="1"'
REPLICAS = ("a", "b")


def quality(window: str, slice_: str) -> tuple[str, str]:
    """A query of the accuracy, and the labels of its result."""
    series = names.R_QUALITY.over(window)
    return f'{series}{{slice="{slice_}", metric="accuracy"}}', (
        f'{{model="bad", version="1", slice="{slice_}", value="v", metric="accuracy"}}'
    )


@pytest.fixture(scope="module")
def history() -> dict[str, str]:
    """Per minute and replica, 8 right and 4 wrong outcomes; in slice "some" one right is found to be wrong
    each minute; in "many" 100 of old are, all at once."""
    made = {}
    for replica in REPLICAS:
        for slice_ in ("none", "some", "many"):
            right, wrong = (CELL.format(slice=slice_, actual=actual) for actual in "10")
            name, instance = names.CONFUSION.name, f'instance="{replica}"'
            back = names.RETRACTED[name].name
            made[f"{name}{{{instance}, {right}}}"] = "1000+2x40"
            added = {"none": "1000+1x40", "some": "1000+1.25x40", "many": "1000+1x12 1113+1x40"}[slice_]
            made[f"{name}{{{instance}, {wrong}}}"] = added
            if slice_ != "none":  # a model without corrections has no such series at all
                taken = {"some": "0+0.25x40", "many": "0x12 100x40"}[slice_]
                made[f"{back}{{{instance}, {right}}}"] = taken
                made[f"{back}{{{instance}, {wrong}}}"] = "0x40"
    return made


def test_what_is_taken_back_is_subtracted_and_a_window_it_makes_absurd_has_no_quality(
    test_catalogue: Catalogue, history: dict[str, str], tmp_path: Path
) -> None:
    none, some, many = (quality("2m", slice_) for slice_ in ("none", "some", "many"))
    n = names.R_QUALITY_SAMPLES.over("2m")
    life = quality("life", "many")
    labels = '{{model="bad", version="1", slice="{}", value="v"}}'
    expected = {
        none[0]: [(none[1], 0.667)],
        some[0]: [(some[1], 0.583)],
        many[0]: [],
        f'{n}{{slice="some"}}': [(labels.format("some"), 48)],  # a correction adds no outcome
        f'{n}{{slice="many"}}': [],
        # Since deployment: 2 x (1000 + 32 - 100) right of all; exact, whatever was taken back.
        life[0]: [(life[1], round((1032 - 100) / (1032 - 100 + 1000 + 16 + 100), 3))],
    }
    compare(test_catalogue, tmp_path, history, expected)


def test_errors_that_corrections_took_back_do_not_open_the_canarys_gate(
    test_catalogue: Catalogue, tmp_path: Path
) -> None:
    series = {}
    for model, back in (("taken", 4), ("kept", None)):  # "kept" wants no corrections and has no such series
        of = f'model="{model}", version="2", loss="wrong", arm="candidate"'
        for replica in REPLICAS:
            instance = f'instance="{replica}"'
            series[f"{names.TRIAL_LOSS.name}{{{instance}, {of}}}"] = "5x40"
            if back is not None:
                series[f"{names.RETRACTED[names.TRIAL_LOSS.name].name}{{{instance}, {of}}}"] = f"{back}x40"
    labels = '{{model="{}", version="2", loss="wrong"}}'
    counted = [(labels.format("kept"), 10), (labels.format("taken"), 2)]
    compare(test_catalogue, tmp_path, series, {canary_errors(): counted})


def test_a_window_whose_sums_of_errors_fall_below_nothing_has_no_quality_and_says_so(
    test_catalogue: Catalogue, tmp_path: Path
) -> None:
    """A correction of one large old error: |e| stays above 0, e^2 does not, and its root would be NaN."""
    cell = 'model="reg", version="1", slice="s", value="v"'
    counted = {
        names.REGRESSION: "0+5x40",
        names.ABSOLUTE_ERROR: "1000+5x40",
        names.SQUARED_ERROR: "9000+5x40",
        names.OVERPREDICTION: "1000+5x40",
        names.UNDERPREDICTION: "0x40",
    }
    back = {names.ABSOLUTE_ERROR: 30, names.SQUARED_ERROR: 900, names.OVERPREDICTION: 30}
    series = {f"{metric.name}{{{cell}}}": values for metric, values in counted.items()}
    series |= {f"{names.RETRACTED[metric.name].name}{{{cell}}}": f"0x12 {taken}x40" for metric, taken in back.items()}
    overdrawn, value = names.R_OVERDRAWN.over("2m"), names.R_QUALITY.over("2m")
    life = f'{names.R_QUALITY.over("life")}{{metric="rmse"}}'
    rmse = round(((9000 + 16 * 5 - 900) / (16 * 5)) ** 0.5, 3)
    expected = {overdrawn: [(f"{{{cell}}}", 1)], value: [], life: [(f'{{{cell}, metric="rmse"}}', rmse)]}
    compare(test_catalogue, tmp_path, series, expected)


def test_no_alert_reads_the_early_view(any_catalogue: Catalogue) -> None:
    early = [m.name for m in names.METRICS.values() if "early" in m.name]
    early += [r.stem for r in names.RECORDED if "early" in r.stem]
    assert len(early) > 5
    reading = []
    for group in groups_of(generate(any_catalogue)):
        for rule in group["rules"]:
            if any(name in rule["expr"] for name in early):
                reading.append(rule.get("alert", rule.get("record")))
    assert reading
    assert all("early" in name for name in reading), reading
