"""The catalogue's text: YAML read into plain values, with the line of every key and item.

Reads the file, returns ``Document``: the data, the problems of the YAML itself, and ``line_of`` for any
path that pydantic or a check names. Anchors, aliases and merge keys work; a problem inside an aliased
part has the line where that part is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from plumbline.errors import CatalogueError, Problem

Location = tuple[str | int, ...]

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document with its lines.

    Attributes:
        file: the path as the user gave it.
        data: plain dicts, lists and scalars.
        problems: duplicate keys and the like; the data is usable nevertheless.
        root: the document's node tree, merge keys already resolved.
    """

    file: str
    data: Any
    problems: tuple[Problem, ...]
    root: yaml.Node = field(repr=False)

    def line_of(self, location: Location) -> int:
        """Return the 1-based line of a location; of the nearest enclosing one that is written."""
        node, line = self.root, self.root.start_mark.line + 1
        for step in location:
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line

    def problem(self, location: Location, message: str, rule: str) -> Problem:
        """Return a problem at a location."""
        return Problem(self.file, self.line_of(location), message, rule)


def read_document(path: Path) -> Document:
    """Read and parse the file.

    Raises:
        CatalogueError: with one problem, if nothing can be made of the file.
    """
    file = str(path)
    text = _read_text(path, file)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            message = "the catalogue is empty: start with 'version: 1', owners and models"
            raise _one(file, 1, message, "file/empty")
        problems = tuple(_structure_problems(root, file))
        if any(problem.rule == "yaml/recursive" for problem in problems):
            raise CatalogueError(problems)
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise _one(
            file, line, f"not valid YAML: {error.problem or error.context}{_hint(error)}", "yaml/syntax"
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"character U+{ord(text[error.position]):04X} is not allowed in YAML: remove it"
        raise _one(file, line, message, "yaml/syntax") from error
    except (ValueError, RecursionError) as error:  # a date such as 2024-13-45; nesting without end
        raise _one(file, 1, f"not usable YAML: {error}", "yaml/value") from error
    return Document(file, data, problems, root)


def _read_text(path: Path, file: str) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        message = "no such file: give the catalogue's path, or run where plumbline.yaml is"
        raise _one(file, 0, message, "file/absent") from error
    except IsADirectoryError as error:
        raise _one(file, 0, "is a folder: give the path of the catalogue's file", "file/unreadable") from error
    except OSError as error:
        raise _one(file, 0, f"cannot be read: {error.strerror}", "file/unreadable") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _one(
            file, line, f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8", "file/encoding"
        ) from error


def _one(file: str, line: int, message: str, rule: str) -> CatalogueError:
    return CatalogueError([Problem(file, line, message, rule)])


def _hint(error: yaml.MarkedYAMLError) -> str:
    text = f"{error.problem} {error.context}"
    if "'\\t'" in text:
        return "; indent with spaces, not tabs"
    if "mapping values are not allowed" in text:
        return "; quote a text that contains ': '"
    if "undefined alias" in text:
        return "; the anchor (&name) must stand above its use"
    if "block end" in text or "block mapping" in text:
        return "; check the indentation of this line and the one above"
    return ""


def _structure_problems(root: yaml.Node, file: str) -> list[Problem]:
    """Return duplicate keys and nodes that contain themselves; each node is visited once."""
    problems: list[Problem] = []
    done: set[int] = set()
    open_nodes: set[int] = set()

    def visit(node: yaml.Node) -> None:
        if id(node) in open_nodes:
            line = node.start_mark.line + 1
            problems.append(Problem(file, line, "this part contains itself through an alias", "yaml/recursive"))
            return
        if id(node) in done:
            return
        done.add(id(node))
        open_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            first: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                    identity = (key.tag, key.value)
                    if identity in first:
                        message = f"key {key.value!r} is written twice (first in line {first[identity]}): keep one"
                        problems.append(Problem(file, line, message, "yaml/duplicate-key"))
                    first.setdefault(identity, line)
                visit(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item)
        open_nodes.discard(id(node))

    visit(root)
    return problems


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        # Merged keys stand before the mapping's own; of equal keys the last one counts.
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and _is_key(key, step):
                return value, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item.start_mark.line + 1
    return None


def _is_key(key: yaml.ScalarNode, step: str | int) -> bool:
    if key.tag == "tag:yaml.org,2002:bool" and isinstance(step, int):  # pydantic names the key on: 1
        return (key.value.lower() in ("true", "yes", "on")) == bool(step)
    return bool(key.value == str(step))
