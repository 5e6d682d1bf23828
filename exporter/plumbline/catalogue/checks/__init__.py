"""Checks that span fields of the catalogue: one small function each, listed once, here.

A check reads the catalogue and yields findings; its rule id is declared beside it. Add one by writing a
function with ``@check("catalogue/...")``, naming it in ``CHECKS``, and giving it a case in its test.
"""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.catalogue.advice import Finding
from plumbline.catalogue.checks import capacity, hooks, models, objectives, people, pipelines, reach, timing
from plumbline.catalogue.checks.base import Check
from plumbline.catalogue.model import Catalogue

CHECKS: tuple[Check, ...] = (
    people.unknown_owner,
    people.unknown_ticket_hours,
    people.receiver_kinds,
    people.email_needs_smtp,
    people.inline_secret,
    people.bad_url,
    people.bad_target,
    people.time_interval_shape,
    models.unknown_retention,
    models.retention_order,
    models.classes_of_task,
    models.class_names,
    models.category_lists,
    models.slice_values,
    models.intersections_of_slices,
    models.disparities_of_task,
    models.duplicate_kpi,
    models.kpi_objectives,
    objectives.metric_of_task,
    objectives.one_bound,
    objectives.bound_direction,
    objectives.duplicate_objective,
    objectives.severity_order,
    objectives.never_fires,
    objectives.latency_beyond_buckets,
    reach.above_chance,
    reach.samples_reachable,
    reach.traffic_above_noise,
    reach.coverage_below_one,
    reach.maturity_within_retention,
    hooks.hook_alerts,
    hooks.hook_timeout,
    pipelines.unknown_model,
    pipelines.duplicate_stage,
    pipelines.freshness_of_cadence,
    pipelines.row_bounds,
    timing.positive_durations,
    timing.drift_chain,
    timing.known_windows,
    timing.fast_before_slow,
    timing.early_before_maturity,
    timing.scrapes_per_window,
    capacity.model_budget,
    capacity.total_budget,
)


def run_checks(catalogue: Catalogue) -> Iterator[Finding]:
    """Yield what every check finds."""
    for check in CHECKS:
        for location, message in check.function(catalogue):
            yield location, message, check.rule


__all__ = ["CHECKS", "run_checks"]
