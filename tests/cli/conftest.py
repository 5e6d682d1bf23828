"""A small catalogue, and generators that need no other part of the distribution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline import generated
from plumbline.generated import GeneratedFile

CATALOGUE = """\
version: 1
owners:
  team: {team: T, page: [{webhook: "http://localhost:9/p"}], ticket: [{webhook: "http://localhost:9/t"}]}
platform_owner: team
models:
  churn:
    task: binary
    owner: team
    classes: ["0", "1"]
    positive_class: "1"
    features: {x: {type: numeric}, c: {type: categorical}}
"""
RULES = "groups:\n- name: g\n  rules:\n  - record: a:b:sum\n    expr: sum(up)\n"


class FakeEntry:
    """An entry point that gives the given files."""

    def __init__(self, name: str, files: list[GeneratedFile]) -> None:
        self.name = name
        self._files = files

    def load(self) -> Callable[[object], list[GeneratedFile]]:
        return lambda catalogue: self._files


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "plumbline.yaml"
    path.write_text(CATALOGUE)
    return path


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the installed generators by ones that give these files."""

    def replace(**files: str) -> None:
        made = [GeneratedFile(name.replace("__", "."), content) for name, content in files.items()]
        monkeypatch.setattr(generated, "entry_points", lambda group: [FakeEntry("fake", made)])

    return replace
