"""One event of the caller's to one line: complete, of fixed bytes, and checked by the exporter's rules.

The line is made in the caller's thread, so that what the caller changes afterwards cannot change the
event, and a resend is byte-identical. ``ts`` and, where the event has no natural identity (ADR 0003), an
``event_id`` are set here for the same reason.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from plumbline.events.parse import parse_line
from plumbline.events.parsed import Item
from plumbline.ids import current_ids
from plumbline.tracecontext import active_span
from plumbline.values import identifier

# The bound ids that an event of each kind takes over where the caller gives none.
_TAKES_OVER: dict[str, tuple[str, ...]] = {
    "prediction": ("request_id", "model", "version", "data_batch_id"),
    "outcome": ("request_id",),
    "pipeline": ("run_id", "data_batch_id"),
    "deployment": ("model", "version"),
    "kpi": ("model", "version", "request_id"),
    "log": ("request_id", "model", "version", "data_batch_id", "run_id"),
}


_IDS = ("request_id", "event_id", "version", "data_batch_id", "run_id")  # texts, which a caller may have as numbers


class EventIds:
    """Unique ids at the price of a counter: a random prefix per process, then numbers."""

    def __init__(self) -> None:
        self._prefix = os.urandom(12).hex()
        self._next = itertools.count(1)

    def __call__(self) -> str:
        """Return the next id."""
        return f"{self._prefix}-{next(self._next)}"


class Refused(Exception):
    """The exporter would reject this event. ``reason`` is one of ``names.REJECT_REASONS``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def _foreign(value: object) -> object:
    """Return what msgspec can write of a type it does not know."""
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        nanoseconds = getattr(value, "dtype", None) == "datetime64[ns]"  # of which tolist makes a number
        return (value.astype("datetime64[us]") if nanoseconds else value).tolist()  # type: ignore[attr-defined]
    if type(value).__name__ in ("NAType", "NaTType"):
        return None  # pandas' missing values
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")  # as msgspec writes those it knows
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"a {type(value).__name__} cannot be sent; convert it first")


_encode = msgspec.json.Encoder(enc_hook=_foreign, decimal_format="number").encode


def encode(event: Mapping[str, Any], ids: EventIds) -> bytes:
    """Return the event's line, without line feed.

    NaN and infinities become null, which is a missing value; lone surrogates become U+FFFD.

    Raises:
        Refused: the exporter would reject it.
        Exception: whatever an object in the event raises when it is read.
    """
    made = dict(event)
    kind = made.get("type")
    bound = current_ids()
    for name in _TAKES_OVER.get(kind, ()) if isinstance(kind, str) else ():
        if made.get(name) is None and name in bound:
            made[name] = bound[name]
    for name in _IDS:
        if not isinstance(value := made.get(name), str | None):
            made[name] = identifier(msgspec.to_builtins(value, enc_hook=_foreign))
    if made.get("trace_id") is None:
        span = active_span()
        trace_id = bound.get("trace_id") if span is None else span.trace_id
        if trace_id is not None:
            made["trace_id"] = trace_id
    now = time.time()
    if made.get("ts") is None:
        made["ts"] = round(now, 6)
    natural = kind == "prediction" or (kind == "outcome" and not made.get("correction"))
    if not natural and made.get("event_id") is None:
        made["event_id"] = ids()
    try:
        line = _encode(made)
    except UnicodeEncodeError:
        line = _encode(_without_surrogates(msgspec.to_builtins(made, enc_hook=_foreign, str_keys=True)))
    found = parse_line(line, now)
    if not isinstance(found, Item):
        raise Refused(*found)
    return found.raw


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(v) for v in value]
    return value
