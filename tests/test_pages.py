"""What every page is promised, whatever its template says."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from jinja2 import UndefinedError

from plumbline.pages import render
from support.pages import EVIL, Elements


def test_what_a_template_prints_is_escaped_and_nothing_in_it_is_invisible() -> None:
    hostile = f"{EVIL}\x1b[2J\u202e\u2028\x00\ud800\n"
    page = render("problem.html.j2", title=hostile, detail=hostile, models=[EVIL])
    found = Elements(page)
    assert found.tags.isdisjoint({"script", "img"})
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert all(c.isprintable() or c == "\n" for c in page)
    assert found.text.count(r"\x1b[2J\u202e\u2028\x00\ud800\n") == 3  # title, heading, text
    assert ("href", f"/requests?model={quote(EVIL, safe='')}") in found.attributes


def test_a_name_that_a_template_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="detail"):
        render("problem.html.j2", title="t", models=[])
