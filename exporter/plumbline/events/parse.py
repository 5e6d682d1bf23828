"""Lines to events: reads newline-delimited JSON, or what ``lines`` makes lines of; writes ``Parsed``."""

from __future__ import annotations

import msgspec

from plumbline.events.checks import what_is_wrong
from plumbline.events.explain import described, explain
from plumbline.events.identity import identify, links_of
from plumbline.events.kinds import Event, PipelineEvent
from plumbline.events.lines import MAX_LINE_BYTES, event_lines, mended
from plumbline.events.parsed import Item, Parsed, Rejected, clip
from plumbline.loglines import event_of_line
from plumbline.units import parse_time

# Clocks differ by seconds and time zones by hours; beyond a day a time in the future is a mistake.
MAX_AHEAD_SECONDS = 86_400.0
_decode_event = msgspec.json.Decoder(Event).decode


def parse(body: bytes, now: float, most: float = float("inf")) -> Parsed:
    """Decode newline-delimited JSON, or an array, or objects over several lines.

    Args:
        body: UTF-8 bytes; lines end in LF or CRLF; blank lines are skipped.
        now: epoch seconds given to events without ``ts``.
        most: events that are taken.

    Returns:
        Every line (value of an array) either as an event or as a rejection, by the line on which it begins.

    Raises:
        TooMany: there are more than ``most``.
    """
    events: list[Item] = []
    rejected: list[Rejected] = []
    for number, line in event_lines(body, most):
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (better := mended(line)) != line:
            again = parse_line(better, now)
            if isinstance(again, Item):
                return again
            return again[0], again[1] + " (NaN and infinities are taken as null)" * (" is null" in again[1])
        made = _log_line(line) if "required field `type`" in str(error) else None
        return explain(line, error) if made is None else parse_line(made, now)
    field = "ts"
    try:
        ts = now if event.ts is None else parse_time(event.ts)
        if ts > now + MAX_AHEAD_SECONDS:
            return "bad_timestamp", f"ts: {event.ts!r} is more than a day ahead of this machine's clock"
        # What has been reported has happened: a clock that runs ahead must not make things look fresh after
        # they stopped, outrank what comes later, or mature late.
        ts = min(ts, now)
        if type(event) is PipelineEvent and event.data_ts is not None:
            field = "data_ts"
            parse_time(event.data_ts)
    except (ValueError, OverflowError) as error:
        told = event.data_ts if field == "data_ts" and type(event) is PipelineEvent else event.ts
        # The reason goes to the log: a text that is not a time may be of a person.
        return "bad_timestamp", f"{field}: {clip(str(error).replace(repr(told), described(told)))}"
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
