"""Panels: what became of the outcomes, and the early view."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from plumbline import names
from plumbline_dashboards import queries as q
from plumbline_dashboards.panels import GREY, ORANGE, graph, line, query, sized, stacked


def outcome_states() -> timeseries.Panel:
    """Where the outcomes go."""
    panel = graph(
        "Outcomes by state",
        "Outcomes within the window: matched in time, late (after maturity), orphan (no "
        "prediction), duplicate, corrected.",
        "short",
    )
    return stacked(panel).with_target(query(q.increase(names.OUTCOMES, ("state",), q.VERSION), "{{state}}"))


def coverage_over_time() -> timeseries.Panel:
    """Coverage with its minimum."""
    panel = graph(
        "Coverage",
        "Mature predictions with a known outcome; dashed: below this, quality does not alert.",
        "percentunit",
    )
    panel = panel.min(0).max(1).with_target(query(q.pick(names.R_COVERAGE, q.VERSION), "{{version}}"))
    panel = panel.with_target(query(q.objective(names.OBJECTIVE_COVERAGE, q.VERSION), "minimum", "B"))
    return line(panel, "B", ORANGE)


def outcome_delay() -> timeseries.Panel:
    """How long outcomes take."""
    panel = graph("Outcome delay", "Time from prediction to known outcome, interpolated within buckets.", "s")
    for ref, part in (("A", 0.5), ("B", 0.9), ("C", 0.99)):
        expr = q.quantile(part, names.OUTCOME_DELAY, q.MV, q.VERSION, q.WINDOW)
        panel = panel.with_target(query(expr, f"p{part * 100:.0f}", ref))
    return panel


def outcomes_over_time() -> timeseries.Panel:
    """The n over time, with the n below which quality does not alert."""
    panel = graph(
        "Outcomes (n)", "Mature outcomes within the window; dashed: below this, quality does not alert.", "short"
    )
    panel = panel.min(0).with_target(query(q.samples(), "{{version}}"))
    panel = panel.with_target(query(q.objective(names.OBJECTIVE_SAMPLES, q.VERSION), "minimum", "B"))
    return line(panel, "B", ORANGE)


def early_view() -> list[timeseries.Panel]:
    """Quality over the outcomes known soon, beside the mature one, and how few these are."""
    value = graph(
        "Early $metric (flatters)",
        "Over the outcomes known within the model's early horizon only, as they arrive. What is known soon "
        "is often the easy part: compare it with its own past, never with an objective. Dashed: mature.",
        "short",
    )
    value = value.repeat("metric").repeat_direction("h").max_per_row(3)
    value = value.no_value("No early view of this metric: accuracy, MAE, RMSE and bias only")
    value = value.with_target(query(q.early_quality("$metric"), "early {{version}}", "A"))
    value = value.with_target(query(q.quality(metric="$metric"), "mature {{version}}", "B"))
    share = graph(
        "Early outcomes / predictions",
        "How little the early view rests on: the share of predictions whose outcome was known this soon.",
        "percentunit",
    )
    share = share.min(0).with_target(query(q.pick(names.R_EARLY_SHARE, q.VERSION), "{{version}}"))
    return [sized(line(value, "B", GREY), 24, 8), sized(share, 12, 8)]


def outcomes_left_out() -> timeseries.Panel:
    """Outcomes that are known but cannot be compared."""
    panel = graph(
        "Outcomes left out",
        "Known outcomes that quality leaves out, within the window: a class that is not declared, no number, "
        "or a number so extreme that it would swallow the others' errors.",
        "short",
    )
    return panel.min(0).with_target(query(q.increase(names.EXCLUDED, ("reason",), q.VERSION), "{{reason}}"))
