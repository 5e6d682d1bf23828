"""A handler that sends log lines to the exporter's store, where a request's trace shows them."""

from __future__ import annotations

import logging

from plumbline.client import Client
from plumbline.ids import ID_NAMES
from plumbline.logging.record import Resource, clean, clip
from plumbline.logging.standard import attributes_of, ids_of, message_of


class EventHandler(logging.Handler):
    """Makes a ``log`` event of each record; returns at once, as everything of the client does.

    The client's own lines, and what is logged in its threads (urllib3's debug lines), are left out: they
    would make events about events without end.

    Args:
        client: sends the events.
        level: from which on lines are sent.
        resource: what writes the lines; its fields go along, so that a trace names the service.
    """

    def __init__(self, client: Client, level: int = logging.INFO, resource: Resource | None = None) -> None:
        super().__init__(level)
        self._client = client
        self._resource = resource or Resource()

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        if record.name.startswith("plumbline.client") or self._client.owns_this_thread():
            return
        ids = ids_of(record)
        event: dict[str, object] = {
            "type": "log",
            "ts": round(record.created, 6),
            "level": record.levelname,
            "message": clip(message_of(record)),
            "logger": clip(record.name),
            "fields": clean({**attributes_of(record), **self._resource.fields()}),
        }
        event.update((name, ids[name]) for name in ID_NAMES if name in ids)
        if "span_id" in ids:
            event["span_id"] = ids["span_id"]
        self._client.send(event)
