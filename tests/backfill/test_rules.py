from pathlib import Path

import pytest

from plumbline.backfill.rules import RangeSeries, RecordingRule, _as_recorded, in_levels, read_rules
from plumbline.errors import UsageError


def test_a_rule_comes_after_everything_it_reads():
    rules = [
        RecordingRule("psi_1d", "sum(share_1d)"),
        RecordingRule("share_1d", "bins_1d / ignoring(bin) n_1d"),
        RecordingRule("n_1d", "sum(bins_1d)"),
        RecordingRule("bins_1d", "increase(raw_total[1d])"),
    ]
    order = [[rule.record for rule in level] for level in in_levels(rules)]
    assert order == [["bins_1d"], ["n_1d"], ["share_1d"], ["psi_1d"]]


def test_several_rules_of_one_name_are_all_done_before_it_is_read():
    rules = [
        RecordingRule("reads", "quality"),
        RecordingRule("quality", "a", (("metric", "mae"),)),
        RecordingRule("quality", "late_input", (("metric", "rmse"),)),
        RecordingRule("late_input", "b"),
    ]
    order = [sorted({rule.record for rule in level}) for level in in_levels(rules)]
    assert order == [["late_input", "quality"], ["quality"], ["reads"]]


def test_a_name_in_a_label_value_is_no_dependency():
    rules = [RecordingRule("a", "x{b=\"c\"} or y{b='a'}"), RecordingRule("c", "z")]
    assert [len(level) for level in in_levels(rules)] == [2]


def test_parts_of_an_or_that_keep_their_names_are_one_recorded_series():
    rule = RecordingRule("chosen", "a_1h or a_1d", (("metric", "mae"),))
    answer = [
        RangeSeries({"__name__": "a_1h", "model": "m"}, [(0.0, "1"), (3600.0, "2"), (10800.0, "4")]),
        RangeSeries({"__name__": "a_1d", "model": "m"}, [(7200.0, "3")]),
        RangeSeries({"__name__": "a_1d", "model": "n"}, [(0.0, "9")]),
    ]
    assert _as_recorded(rule, answer) == {
        'chosen{model="m",metric="mae"}': [(0.0, "1"), (3600.0, "2"), (7200.0, "3"), (10800.0, "4")],
        'chosen{model="n",metric="mae"}': [(0.0, "9")],
    }


def test_rules_that_read_each_other_are_refused_by_name():
    with pytest.raises(UsageError, match=r"circle: a, b"):
        in_levels([RecordingRule("a", "b"), RecordingRule("b", "a")])


def test_recording_rules_are_read_and_alerts_skipped(tmp_path: Path):
    path = tmp_path / "r.yml"
    path.write_text(
        "groups:\n- name: g\n  rules:\n  - record: r\n    expr: up\n    labels: {metric: mae}\n"
        "  - alert: A\n    expr: up == 0\n"
    )
    assert read_rules([path]) == [RecordingRule("r", "up", (("metric", "mae"),))]


@pytest.mark.parametrize("text", ["- a list", "groups: 3", "groups:\n- rules:\n  - record: r\n", ": :"])
def test_a_file_that_holds_no_rules_is_named(tmp_path: Path, text: str):
    path = tmp_path / "r.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"r\.yml: not a Prometheus rule file"):
        read_rules([path])


def test_a_file_of_alerts_only_is_refused(tmp_path: Path):
    path = tmp_path / "r.yml"
    path.write_text("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n")
    with pytest.raises(UsageError, match="no recording rule"):
        read_rules([path])
