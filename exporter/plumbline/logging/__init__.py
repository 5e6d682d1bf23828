"""Log lines that can be found again: every one carries the ids of the request it belongs to, as JSON.

``bind(request_id=..., model=...)`` (or the middleware) sets the ids; ``record`` makes one line of a log
record in the field names of OpenTelemetry's log data model (``docs/adr/0008``); ``standard`` puts that
under the standard library's logging and sends the lines to the exporter's store as well; ``structured`` hands
structlog's events over to it. OpenTelemetry's active span gives the trace id where there is one.
"""

from plumbline.ids import bind, bind_ids, clear, current_ids
from plumbline.logging.record import Resource
from plumbline.logging.standard import EventHandler, IdFilter, JsonFormatter, configure
from plumbline.logging.structured import add_ids

__all__ = [
    "EventHandler",
    "IdFilter",
    "JsonFormatter",
    "Resource",
    "add_ids",
    "bind",
    "bind_ids",
    "clear",
    "configure",
    "current_ids",
]
