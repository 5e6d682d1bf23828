"""Metrics of what sends events: plumbline.Client."""

from __future__ import annotations

from plumbline.names.metric import Family

_CLIENT = Family("Client")

# Plumbline.Client, in the services that use it; the exporter does not expose these.
CLIENT_CREATED = _CLIENT.counter(
    "plumbline_client_created_events_total",
    "Events taken over by the client; equals plumbline_client_events_total + queued + spooled.",
)
CLIENT_EVENTS = _CLIENT.counter(
    "plumbline_client_events_total",
    "Events the client is done with: sent (the exporter has stored them), or the reason they were dropped.",
    ("result",),
)
CLIENT_QUEUED = _CLIENT.gauge("plumbline_client_queued_events", "Events waiting in memory.")
CLIENT_SPOOLED = _CLIENT.gauge("plumbline_client_spooled_events", "Events waiting on disk for the exporter.")
CLIENT_SPOOL_BYTES = _CLIENT.gauge("plumbline_client_spool_bytes", "Size of the client's spool on disk.")
