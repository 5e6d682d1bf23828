"""What a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from plumbline.catalogue.advice import nearest
from plumbline.catalogue.model import Catalogue
from plumbline.catalogue.source import Location

Finding = tuple[Location, str, str]
Found = Iterator[tuple[Location, str]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What checks read.

    Attributes:
        catalogue: of valid shape.
        declared: section -> names as written, entries of wrong shape included.
    """

    catalogue: Catalogue
    declared: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def known(self, section: str) -> frozenset[str]:
        """Return the names a section declares."""
        return self.declared.get(section, frozenset()) | frozenset(getattr(self.catalogue, section))


@dataclass(frozen=True, slots=True)
class Check:
    """A function and the id under which its findings are reported.

    Attributes:
        rule: the id.
        function: finds.
        alone: whether a finding follows from the value at its place and from names declared elsewhere, so
            that it holds even where other fields of the same section are wrong.
    """

    rule: str
    function: Callable[[Facts], Found]
    alone: bool = False


def check(rule: str, *, alone: bool = False) -> Callable[[Callable[[Facts], Found]], Check]:
    """Declare a function as a check."""
    return lambda function: Check(rule, function, alone)


def unknown(what: str, name: str, known: Iterable[str], section: str) -> str:
    """Return the message for a reference to a name that is not declared."""
    return f"unknown {what} {name!r}{nearest(name, known)}: declare it under {section}, or correct the name"
