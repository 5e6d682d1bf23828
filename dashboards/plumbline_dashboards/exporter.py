"""The exporter itself: silence is not health, so the monitoring shows that it is alive."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import queries as q
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import (
    ORANGE,
    RED,
    Column,
    graph,
    grid,
    instant,
    line,
    number,
    query,
    result,
    sized,
    stacked,
)


def exporter(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard."""
    return page(
        "exporter",
        "Exporter and monitoring",
        "Events from the socket to the store, nothing lost on the way; series, collectors, and "
        "the Prometheus "
        "that evaluates the rules.",
        [],
        [
            Row("Now", [alive(), uptime(), stored_per_second(), rejected(), queue_fill(), disk_left()]),
            Row("Events", [events(), rejections(), accounting(), unknown_names()]),
            Row("Time", [ingest(), commit(), queue(), waiting_outcomes()]),
            Row("Store and series", [store(), series(), budget(), collectors()]),
            Row("Rules and notifications", [targets(), rule_time(), notifications()]),
        ],
        catalogue,
    )


def alive() -> stat.Panel:
    """Exporters up."""
    panel = number("Exporters alive", "Exporters that answered the last scrape.", "short", good_from=1)
    return panel.with_target(instant(f"count({names.BUILD_INFO.name}) or vector(0)"))


def uptime() -> stat.Panel:
    """Time since the youngest exporter started."""
    panel = number("Running for", "Time since the youngest exporter started.", "s")
    return panel.with_target(instant(f"time() - max({names.START_TIME.name})"))


def stored_per_second() -> stat.Panel:
    """Ingest rate."""
    panel = number("Events stored", "Events stored per second, of all kinds.", "eps")
    return panel.with_target(instant(q.rate(names.EVENTS, ())))


def rejected() -> stat.Panel:
    """Rejected events in the range."""
    panel = number("Events rejected", "Event lines refused within the time range.", "short", 0.5)
    return panel.decimals(0).with_target(instant(q.increase(names.EVENTS_REJECTED, (), over=q.RANGE)))


def queue_fill() -> stat.Panel:
    """How full the queue is."""
    panel = number("Queue", "Share of the queue that is taken; when full, requests are refused.", "percentunit", 0.8)
    return panel.with_target(instant(f"max({names.QUEUE_EVENTS.name} / {names.QUEUE_CAPACITY.name})"))


def disk_left() -> stat.Panel:
    """Free space."""
    panel = number("Disk left", "Free space on the file system of the store.", "bytes")
    return panel.with_target(instant(f"min({names.STORE_FREE.name})"))


def events() -> timeseries.Panel:
    """Stored by kind."""
    panel = stacked(graph("Events stored", "Per second, by kind.", "eps")).min(0)
    return panel.with_target(query(q.rate(names.EVENTS, ("kind",)), "{{kind}}"))


def rejections() -> timeseries.Panel:
    """Refused lines and requests by reason."""
    panel = graph("Refused", "Event lines and whole requests refused per second, by reason.", "eps").min(0)
    panel = panel.with_target(query(q.rate(names.EVENTS_REJECTED, ("reason",)), "line: {{reason}}", "A"))
    return panel.with_target(query(q.rate(names.REQUESTS_REFUSED, ("reason",)), "request: {{reason}}", "B"))


def accounting() -> timeseries.Panel:
    """Received minus everything accounted for."""
    panel = graph(
        "Lines unaccounted for",
        "Lines received minus stored, duplicates and rejected. Anything but 0 is a defect.",
        "short",
    )
    parts = (names.EVENTS, names.EVENTS_DUPLICATE, names.EVENTS_REJECTED)
    accounted = " - ".join(f"sum({metric.name})" for metric in parts)
    return panel.decimals(0).with_target(query(f"sum({names.LINES.name}) - {accounted}", "unaccounted for"))


def unknown_names() -> timeseries.Panel:
    """Undeclared names and resends."""
    panel = graph(
        "Unknown names and resends", "Names the catalogue lacks, and events seen before; per second.", "eps"
    ).min(0)
    panel = panel.with_target(query(q.rate(names.EVENTS_UNKNOWN, ("what",)), "unknown {{what}}", "A"))
    return panel.with_target(query(q.rate(names.EVENTS_DUPLICATE, ("kind",)), "resent {{kind}}", "B"))


def ingest() -> timeseries.Panel:
    """Time of a request."""
    panel = graph("Ingest time", "From a request's arrival to its answer.", "s").min(0)
    return _quantiles(panel, names.INGEST_DURATION)


def commit() -> timeseries.Panel:
    """Time of a commit."""
    panel = graph("Commit time", "One durable commit of the store.", "s").min(0)
    return _quantiles(panel, names.COMMIT_DURATION)


def queue() -> timeseries.Panel:
    """Queue against its capacity."""
    panel = graph("Queue", "Events that wait for the store; dashed: capacity.", "short").min(0)
    panel = panel.with_target(query(f"sum({names.QUEUE_EVENTS.name})", "waiting", "A"))
    return line(panel.with_target(query(f"sum({names.QUEUE_CAPACITY.name})", "capacity", "B")), "B", RED)


def waiting_outcomes() -> timeseries.Panel:
    """Outcomes in waiting."""
    panel = graph("Outcomes that wait", "For their maturity, or for their prediction.", "short").min(0)
    panel = panel.with_target(query(f"sum({names.PENDING_OUTCOMES.name})", "for maturity", "A"))
    return panel.with_target(query(f"sum({names.ORPHAN_OUTCOMES.name})", "for their prediction", "B"))


def store() -> timeseries.Panel:
    """Size on disk."""
    panel = graph("Store", "Size of the store and free space beside it.", "bytes").min(0)
    panel = panel.with_target(query(f"sum({names.STORE_BYTES.name})", "store", "A"))
    return panel.with_target(query(f"min({names.STORE_FREE.name})", "free", "B"))


def series() -> timeseries.Panel:
    """Series against the budget."""
    panel = graph("Series", "Series exposed per model; dashed: its budget.", "short").min(0)
    panel = panel.with_target(query(q.by("sum", ("model",), names.SERIES.name), "{{model}}", "A"))
    budget = q.by("max", ("model",), names.SERIES_BUDGET.name)
    return line(panel.with_target(query(budget, "budget {{model}}", "B")), "B", ORANGE)


def budget() -> table.Panel:
    """Series per model as numbers."""
    panel = grid(
        "Series budget",
        "Series exposed, allowed, and refused because they would exceed the budget.",
        "short",
        [
            Column("model", "Model"),
            result(q.by("sum", ("model",), names.SERIES.name), "Series", "short"),
            result(q.by("max", ("model",), names.SERIES_BUDGET.name), "Budget", "short"),
            result(q.by("sum", ("model",), names.SERIES_REFUSED.name), "Refused", "short", bad_from=1),
        ],
    )
    return sized(panel, 12, 8)


def collectors() -> table.Panel:
    """Each collector's success and time."""
    panel = grid(
        "Collectors",
        "A collector that fails loses its own series, never the scrape.",
        "short",
        [
            Column("collector", "Collector"),
            result(q.by("min", ("collector",), names.COLLECTOR_SUCCESS.name), "Succeeded", "bool_yes_no"),
            result(q.by("max", ("collector",), names.COLLECTOR_DURATION.name), "Took", "s"),
        ],
    )
    return sized(panel, 12, 8)


def targets() -> table.Panel:
    """Everything that Prometheus scrapes."""
    panel = grid(
        "Scrape targets",
        "Whether each target answered, and how long it took.",
        "short",
        [
            Column("job", "Job"),
            Column("instance", "Instance"),
            result(q.by("max", ("job", "instance"), "up"), "Up", "bool_yes_no"),
            result(q.by("max", ("job", "instance"), "scrape_duration_seconds"), "Took", "s"),
        ],
    )
    return sized(panel, 8, 8)


def rule_time() -> timeseries.Panel:
    """Rule groups against their interval."""
    panel = graph(
        "Time to evaluate the rules",
        "Share of its interval that each rule group takes; above 1 it falls behind.",
        "percentunit",
    )
    took, interval = "prometheus_rule_group_last_duration_seconds", "prometheus_rule_group_interval_seconds"
    return sized(panel.min(0).with_target(query(f"topk(10, {took} / {interval})", "{{rule_group}}")), 8, 8)


def notifications() -> timeseries.Panel:
    """Notifications sent and failed."""
    panel = graph("Notifications", "Sent and failed per second, by integration.", "short").min(0)
    sent = f"rate(alertmanager_notifications_total[{q.RATE}])"
    failed = f"rate(alertmanager_notifications_failed_total[{q.RATE}])"
    panel = panel.with_target(query(f"{q.by('sum', ('integration',), sent)} > 0", "sent {{integration}}", "A"))
    panel = panel.with_target(query(f"{q.by('sum', ('integration',), failed)} > 0", "failed {{integration}}", "B"))
    return sized(panel, 8, 8)


def _quantiles(panel: timeseries.Panel, metric: names.Metric) -> timeseries.Panel:
    for ref, part in (("A", 0.5), ("B", 0.99)):
        panel = panel.with_target(query(q.quantile(part, metric, ()), f"p{part * 100:.0f}", ref))
    return panel
