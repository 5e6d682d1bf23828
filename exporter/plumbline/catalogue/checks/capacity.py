"""Checks of the series budget."""

from __future__ import annotations

from plumbline.catalogue.budget import estimate
from plumbline.catalogue.checks.base import Found, check
from plumbline.catalogue.model import Catalogue


@check("catalogue/model-budget")
def model_budget(catalogue: Catalogue) -> Found:
    """Each model stays within its series budget."""
    for budget in estimate(catalogue):
        if budget.series > budget.limit:
            largest = max(budget.parts, key=lambda part: part.series)
            message = (
                f"{budget.model} may make {budget.series} series ({budget.per_version} per version x "
                f"{budget.versions} versions + {budget.unknown}), more than series_budget.per_model = "
                f"{budget.limit}; most are {largest.group} ({largest.series}): declare fewer features or "
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
