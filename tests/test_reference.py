from __future__ import annotations

import re
from pathlib import Path

import pytest

from plumbline import names
from plumbline.reference import PATH, generate
from support.samples import catalogue

ROOT = Path(__file__).parents[1]
PAGES = [
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "alerting").rglob("*.md"))
]


def links(page: Path) -> set[Path]:
    """Return the files a page links to, those of the web left out."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    found = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    return {(ROOT / page).parent.joinpath(target).resolve() for target in found}


def test_the_committed_reference_is_up_to_date_and_names_every_metric() -> None:
    (file,) = generate(catalogue())
    assert file.path == PATH
    assert (ROOT / PATH).read_text() == file.content
    for name in names.METRICS:
        assert f"| `{name}` |" in file.content


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_link_only_to_files_that_exist(page: Path) -> None:
    for target in links(page):
        assert target.exists(), target


def test_every_page_of_the_docs_is_reached_from_the_readme() -> None:
    reached = set()
    ahead = {ROOT / "README.md"}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead |= {target for target in links(page) if target.suffix == ".md"} - reached
    assert sorted(set((ROOT / "docs").rglob("*.md")) - reached) == []
