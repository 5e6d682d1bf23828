"""The rules of the house: a module that nothing but a test uses goes, and imports lead one way."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"plumbline": "exporter", "plumbline_alerting": "alerting", "plumbline_dashboards": "dashboards"}
# What users import; what they start stands in pyproject.toml.
LIBRARY = ("plumbline", "plumbline.client", "plumbline.logging", "plumbline.middleware")
LEAVING: set[str] = set()
ENTRY = re.compile(r"(plumbline\w*(?:\.\w+)+):\w+")  # module:attribute, as the table of commands has it


def modules() -> dict[str, Path]:
    """The packages' modules by the name they are imported under."""
    found = {}
    for source in PACKAGES.values():
        for path in (ROOT / source).rglob("*.py"):
            parts = path.relative_to(ROOT / source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


class Uses(ast.NodeVisitor):
    """Collects what a module takes from others when it runs: what only types a function does not count."""

    def __init__(self) -> None:
        self.imported: dict[str, set[str]] = {}  # name in the module -> modules it may stand for
        self.read: set[str] = set()
        self.entries: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        for part in (*node.decorator_list, *arguments.defaults, *arguments.kw_defaults, *node.body):
            if part is not None:
                self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast asks for

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imported.setdefault(alias.asname or alias.name.partition(".")[0], set()).add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            places = {str(node.module), f"{node.module}.{alias.name}"}
            self.imported.setdefault(alias.asname or alias.name, set()).update(places)

    def visit_Name(self, node: ast.Name) -> None:
        self.read.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and (entry := ENTRY.fullmatch(node.value)):
            self.entries.add(entry[1])


def used_by(name: str) -> Iterator[str]:
    """Modules that a module needs when it runs, the packages they lie in included."""
    uses = Uses()
    uses.visit(ast.parse(MODULES[name].read_text(encoding="utf-8")))
    public = MODULES[name].stem == "__init__"  # it gathers names for others
    wanted = {place for said, places in uses.imported.items() if public or said in uses.read for place in places}
    for place in wanted | uses.entries:
        steps = place.split(".")
        yield from ({".".join(steps[: i + 1]) for i in range(len(steps))} & MODULES.keys())


def started() -> set[str]:
    """Modules that a user starts or imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = [*project["scripts"].values(), *(p for group in project["entry-points"].values() for p in group.values())]
    return {*LIBRARY, *(point.partition(":")[0] for point in points)}


def test_every_module_is_used_by_what_a_user_starts() -> None:
    reached: set[str] = set()
    ahead = started()
    assert ahead <= MODULES.keys()
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead |= set(used_by(name)) - reached
    assert sorted(MODULES.keys() - reached - LEAVING) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_core_knows_neither_the_alerting_nor_the_dashboards_nor_they_each_other(package: str) -> None:
    allowed = {"plumbline", package}
    for name, path in MODULES.items():
        if name.partition(".")[0] != package:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            said = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            said += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for other in said:
                top = other.partition(".")[0]
                assert top in allowed or top not in PACKAGES, f"{path}:{node.lineno}: imports {other}"
