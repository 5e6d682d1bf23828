"""Metrics of what sends events: plumbline.Client and a follower."""

from __future__ import annotations

from plumbline.names.metric import Metric

# Plumbline.Client, in the services that use it; the exporter does not expose these.
CLIENT_CREATED = Metric(
    "plumbline_client_created_events_total",
    "counter",
    "Events taken over by the client; equals plumbline_client_events_total + queued + spooled.",
    (),
    "Client",
)
CLIENT_EVENTS = Metric(
    "plumbline_client_events_total",
    "counter",
    "Events the client is done with: sent (the exporter has stored them), or the reason they were dropped.",
    ("result",),
    "Client",
)
CLIENT_QUEUED = Metric("plumbline_client_queued_events", "gauge", "Events waiting in memory.", (), "Client")
CLIENT_SPOOLED = Metric(
    "plumbline_client_spooled_events", "gauge", "Events waiting on disk for the exporter.", (), "Client"
)
CLIENT_SPOOL_BYTES = Metric(
    "plumbline_client_spool_bytes", "gauge", "Size of the client's spool on disk.", (), "Client"
)

# A follower, in the /metrics of `plumbline ingest --follow`.
FOLLOW_LINES = Metric(
    "plumbline_follow_lines_total",
    "counter",
    "Lines of followed files: accepted or rejected by the exporter; unparsable: no event, no JSON log line.",
    ("result",),
    "Follower",
)
FOLLOW_GAPS = Metric(
    "plumbline_follow_gaps_total",
    "counter",
    "Times at which a followed file was cut or rotated out of reach before it was read to its end.",
    (),
    "Follower",
)
FOLLOW_BEHIND = Metric(
    "plumbline_follow_behind_bytes", "gauge", "Bytes of the followed files that were not read yet.", (), "Follower"
)
FOLLOW_LAST = Metric(
    "plumbline_follow_acknowledged_timestamp_seconds",
    "gauge",
    "When the exporter last acknowledged lines; 0 before the first.",
    (),
    "Follower",
)
