"""Checks of the series budget."""

from __future__ import annotations

from plumbline.catalogue.checks.base import Found, check
from plumbline.catalogue.model import Catalogue
from plumbline.ingest.budget import estimate


@check("catalogue/model-budget")
def model_budget(catalogue: Catalogue) -> Found:
    """Each model stays within its series budget."""
    for budget in estimate(catalogue):
        if budget.series > budget.limit:
            group, largest = max(budget.parts.items(), key=lambda part: part[1])
            message = (
                f"{budget.model} may make {budget.series} series ({budget.per_version} per version x "
                f"{budget.versions} versions + {budget.unknown}), more than series_budget.per_model = "
                f"{budget.limit}; most are {group} ({largest}): declare fewer features or "
                "categories, or raise it"
            )
            yield ("models", budget.model), message


@check("catalogue/total-budget")
def total_budget(catalogue: Catalogue) -> Found:
    """All models together stay within the total."""
    limit = catalogue.series_budget.total
    series = sum(budget.series for budget in estimate(catalogue))
    if series > limit:
        message = f"all models may make {series} series, more than series_budget.total = {limit}"
        yield ("series_budget", "total"), message
