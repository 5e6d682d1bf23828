"""Checks that span fields of the catalogue: one small function each, found by its decorator.

A check reads the catalogue and yields findings; its rule id is declared beside it. Add one by writing a
function with ``@check("catalogue/...")`` in its subject's module, and giving it a case in its test.
"""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.catalogue.advice import Finding
from plumbline.catalogue.checks import capacity, hooks, models, objectives, people, pipelines, reach, timing
from plumbline.catalogue.checks.base import Check
from plumbline.catalogue.model import Catalogue

_SUBJECTS = (people, models, objectives, reach, hooks, pipelines, timing, capacity)
CHECKS = tuple(one for subject in _SUBJECTS for one in vars(subject).values() if isinstance(one, Check))


def run_checks(catalogue: Catalogue) -> Iterator[Finding]:
    """Yield what every check finds."""
    for check in CHECKS:
        for location, message in check.function(catalogue):
            yield location, message, check.rule


__all__ = ["CHECKS", "run_checks"]
