"""structlog: a processor that adds the ids, and the way of its lines into the standard library's handlers."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import structlog

from plumbline.ids import ID_NAMES
from plumbline.logging.record import present_ids

FIELDS = "plumbline_fields"  # the one `extra` under which structlog's fields travel: no name can clash


def add_ids(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: add the bound ids to an event, for those who keep their own chain and renderer."""
    ids = present_ids()
    for name in (*ID_NAMES, "span_id"):
        if name in ids:
            event.setdefault(name, ids[name])
    return event


def to_standard(logger: object, method: str, event: MutableMapping[str, Any]) -> tuple[tuple[object], dict[str, Any]]:
    """Last processor: hand an event to the standard library's logger, its fields in one ``extra``."""
    fields = dict(event)
    body = fields.pop("event", "")
    kept: dict[str, Any] = {
        name: fields.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in fields
    }
    return (body,), {"extra": {FIELDS: fields}, **kept}


def configure_structlog() -> None:
    """Send structlog's lines through the standard library's handlers."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars, to_standard],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
