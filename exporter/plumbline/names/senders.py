"""Metrics of what sends events: plumbline.Client."""

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
