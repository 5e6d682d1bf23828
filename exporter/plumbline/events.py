"""Events: one JSON object per line, decoded and validated, or rejected with a reason.

Reads the bytes of a request body or file; writes ``Parsed``: the events that may be stored and, line by
line, those that may not. Nothing here knows the catalogue or touches the store, so parsing may run in
any thread.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from plumbline.keys import (
    batch_key,
    batch_log_key,
    hash64,
    input_key,
    made_key,
    model_key,
    request_key,
    request_log_key,
    run_key,
    run_log_key,
    trace_log_key,
)
from plumbline.loglines import MAX_ID_CHARS, MAX_NAME_CHARS, event_of_line
from plumbline.units import parse_time

MAX_LINE_BYTES = 1_048_576
# Clocks differ by seconds and time zones by hours; beyond a day a time in the future is a mistake.
MAX_AHEAD_SECONDS = 86_400.0
MAX_INPUTS = 1000
_TRACE_ID = re.compile(r"[0-9a-f]{32}")

Value = float | int | str | bool | None
ClassOrNumber = float | int | str | bool


class _Event(msgspec.Struct, tag_field="type", kw_only=True, gc=False):
    """What all events share. Unknown fields stay in the stored line and are ignored here."""

    ts: str | float | None = None
    event_id: str | None = None
    trace_id: str | None = None


class Prediction(_Event, tag="prediction", kw_only=True, gc=False):
    """A model answered a request (or failed to: ``status`` error, ``prediction`` may then be absent)."""

    request_id: str
    model: str
    version: str
    features: dict[str, Value]
    prediction: ClassOrNumber | None = None
    score: float | None = None
    scores: dict[str, float] | None = None
    latency: float | None = None
    status: Literal["ok", "error"] = "ok"
    slices: dict[str, Value] | None = None
    data_batch_id: str | None = None


class Outcome(_Event, tag="outcome", kw_only=True, gc=False):
    """The truth about a request became known at ``ts``; a correction replaces an earlier outcome."""

    request_id: str
    actual: ClassOrNumber
    correction: bool = False


class Check(msgspec.Struct, gc=False):
    """The result of one data check."""

    name: str
    passed: bool


class PipelineEvent(_Event, tag="pipeline", kw_only=True, gc=False):
    """A stage of a data pipeline started or ended."""

    pipeline: str
    stage: str
    run_id: str
    status: Literal["started", "succeeded", "failed"]
    data_batch_id: str | None = None
    duration: float | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    rows_rejected: int | None = None
    data_ts: str | float | None = None
    inputs: list[str] | None = None
    checks: list[Check] | None = None


class Deployment(_Event, tag="deployment", kw_only=True, gc=False):
    """A model version entered a stage."""

    model: str
    version: str
    stage: Literal["production", "canary", "shadow", "retired"]
    commit: str | None = None
    training_data: str | None = None
    config: Any = None
    baseline: str | None = None


class Kpi(_Event, tag="kpi", kw_only=True, gc=False):
    """A business outcome in the KPI's own unit; may be negative."""

    model: str
    version: str
    kpi: str
    value: float
    request_id: str | None = None


class Log(_Event, tag="log", kw_only=True, gc=False):
    """A structured log line."""

    level: str
    message: str
    logger: str | None = None
    request_id: str | None = None
    model: str | None = None
    version: str | None = None
    data_batch_id: str | None = None
    run_id: str | None = None
    fields: dict[str, Any] | None = None


class Recomputed(_Event, tag="recomputed", kw_only=True, gc=False):
    """The features of a request as training code makes them, to compare with those that were served.

    Attributes:
        features: the recomputed ones; a feature that is not named is not compared.
        model: compare only predictions of this model; absent = of any.
        version: and only of this version.
    """

    request_id: str
    features: dict[str, Value]
    model: str | None = None
    version: str | None = None


class Alert(_Event, tag="alert", kw_only=True, gc=False):
    """Alertmanager said that an alert fires or has resolved; made of its webhook (``plumbline.alerts``).

    Attributes:
        incident: the alert and when it began: the same from firing to resolved, another when it comes again.
        ends_at: when it resolved; None while it fires.
    """

    incident: str
    status: Literal["firing", "resolved"]
    alertname: str
    severity: str
    fingerprint: str
    starts_at: float
    ends_at: float | None = None
    model: str | None = None
    version: str | None = None
    pipeline: str | None = None
    owner: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    generator_url: str = ""
    alertmanager_url: str = ""
    group_key: str = ""
    receiver: str = ""


class Action(_Event, tag="action", kw_only=True, gc=False):
    """A hook of the catalogue was decided on, is being called, or ended (``plumbline.hooks``).

    Attributes:
        action_id: incident and hook: there is one action of each hook per incident.
        result: one of ``names.HOOK_RESULTS`` once it has ended.
        detail: what the other side said, or why nothing was called.
        payload: what is sent; only with the decision to call.
    """

    action_id: str
    hook: Literal["rollback", "retrain", "freeze"]
    incident: str
    phase: Literal["decided", "calling", "ended"]
    model: str
    version: str | None
    alertname: str
    result: str | None = None
    detail: str = ""
    payload: dict[str, Any] | None = None


Event = Prediction | Outcome | PipelineEvent | Deployment | Kpi | Log | Recomputed
# Made by the exporter, never taken from a sender: POST /v1/events answers unknown_type.
OwnEvent = Alert | Action
KIND_OF: dict[type, str] = {
    Prediction: "prediction",
    Outcome: "outcome",
    PipelineEvent: "pipeline",
    Deployment: "deployment",
    Kpi: "kpi",
    Log: "log",
    Recomputed: "recomputed",
    Alert: "alert",
    Action: "action",
}


class Rejected(msgspec.Struct, frozen=True):
    """A line that is not stored.

    Attributes:
        line: 1-based line of the request body; blank lines count as lines but are not events.
        reason: one of ``names.REJECT_REASONS``.
        detail: what is wrong, for a person.
    """

    line: int
    reason: str
    detail: str


class Item(msgspec.Struct, frozen=True, gc=False):
    """An event that may be stored.

    Attributes:
        event: the decoded event.
        ts: epoch seconds, never after the arrival; the arrival time if the event has none.
        key: 64-bit signed hash that finds the event again: of its request id, or else its identity. Log
            lines, of which one request may have any number, always have their identity.
        identity: hash of what makes two events the same one (see ``docs/adr/0003``).
        explicit: whether the identity is an ``event_id`` of the sender's.
        links: further keys that find the event (``plumbline.keys``): its data batch, run, inputs, ...;
            and its identity, if explicit.
        raw: the line as it came, without surrounding white space.
    """

    event: Event | OwnEvent
    ts: float
    key: int
    identity: int
    explicit: bool
    links: tuple[int, ...]
    raw: bytes


class Parsed(msgspec.Struct, frozen=True):
    """A parsed body: ``lines == len(events) + len(rejected)``.

    ``truncated`` counts alerts that Alertmanager says it left out; no others are ever.
    """

    events: list[Item]
    rejected: list[Rejected]
    lines: int
    truncated: int = 0


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
    wrong = _CHECKS[type(event)](event) or _wrong_common(event)
    if wrong is not None:
        return wrong
    key, identity = _identify(event, line)
    links = _links(event)
    explicit = event.event_id is not None
    if explicit and key != identity:
        links = (*links, identity)
    return Item(event, ts, key, identity, explicit, links, line)


def _log_line(line: bytes) -> bytes | None:
    try:
        return event_of_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _identify(event: Event, line: bytes) -> tuple[int, int]:
    """Return (key, identity). A prediction is the same one if request, model and version are."""
    request_id: str | None = None if type(event) is Log else getattr(event, "request_id", None)
    key = None if request_id is None else request_key(request_id)
    if event.event_id is not None:
        identity = hash64(b"e", type(event).__name__.encode(), event.event_id.encode())
    elif type(event) is Prediction:
        identity = hash64(b"p", event.request_id.encode(), event.model.encode(), event.version.encode())
    elif type(event) is Outcome and not event.correction:
        # The actual belongs to the identity: another answer for the same request is a conflict to be
        # counted, not a resend to be dropped.
        identity = hash64(b"o", event.request_id.encode(), repr(_plain(event.actual)).encode())
    elif type(event) is Recomputed:
        # Once per request and version: recomputing again is a resend, whatever it finds this time.
        of = ((event.model or "").encode(), (event.version or "").encode())
        identity = hash64(b"s", event.request_id.encode(), *of)
    else:
        identity = hash64(b"x", line)
    return (identity if key is None else key), identity


def _links(event: Event) -> tuple[int, ...]:
    if type(event) is Prediction:
        return () if event.data_batch_id is None else (batch_key(event.data_batch_id),)
    if type(event) is PipelineEvent:
        links = [run_key(event.run_id)]
        if event.data_batch_id is not None:
            links.append(made_key(event.data_batch_id))
        return (*links, *(input_key(batch) for batch in dict.fromkeys(event.inputs or ())))
    if type(event) is Deployment:
        return (model_key(event.model),)
    if type(event) is Log:
        carried = (
            (request_log_key, event.request_id),
            (trace_log_key, event.trace_id),
            (batch_log_key, event.data_batch_id),
            (run_log_key, event.run_id),
        )
        return tuple(key(value) for key, value in carried if value is not None)
    return ()


def _plain(value: ClassOrNumber) -> ClassOrNumber:
    return float(value) if isinstance(value, int | float) else value


def _bad_id(field: str, value: str | None) -> tuple[str, str] | None:
    if value is None or (0 < len(value) <= MAX_ID_CHARS and value.isprintable()):
        return None
    if not 0 < len(value) <= MAX_ID_CHARS:
        return "bad_id", f"{field} must have 1 to {MAX_ID_CHARS} characters, not {len(value)}"
    return "bad_id", f"{field} holds control or unprintable characters"


def _bad_name(field: str, value: str | None) -> tuple[str, str] | None:
    if value is None or (0 < len(value) <= MAX_NAME_CHARS and value.isprintable()):
        return None
    return "bad_field", f"{field} must have 1 to {MAX_NAME_CHARS} printable characters"


def _bad_number(field: str, value: object, low: float, high: float) -> tuple[str, str] | None:
    if isinstance(value, int | float) and not low <= value <= high:
        return "bad_field", f"{field} must be from {low:g} to {high:g}"
    return None


# No measured quantity is near it, and its square, summed over any number of events, stays finite: one
# infinite sum would spoil a counter for ever.
_HUGE = 1e100


def _wrong_common(event: Event) -> tuple[str, str] | None:
    if event.trace_id is not None and (
        not _TRACE_ID.fullmatch(event.trace_id) or not event.trace_id.strip("0")
    ):
        return "bad_id", "trace_id must be 32 lower-case hex digits, not all zero"
    return None if event.event_id is None else _bad_id("event_id", event.event_id)


def _wrong_prediction(e: Prediction) -> tuple[str, str] | None:
    if e.prediction is None and e.status == "ok":
        return "missing_field", "Object missing required field `prediction`"
    return (
        _bad_id("request_id", e.request_id)
        or _bad_name("model", e.model)
        or _bad_name("version", e.version)
        or _bad_id("data_batch_id", e.data_batch_id)
        or _bad_number("prediction", e.prediction, -_HUGE, _HUGE)
        or _bad_number("score", e.score, 0, 1)
        or _bad_scores(e.scores)
        or _bad_number("latency", e.latency, 0, 1e6)
    )


def _bad_scores(scores: dict[str, float] | None) -> tuple[str, str] | None:
    for name, p in (scores or {}).items():
        wrong = _bad_number(f"scores[{clip(repr(name), 40)}]", p, 0, 1)
        if wrong is not None:
            return wrong
    return None


def _wrong_outcome(e: Outcome) -> tuple[str, str] | None:
    return _bad_id("request_id", e.request_id) or _bad_number("actual", e.actual, -_HUGE, _HUGE)


def _wrong_pipeline(e: PipelineEvent) -> tuple[str, str] | None:
    if e.inputs is not None:
        if len(e.inputs) > MAX_INPUTS:
            return "bad_field", f"inputs names {len(e.inputs)} batches; at most {MAX_INPUTS} are taken"
        for batch in e.inputs:
            if (wrong := _bad_id("inputs", batch)) is not None:
                return wrong
    return (
        _bad_name("pipeline", e.pipeline)
        or _bad_name("stage", e.stage)
        or _bad_id("run_id", e.run_id)
        or _bad_id("data_batch_id", e.data_batch_id)
        or _bad_number("duration", e.duration, 0, 1e9)
        or _bad_number("rows_in", e.rows_in, 0, 1e15)
        or _bad_number("rows_out", e.rows_out, 0, 1e15)
        or _bad_number("rows_rejected", e.rows_rejected, 0, 1e15)
    )


def _wrong_deployment(e: Deployment) -> tuple[str, str] | None:
    return (
        _bad_name("model", e.model)
        or _bad_name("version", e.version)
        or _bad_name("commit", e.commit)
        or _bad_name("baseline", e.baseline)
    )


def _wrong_kpi(e: Kpi) -> tuple[str, str] | None:
    return (
        _bad_name("model", e.model)
        or _bad_name("version", e.version)
        or _bad_name("kpi", e.kpi)
        or _bad_id("request_id", e.request_id)
        or _bad_number("value", e.value, -_HUGE, _HUGE)
    )


def _wrong_log(e: Log) -> tuple[str, str] | None:
    return (
        _bad_name("model", e.model)
        or _bad_name("version", e.version)
        or _bad_id("request_id", e.request_id)
        or _bad_id("data_batch_id", e.data_batch_id)
        or _bad_id("run_id", e.run_id)
    )


def _wrong_recomputed(e: Recomputed) -> tuple[str, str] | None:
    return (
        _bad_id("request_id", e.request_id) or _bad_name("model", e.model) or _bad_name("version", e.version)
    )


_CHECKS: dict[type, Any] = {
    Prediction: _wrong_prediction,
    Outcome: _wrong_outcome,
    PipelineEvent: _wrong_pipeline,
    Deployment: _wrong_deployment,
    Kpi: _wrong_kpi,
    Log: _wrong_log,
    Recomputed: _wrong_recomputed,
}


def _reason(message: str) -> str:
    if "missing required field" in message:
        return "missing_field"
    if message.startswith("Invalid value") and message.endswith("`$.type`"):
        return "unknown_type"
    return "bad_field"


def clip(text: str, limit: int = 300) -> str:
    """Return the text, cut off at ``limit`` characters: details are for people and must stay short."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
