"""Lines to events: reads newline-delimited JSON, writes ``Parsed``."""

from __future__ import annotations

import msgspec

from plumbline.events.checks import what_is_wrong
from plumbline.events.identity import identify, links_of
from plumbline.events.kinds import Event, PipelineEvent
from plumbline.events.parsed import Item, Parsed, Rejected, clip
from plumbline.loglines import event_of_line
from plumbline.units import parse_time

MAX_LINE_BYTES = 1_048_576
# Clocks differ by seconds and time zones by hours; beyond a day a time in the future is a mistake.
MAX_AHEAD_SECONDS = 86_400.0
_decode_event = msgspec.json.Decoder(Event).decode


def parse(body: bytes, now: float) -> Parsed:
    """Decode newline-delimited JSON.

    Args:
        body: UTF-8 bytes; lines end in LF or CRLF; blank lines are skipped.
        now: epoch seconds given to events without ``ts``.

    Returns:
        Every line either as an event or as a rejection; nothing raises.
    """
    events: list[Item] = []
    rejected: list[Rejected] = []
    number = 0
    for line in body.split(b"\n"):
        number += 1
        line = line.strip()
        if not line:
            continue
        item = parse_line(line, now)
        if isinstance(item, Item):
            events.append(item)
        else:
            rejected.append(Rejected(number, *item))
    return Parsed(events, rejected, len(events) + len(rejected))


def parse_line(line: bytes, now: float) -> Item | tuple[str, str]:
    """Decode one stripped, non-empty line; return the item, or (reason, detail).

    A log line in OpenTelemetry's field names, which has no ``type``, becomes a ``log`` event.
    """
    if len(line) > MAX_LINE_BYTES:
        return "line_too_long", f"{len(line)} bytes; at most {MAX_LINE_BYTES} are taken"
    try:
        event = _decode_event(line)
        if not line.isascii():
            line.decode()  # unknown fields are stored unread: they must be UTF-8 all the same
    except msgspec.ValidationError as error:
        made = _log_line(line) if "required field `type`" in str(error) else None
        return (_reason(str(error)), clip(str(error))) if made is None else parse_line(made, now)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return "bad_json", clip(str(error))
    try:
        ts = now if event.ts is None else parse_time(event.ts)
        if ts > now + MAX_AHEAD_SECONDS:
            return "bad_timestamp", f"{event.ts!r} is more than a day ahead of this machine's clock"
        # What has been reported has happened: a clock that runs ahead must not make things look fresh after
        # they stopped, outrank what comes later, or mature late.
        ts = min(ts, now)
        if type(event) is PipelineEvent and event.data_ts is not None:
            parse_time(event.data_ts)
    except (ValueError, OverflowError) as error:
        return "bad_timestamp", clip(str(error))
    found = what_is_wrong(event)
    if found is not None:
        return found
    key, identity = identify(event, line)
    links = links_of(event)
    explicit = event.event_id is not None
    if explicit and key != identity:
        links = (*links, identity)
    return Item(event, ts, key, identity, explicit, links, line)


def _log_line(line: bytes) -> bytes | None:
    try:
        return event_of_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _reason(message: str) -> str:
    if "missing required field" in message:
        return "missing_field"
    if message.startswith("Invalid value") and message.endswith("`$.type`"):
        return "unknown_type"
    return "bad_field"
