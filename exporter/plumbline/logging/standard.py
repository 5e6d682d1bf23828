"""The standard library's logging: a filter that adds the ids, a formatter that writes JSON, a handler that ships.

Reads log records and the ids of here and now; writes lines to a stream and, through a client, ``log`` events.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import IO, TYPE_CHECKING, Any

from plumbline.guard import guarded
from plumbline.ids import ID_NAMES
from plumbline.logging.record import Resource, build, clean, clip, line, present_ids
from plumbline.logging.structured import FIELDS, configure_structlog

if TYPE_CHECKING:
    from plumbline.client import Client

_IDS = "plumbline_ids"
# What every LogRecord has; anything else came by `extra`.
_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
    _IDS,
    FIELDS,
    *ID_NAMES,
    "span_id",
}


class IdFilter(logging.Filter):
    """Adds the ids to every record that passes.

    Text formats read them as ``%(request_id)s`` and so on; ``-`` is one that is not bound. Put it on the
    handler that runs in the thread that logs (on a ``QueueHandler``, not its listener).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the ids, unless an earlier filter has; let everything pass."""
        if not hasattr(record, _IDS):
            ids = present_ids()
            setattr(record, _IDS, ids)
            for name in (*ID_NAMES, "span_id"):
                if not hasattr(record, name):
                    setattr(record, name, ids.get(name, "-"))
        return True


def message_of(record: logging.LogRecord) -> str:
    """Return a record's message; of one that cannot be formatted, what can be said."""
    return guarded(record.getMessage, lambda error: f"{_raw(record)} [cannot be formatted: {type(error).__name__}]")


def _raw(record: logging.LogRecord) -> str:
    return guarded(lambda: str(record.msg), lambda error: "?")


def attributes_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record's ``extra`` and structlog fields, its place in the code, and its exception."""
    made: dict[str, Any] = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
    made.update(getattr(record, FIELDS, {}))
    made["code.file.path"], made["code.line.number"] = record.pathname, record.lineno
    made["code.function.name"], made["thread.name"] = record.funcName, record.threadName
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        made["exception.type"] = kind.__qualname__
        made["exception.message"] = error
        made["exception.stacktrace"] = guarded(
            lambda: clip("".join(traceback.format_exception(kind, error, trace))), lambda e: "<cannot be shown>"
        )
    return made


def ids_of(record: logging.LogRecord) -> dict[str, str]:
    """Return the ids that the filter added, or the present ones; an id given by ``extra`` goes before."""
    found = getattr(record, _IDS, None)
    ids = dict(present_ids() if found is None else found)
    for name in ID_NAMES:
        given = record.__dict__.get(name)
        if isinstance(given, str) and given != "-":
            ids[name] = given
    return ids


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON line in OpenTelemetry's names."""

    def __init__(self, resource: Resource | None = None) -> None:
        super().__init__()
        self._resource = resource or Resource()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without line feed."""
        return line(
            build(
                time=record.created,
                level=record.levelno,
                level_name=record.levelname,
                body=message_of(record),
                logger=record.name,
                ids=ids_of(record),
                attributes=attributes_of(record),
                resource=self._resource.fields(),
            )
        )


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


def configure(
    service: str = "",
    *,
    version: str = "",
    level: int | str = logging.INFO,
    stream: IO[str] | None = None,
    client: Client | None = None,
) -> None:
    """Make every line of the standard library's logging and of structlog JSON with ids.

    Replaces the handlers of the root logger. Uvicorn sets up its own loggers: start it with
    ``log_config=None``, so that its lines come here too.

    Args:
        service: name of the service, in every line.
        version: its version.
        level: from which on lines are written.
        stream: where to; standard error if absent.
        client: also send the lines to the exporter's store.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr if stream is None else stream)]
    resource = Resource(service, version)
    handlers[0].setFormatter(JsonFormatter(resource))
    if client is not None:
        handlers.append(EventHandler(client, resource=resource))
    for handler in handlers:
        handler.addFilter(IdFilter())
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    configure_structlog()
