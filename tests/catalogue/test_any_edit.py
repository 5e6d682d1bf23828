"""Whatever a person writes, the loader answers with a catalogue or with problems that have lines."""
# ruff: noqa: PT017 - an edit may also be harmless, so the error is not certain

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.errors import CatalogueError
from support.search import examples

ROOT = Path(__file__).parents[2]
DATA = yaml.safe_load((ROOT / "plumbline.yaml").read_text(encoding="utf-8"))

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.dates(),
        st.text(max_size=8),
        st.sampled_from(["0", "1h", "http://[", "http://h:x/", "a@b", "08:00", "monday", "🙂", "${x}", "1" * 400]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place in nested dicts and lists."""
    found = [at] if at else []
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, inner in steps:
        found += places(inner, (*at, step))
    return found


def edited(data: Any, place: tuple[Any, ...], action: str, value: Any) -> Any:
    result = copy.deepcopy(data)
    parent = result
    for step in place[:-1]:
        parent = parent[step]
    if action == "delete":
        del parent[place[-1]]
    elif action == "rename" and isinstance(parent, dict):
        parent[str(value)] = parent.pop(place[-1])
    else:
        parent[place[-1]] = value
    return result


@settings(max_examples=examples(150))
@given(
    st.lists(
        st.tuples(st.sampled_from(places(DATA)), st.sampled_from(["delete", "rename", "replace"]), values),
        min_size=1,
        max_size=3,
    )
)
def test_any_edit_gives_a_catalogue_or_problems_with_lines(tmp_path_factory, edits):
    data = DATA
    for place, action, value in edits:
        try:
            data = edited(data, place, action, value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier edit took this place away
    path = tmp_path_factory.mktemp("edit") / "plumbline.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    lines = path.read_text(encoding="utf-8").count("\n") + 1
    try:
        assert isinstance(load_catalogue(path), Catalogue)
    except CatalogueError as error:
        assert error.problems
        assert all(1 <= problem.line <= lines for problem in error.problems)
        assert all("/" in problem.rule and problem.message for problem in error.problems)
