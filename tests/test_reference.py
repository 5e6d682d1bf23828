from __future__ import annotations

from pathlib import Path

from plumbline import names
from plumbline.reference import PATH, generate
from samples import catalogue

ROOT = Path(__file__).parents[1]


def test_the_committed_reference_is_up_to_date_and_names_every_metric() -> None:
    (file,) = generate(catalogue())
    assert file.path == PATH
    assert (ROOT / PATH).read_text() == file.content
    for name in names.METRICS:
        assert f"| `{name}` |" in file.content


def test_the_readme_links_only_to_files_that_exist() -> None:
    import re

    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
