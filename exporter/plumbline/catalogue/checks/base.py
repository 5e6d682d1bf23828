"""What a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from plumbline.catalogue.advice import nearest
from plumbline.catalogue.model import Catalogue
from plumbline.catalogue.source import Location

Found = Iterator[tuple[Location, str]]


@dataclass(frozen=True, slots=True)
class Check:
    """A function and the id under which its findings are reported."""

    rule: str
    function: Callable[[Catalogue], Found]


def check(rule: str) -> Callable[[Callable[[Catalogue], Found]], Check]:
    """Declare a function as a check."""
    return lambda function: Check(rule, function)


def unknown(what: str, name: str, known: Iterable[str], section: str) -> str:
    """Return the message for a reference to a name that is not declared."""
    return f"unknown {what} {name!r}{nearest(name, known)}: declare it under {section}, or correct the name"
