"""Small pieces of PromQL that several rules share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plumbline import names

MV = ", ".join(names.MV)
FEATURE = f"{MV}, feature"
BIN = f"{FEATURE}, bin"
SLICE = f"{MV}, slice, value"
WHOLE = f'slice="{names.ALL}", value="{names.ALL}"'


# Stands in a text for a matcher that is filled in later: no name can hold it.
LATER = "\0"


def one_of(values: Iterable[str]) -> str:
    """Return a regular expression that matches exactly these values."""
    escaped = {c: f"[{c}]" for c in ".+*?$(){}|"} | {c: f"\\{c}" for c in "^[]\\"}
    return "|".join("".join(escaped.get(c, c) for c in v) for v in sorted(set(values)))


def matching(label: str, values: Iterable[str]) -> str:
    """Return the matcher of a label that is one of some values."""
    return f"{label}=~{quoted(one_of(values))}"


def quoted(value: str) -> str:
    """Return a PromQL string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def largest(by: str, *parts: str) -> str:
    """Return the element-wise largest of vectors that carry the same labels; a missing part is skipped."""
    tagged = [f'label_replace({part}, "part", "{i}", "", "")' for i, part in enumerate(parts)]
    return f"max by ({by}) (\n  " + "\n  or\n  ".join(tagged) + "\n)"


def union(parts: Sequence[str]) -> str:
    """Return the union of vectors whose labels differ.

    As a balanced tree: every ``or`` looks at all of its left side, so a chain of k would cost k squared.
    """
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({union(parts[:middle])}\nor\n{union(parts[middle:])})"
