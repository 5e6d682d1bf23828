"""Loads ``plumbline.yaml``: every problem at once, each with its line.

Reads the file; returns a ``Catalogue`` or raises ``CatalogueError``. Three layers find problems: the YAML
itself (``source``), the shape of each field (pydantic, worded by ``advice``), and, once every field has its
shape, what spans fields (``checks``).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from plumbline.catalogue.advice import Finding, explain
from plumbline.catalogue.checks import run_checks
from plumbline.catalogue.model import Catalogue
from plumbline.catalogue.source import read_document
from plumbline.errors import CatalogueError


def load_catalogue(path: Path) -> Catalogue:
    """Return the catalogue in a file.

    Raises:
        CatalogueError: with every problem of shape, or else with every problem between fields, in line order.
    """
    document = read_document(path)
    try:
        catalogue = Catalogue.model_validate(document.data)
    except ValidationError as error:
        findings = _shape_findings(error)
    else:
        findings = list(run_checks(catalogue))
    problems = [*document.problems, *(document.problem(*finding) for finding in findings)]
    if problems:
        raise CatalogueError(list(dict.fromkeys(problems)))
    return catalogue


def _shape_findings(error: ValidationError) -> list[Finding]:
    details = error.errors(include_url=False)
    # A list whose only item is wrong is also called too short: that is no second mistake.
    inside = {detail["loc"][:i] for detail in details for i in range(len(detail["loc"]))}
    return [explain(d) for d in details if d["type"] != "too_short" or d["loc"] not in inside]
