"""The loader: every problem at once, each with its line, in words that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.catalogue.load import load_catalogue
from plumbline.errors import CatalogueError

ROOT = Path(__file__).parents[2]

GOOD = """\
version: 1
owners:
  team-a:
    team: Team A
    page: [{webhook: "http://localhost:9/page"}]
    ticket: [{webhook: "http://localhost:9/ticket"}]
platform_owner: team-a
models:
  churn:
    task: binary
    owner: team-a
    features: &features
      age: {type: numeric}
      plan: {type: categorical, categories: [free, paid]}
    classes: ["0", "1"]
    positive_class: "1"
    objectives:
      - {metric: accuracy, max_drop: 0.05, severity: warning}
      - {metric: accuracy, max_drop: 0.1, severity: critical}
pipelines:
  feed:
    owner: team-a
    stages: [load]
    cadence: 1d
    freshness: 36h
    models: [churn]
"""


def problems_of(tmp_path: Path, text: str | bytes) -> list[str]:
    path = tmp_path / "plumbline.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(path)
    return [str(problem).replace(str(path), "plumbline.yaml") for problem in caught.value.problems]


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_the_repositorys_own_catalogue_has_no_problem():
    assert load_catalogue(ROOT / "plumbline.yaml").models


def test_a_good_catalogue_loads(tmp_path):
    (tmp_path / "c.yaml").write_text(GOOD)
    assert load_catalogue(tmp_path / "c.yaml").models["churn"].features["plan"].categories == ("free", "paid")


def test_anchors_aliases_and_merge_keys_work(tmp_path):
    text = GOOD + "retention:\n  standard: &keep {minimum: 1d, maximum: 2d}\n  long: {<<: *keep, maximum: 9d}\n"
    (tmp_path / "c.yaml").write_text(text)
    retention = load_catalogue(tmp_path / "c.yaml").retention
    assert (retention["long"].minimum, retention["long"].maximum) == ("1d", "9d")


def test_a_problem_in_a_merged_part_has_the_line_where_it_is_written(tmp_path):
    text = GOOD + "retention:\n  standard: &keep {minimum: 1d, maximum: soon}\n  long: {<<: *keep, minimum: 9d}\n"
    found = problems_of(tmp_path, text)
    assert {line.split(":")[1] for line in found} == {"28"}


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path):
    assert problems_of(tmp_path, edited("    classes:", "    clases: []\n    classes:")) == [
        "plumbline.yaml:15: unknown key models.churn.clases (did you mean 'classes'?) (catalogue/unknown-key)"
    ]


def test_a_key_that_is_like_none_comes_with_those_that_are_known(tmp_path):
    (found,) = problems_of(tmp_path, edited("    positive_class:", "    threshold: 0.5\n    positive_class:"))
    assert found.startswith("plumbline.yaml:16: unknown key models.churn.threshold: known keys here are description, ")


def test_a_missing_key_has_the_line_of_its_section(tmp_path):
    assert problems_of(tmp_path, edited("    stages: [load]\n", "")) == [
        "plumbline.yaml:21: pipelines.feed.stages is missing: add it (catalogue/missing-key)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "task: binary",
            "task: binery",
            "models.churn.task is 'binery': write 'binary', 'multiclass' or 'regression' (did you mean 'binary'?)",
        ),
        (
            'classes: ["0", "1"]',
            'classes: ["0", 1]',
            'models.churn.classes[1] is a number to YAML: put it in quotes, "1"',
        ),
        (
            "cadence: 1d",
            "cadence: 1",
            "pipelines.feed.cadence is the number 1: a duration has a unit, such as 1s, 1m or 1d",
        ),
        (
            "cadence: 1d",
            "cadence: 0.25",
            "pipelines.feed.cadence is the number 0.25: a duration has a unit, such as 250ms",
        ),
        (
            "cadence: 1d",
            "cadence: daily",
            "pipelines.feed.cadence is wrong: 'daily' is not a duration: write whole numbers and units, such as 250ms, 1h30m or 7d",
        ),
        (
            "owner: team-a\n    stages",
            "owner: yes\n    stages",
            "pipelines.feed.owner is true to YAML (so are yes, no, on and off): put it in quotes",
        ),
        (
            "  churn:",
            "  _churn:",
            "'_churn' is not a usable name: use 1 to 128 characters, no control character, and none of _ at the beginning",
        ),
        (
            "  team-a:",
            "  team a:",
            "'team a' is not a usable name: use letters, digits and _ . : - , at most 128, beginning with a letter or digit",
        ),
        ("  churn:", "  on:", "a name under models is true to YAML (so are yes, no, on and off): put it in quotes"),
        (
            "stages: [load]",
            "stages: load",
            "pipelines.feed.stages must be a list: put - before each item, or write [a, b]; it is 'load'",
        ),
        ("max_drop: 0.1,", "max_drop: -1,", "models.churn.objectives[1].max_drop is -1: it must be greater than 0"),
        ("stages: [load]", "stages: []", "pipelines.feed.stages is empty: it needs at least one entry"),
        (
            "stages: [load]",
            "stages:",
            "pipelines.feed.stages must be a list: put - before each item, or write [a, b]; it is nothing",
        ),
        ("age: {type: numeric}", "age: numeric", "models.churn.features.age must be a section of keys, not 'numeric'"),
        (
            "{type: numeric}",
            "{type: numeric, importance: high}",
            "models.churn.features.age.importance must be a number, not 'high'",
        ),
    ],
)
def test_pydantics_findings_become_advice(tmp_path, old, new, message):
    found = problems_of(tmp_path, edited(old, new))
    assert any(message in line for line in found), found


def rules_of(problems: list[str]) -> list[str]:
    """Return the rule ids of problems, which must stand in line order."""
    lines = [int(line.split(":")[1]) for line in problems]
    assert lines == sorted(lines)
    return [line.rpartition("(")[2].rstrip(")") for line in problems]


def test_every_problem_of_shape_comes_at_once_with_those_of_the_yaml(tmp_path):
    text = edited("    task: binary\n    owner: team-a\n", "    task: binery\n    colour: blue\n")
    text = text.replace("    cadence: 1d\n", "    cadence: 1d\n    cadence: daily\n")
    text = text.replace(
        "- {metric: accuracy, max_drop: 0.05, severity: warning}", "- {metric: accuracy, max_drop: 0.05}"
    )
    found = problems_of(tmp_path, text.replace("max_drop: 0.1,", "max_drop: -1,"))
    assert rules_of(found) == [
        "catalogue/missing-key",
        "catalogue/bad-value",
        "catalogue/unknown-key",
        "catalogue/missing-key",
        "catalogue/bad-value",
        "catalogue/bad-value",
        "yaml/duplicate-key",
    ]
    assert "models.churn.owner is missing" in found[0]
    assert "models.churn.objectives[0].severity is missing" in found[3]
    assert "models.churn.objectives[1].max_drop" in found[4]


def test_every_problem_between_fields_comes_at_once_with_those_of_the_yaml(tmp_path):
    text = edited("platform_owner: team-a", "platform_owner: nobody").replace("metric: accuracy", "metric: acuracy", 1)
    text = text.replace("    cadence: 1d\n", "    cadence: 1d\n    cadence: 2d\n")
    found = problems_of(tmp_path, text.replace("models: [churn]", "models: [chrun]"))
    assert rules_of(found) == [
        "catalogue/unknown-owner",
        "catalogue/metric",
        "yaml/duplicate-key",
        "catalogue/freshness",
        "catalogue/unknown-model",
    ]


def test_what_spans_fields_is_not_judged_while_a_field_has_no_shape(tmp_path):
    text = GOOD + "evaluation:\n  drift: [1h, 6hours]\n  drift_alert: 6h\n"
    assert rules_of(problems_of(tmp_path, text.replace("platform_owner: team-a", "platform_owner: nobody"))) == [
        "catalogue/bad-value"
    ]


def test_a_duplicate_key_names_both_lines(tmp_path):
    assert problems_of(tmp_path, GOOD + "platform_owner: team-a\n") == [
        "plumbline.yaml:27: key 'platform_owner' is written twice (first in line 7): keep one (yaml/duplicate-key)"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: the catalogue is empty: start with 'version: 1', owners and models (file/empty)"),
        ("# only a comment\n", "1: the catalogue is empty: start with 'version: 1', owners and models (file/empty)"),
        ("version: 1\nowners: [a\n", "3: not valid YAML: expected ',' or ']', but got '<stream end>' (yaml/syntax)"),
        (
            "version: 1\nowners:\n\ta: 1\n",
            "3: not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs (yaml/syntax)",
        ),
        (
            "a: *b\n",
            "1: not valid YAML: found undefined alias 'b'; the anchor (&name) must stand above its use (yaml/syntax)",
        ),
        ("a: 1\n---\nb: 2\n", "2: not valid YAML: but found another document (yaml/syntax)"),
        ("a: &x [*x]\n", "1: this part contains itself through an alias (yaml/recursive)"),
        ("a: 1\nb: \x07\n", "2: character U+0007 is not allowed in YAML: remove it (yaml/syntax)"),
        (b"a: 1\nb: \xff\n", "2: byte 0xff is not UTF-8: save the file as UTF-8 (file/encoding)"),
        (
            "a: !!python/object:os.system {}\n",
            "1: not valid YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system' (yaml/syntax)",
        ),
        ("d: 2024-13-45\n", "1: not usable YAML: month must be in 1..12 (yaml/value)"),
        ("just text\n", "1: the catalogue must be a section of keys, not 'just text' (catalogue/bad-value)"),
    ],
)
def test_a_file_that_is_no_yaml_gives_one_problem_with_its_line(tmp_path, text, expected):
    found = problems_of(tmp_path, text)
    assert found == ["plumbline.yaml:" + expected]


def test_an_absent_file_says_what_to_do(tmp_path):
    with pytest.raises(CatalogueError, match="no such file: give the catalogue's path"):
        load_catalogue(tmp_path / "none.yaml")


def test_a_folder_is_no_catalogue(tmp_path):
    with pytest.raises(CatalogueError, match="is a folder"):
        load_catalogue(tmp_path)
