"""Loads ``plumbline.yaml``: every problem at once, each with its line.

Reads the file; returns a ``Catalogue`` or raises ``CatalogueError``. Three layers find problems: the
YAML itself (``source``), the shape of each field (pydantic, worded by ``advice``), and what spans fields
(``checks``). A field of the wrong shape does not hide what spans the others: it is set aside, and the
checks run on the rest.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plumbline.catalogue.advice import MISSING_KEY, UNKNOWN_KEY, Finding, explain
from plumbline.catalogue.checks import ALONE, run_checks
from plumbline.catalogue.model import Catalogue
from plumbline.catalogue.source import Document, Location, at, read_document
from plumbline.errors import CatalogueError, Problem

_ROUNDS = 20
_RECEIVER = {"webhook": "http://localhost/"}
# Stand in for needed top-level keys that are missing or set aside; no finding about them is reported.
_STAND_INS: dict[str, Any] = {
    "version": 1,
    "owners": {"stand-in": {"team": "-", "page": [_RECEIVER], "ticket": [_RECEIVER]}},
    "platform_owner": "stand-in",
    "models": {"stand-in": {"task": "regression", "owner": "stand-in", "features": {"x": {"type": "numeric"}}}},
}

# The same for the needed keys of an entry.
_ENTRIES: dict[str, dict[str, Any]] = {
    "owners": _STAND_INS["owners"]["stand-in"],
    "models": _STAND_INS["models"]["stand-in"],
    "pipelines": {"owner": "stand-in", "stages": ["stand-in"], "cadence": "1d", "freshness": "2d"},
}


def load_catalogue(path: Path) -> Catalogue:
    """Return the catalogue in a file.

    Raises:
        CatalogueError: with every problem found, in line order.
    """
    document = read_document(path)
    problems = list(document.problems)
    catalogue: Catalogue | None
    aside = _Aside()
    try:
        catalogue = Catalogue.model_validate(document.data)
    except ValidationError as error:
        findings = _findings(error)
        problems.extend(_shape_problems(document, findings))
        catalogue, aside = _set_aside(document.data, findings)
    if catalogue is not None:
        for place, message, rule in run_checks(catalogue, _declared(document.data)):
            location = aside.origin(place)
            if not (aside.took(location) if rule in ALONE else aside.covers(location)):
                problems.append(document.problem(location, message, rule))
    if problems or catalogue is None:
        raise CatalogueError(list(dict.fromkeys(problems)))
    return catalogue


def _findings(error: ValidationError) -> list[Finding]:
    details = error.errors(include_url=False)
    # A list whose only item is wrong is also called too short: that is no second mistake.
    inside = {detail["loc"][:i] for detail in details for i in range(len(detail["loc"]))}
    return [explain(d) for d in details if d["type"] != "too_short" or d["loc"] not in inside]


def _shape_problems(document: Document, findings: list[Finding]) -> list[Problem]:
    return [document.problem(location, message, rule) for location, message, rule in findings]


@dataclass(slots=True)
class _Aside:
    """What was set aside, in the document's own places.

    Attributes:
        sections: places whose findings would only follow from what was set aside.
        taken: places of what was set aside.
        items: list -> places of the items taken out of it, ascending.
    """

    sections: list[Location] = field(default_factory=list)
    taken: list[Location] = field(default_factory=list)
    items: dict[Location, list[int]] = field(default_factory=dict)

    def origin(self, location: Location) -> Location:
        """Return where something stands in the document: items taken out count again."""
        result: Location = ()
        for step in location:
            if isinstance(step, int):
                for taken in self.items.get(result, ()):
                    step += taken <= step
            result = (*result, step)
        return result

    def add(self, finding: Finding, origin: Location) -> None:
        """Note what a finding makes us take out, ``origin`` being its place in the document."""
        self.taken.append(origin)
        if isinstance(origin[-1], int):
            places = self.items.get(origin[:-1], [])
            self.items[origin[:-1]] = sorted({*places, origin[-1]})
        unknown, missing = finding[2] == UNKNOWN_KEY, finding[2] == MISSING_KEY
        of_item = len(origin) > 1 and isinstance(origin[-2], int)
        if unknown and not of_item:
            return  # an unknown key of a large section says nothing about the rest
        if missing or len(origin) == 1:
            self.sections.append(origin)
        elif isinstance(origin[-1], int):
            self.sections.append(origin[:-2])  # a list of plain values belongs to the section it is in
        else:
            self.sections.append(origin[:-1])

    def took(self, location: Location) -> bool:
        """Whether a location lies in what was set aside."""
        return any(location[: len(place)] == place for place in self.taken)

    def covers(self, location: Location) -> bool:
        """Whether a location lies in a section of which something was set aside, or is such a list."""
        return location in self.items or any(location[: len(section)] == section for section in self.sections)


def _set_aside(data: Any, findings: list[Finding]) -> tuple[Catalogue | None, _Aside]:
    """Return a catalogue without the fields that are wrong, and what was taken out.

    A section that lacks a needed key is taken out whole; needed keys of the catalogue itself, and those of an
    owner, a model or a pipeline, get a stand-in. None if the file holds no section of keys at all.
    """
    if not isinstance(data, dict):
        return None, _Aside()
    rest = copy.deepcopy(data)
    aside = _Aside()
    for _ in range(_ROUNDS):
        # Items of a list are removed from its end, so that the places of the others stay.
        findings.sort(key=lambda finding: [str(step).zfill(9) for step in finding[0]], reverse=True)
        findings = [finding for finding in findings if not _stood_in(rest, finding, aside)]
        places = [f[0][:-1] if f[2] == MISSING_KEY else f[0] for f in findings]
        for place, finding in zip(places, findings, strict=True):
            if not place:
                key = str(finding[0][0])
                rest[key] = _STAND_INS[key]
                aside.sections.append((key,))
                aside.taken.append((key,))
        findings = [f for f, place in zip(findings, places, strict=True) if place]
        places = [place for place in places if place]
        origins = [aside.origin(place) for place in places]
        gone = dict.fromkeys(places)
        for finding, origin in zip(findings, origins, strict=True):
            aside.add(finding, origin)
        for place in gone:
            _remove(rest, place)
        try:
            return Catalogue.model_validate(rest), aside
        except ValidationError as error:
            findings = _findings(error)
    return None, aside


def _stood_in(rest: dict[str, Any], finding: Finding, aside: _Aside) -> bool:
    """Give a needed key of an owner, a model or a pipeline its stand-in, if it is one that is missing."""
    location, _, rule = finding
    if rule != MISSING_KEY or len(location) != 3:
        return False
    section, name, key = location
    template = _ENTRIES.get(str(section), {})
    entry = at(rest, (section, name))
    if key not in template or not isinstance(entry, dict):
        return False
    entry[key] = copy.deepcopy(template[str(key)])
    aside.sections.append((section, name))
    aside.taken.append(location)
    return True


def _remove(data: Any, location: Location) -> None:
    parent = at(data, location[:-1])
    step = location[-1]
    if isinstance(parent, dict):
        for key in [key for key in parent if key == step or str(key) == str(step)]:
            del parent[key]
    elif isinstance(parent, list) and isinstance(step, int) and step < len(parent):
        del parent[step]


def _declared(data: Any) -> dict[str, frozenset[str]]:
    """Return the names each top-level section declares, those of broken entries included."""
    sections = data if isinstance(data, dict) else {}
    return {
        str(section): frozenset(str(name) for name in entries)
        for section, entries in sections.items()
        if isinstance(entries, dict)
    }
