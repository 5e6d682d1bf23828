from pathlib import Path

import pytest

from plumbline.errors import UsageError
from plumbline.evaluate.alerts import AlertRule, choose, read_alerts

PAGE = (("severity", "critical"),)


def test_rules_are_read_with_their_waits(tmp_path: Path):
    path = tmp_path / "r.yml"
    path.write_text(
        "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {record: a, expr: b}\n"
        "  - {alert: A, expr: a > 1, for: 5m, keep_firing_for: 1h, labels: {severity: critical}}\n"
    )
    assert read_alerts([path]) == [AlertRule("A", "a > 1", 300.0, 3600.0, PAGE, 60.0)]


@pytest.mark.parametrize("text", ["[", "groups: 3", "groups:\n- rules:\n  - {alert: A, expr: a, for: soon}"])
def test_a_file_that_is_no_rule_file_is_named(tmp_path: Path, text: str):
    path = tmp_path / "r.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"r\.yml: not a Prometheus rule file"):
        read_alerts([path])


def test_what_a_history_cannot_answer_is_left_out_with_its_reason():
    rules = [
        AlertRule("Good", 'a{x="absent ALERTS"} > 1', labels=PAGE),
        AlertRule("Others", 'ALERTS{alertname="Good"}', labels=PAGE),
        AlertRule("Gone", "absent(a)", labels=PAGE),
        AlertRule("Info", "a", labels=(("severity", "info"),)),
        AlertRule("Odd", "a", labels=(*PAGE, ("x", "{{ $value }}"))),
    ]
    chosen, left = choose(rules, ())
    assert [rule.name for rule in chosen] == ["Good"]
    assert set(left) == {"Others", "Gone", "Info", "Odd"}
    assert [rule.name for rule in choose(rules, {"Gone"})[0]] == ["Gone"]
    with pytest.raises(UsageError, match="no alert Bad"):
        choose(rules, {"Bad"})
    with pytest.raises(UsageError, match="no alert to judge"):
        choose(rules[1:2], ())


def test_labels_of_the_rule_win_and_templates_of_labels_are_filled():
    rule = AlertRule("A", "a", labels=(("severity", "critical"), ("who", "{{ $labels.model }}!")))
    assert rule.labelled({"__name__": "a", "model": "m", "severity": "x"}) == {
        "model": "m",
        "severity": "critical",
        "who": "m!",
    }
