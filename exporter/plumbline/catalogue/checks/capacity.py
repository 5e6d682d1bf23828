"""Checks of the series budget."""

from __future__ import annotations

from plumbline.catalogue.checks.base import Facts, Found, check
from plumbline.ingest.budget import estimate


@check("catalogue/model-budget")
def model_budget(facts: Facts) -> Found:
    """Each model stays within its series budget."""
    for budget in estimate(facts.catalogue):
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
def total_budget(facts: Facts) -> Found:
    """All models together stay within the total."""
    limit = facts.catalogue.series_budget.total
    series = sum(budget.series for budget in estimate(facts.catalogue))
    if series > limit:
        message = f"all models may make {series} series, more than series_budget.total = {limit}"
        yield ("series_budget", "total"), message
