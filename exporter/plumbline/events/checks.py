"""What is wrong with a decoded event, as (reason, detail); None where nothing is."""

from __future__ import annotations

import re
from typing import Any

from plumbline.events.kinds import Deployment, Event, Kpi, Log, Outcome, PipelineEvent, Prediction, Recomputed
from plumbline.events.parsed import clip
from plumbline.loglines import MAX_ID_CHARS, MAX_NAME_CHARS
from plumbline.names import CONTROLS

MAX_INPUTS = 1000
_CONTROL = re.compile(f"[{CONTROLS}]")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
# No measured quantity is near it, and its square, summed over any number of events, stays finite: one
# infinite sum would spoil a counter for ever.
HUGE = 1e100


def _wrong_common(event: Event) -> tuple[str, str] | None:
    if event.trace_id is not None and (not _TRACE_ID.fullmatch(event.trace_id) or not event.trace_id.strip("0")):
        return "bad_id", "trace_id must be 32 lower-case hex digits, not all zero"
    return None if event.event_id is None else _bad_id("event_id", event.event_id)


def _wrong_prediction(e: Prediction) -> tuple[str, str] | None:
    if e.prediction is None and e.status == "ok":
        return "missing_field", "the field 'prediction' is missing: add it, or status: error for a failed request"
    return (
        _bad_id("request_id", e.request_id)
        or _bad_name("model", e.model)
        or _bad_name("version", e.version)
        or _bad_id("data_batch_id", e.data_batch_id)
        or _bad_number("prediction", e.prediction, -HUGE, HUGE)
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
    return _bad_id("request_id", e.request_id) or _bad_number("actual", e.actual, -HUGE, HUGE)


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
        or _bad_number("value", e.value, -HUGE, HUGE)
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
    return _bad_id("request_id", e.request_id) or _bad_name("model", e.model) or _bad_name("version", e.version)


def _bad_id(field: str, value: str | None) -> tuple[str, str] | None:
    if value is None or (0 < len(value) <= MAX_ID_CHARS and value.isprintable()):
        return None
    if not 0 < len(value) <= MAX_ID_CHARS:
        return "bad_id", f"{field} must have 1 to {MAX_ID_CHARS} characters, not {len(value)}"
    return "bad_id", f"{field} holds control or unprintable characters: send printable ones"


def _bad_name(field: str, value: str | None) -> tuple[str, str] | None:
    if value is None or (0 < len(value) <= MAX_NAME_CHARS and (value.isprintable() or not _CONTROL.search(value))):
        return None
    return "bad_field", f"{field} must have 1 to {MAX_NAME_CHARS} characters, and no control character"


def _bad_number(field: str, value: object, low: float, high: float) -> tuple[str, str] | None:
    if isinstance(value, int | float) and not low <= value <= high:
        return "bad_field", f"{field} is {clip(repr(value), 40)}: it must be from {low:g} to {high:g}"
    return None


_CHECKS: dict[type, Any] = {
    Prediction: _wrong_prediction,
    Outcome: _wrong_outcome,
    PipelineEvent: _wrong_pipeline,
    Deployment: _wrong_deployment,
    Kpi: _wrong_kpi,
    Log: _wrong_log,
    Recomputed: _wrong_recomputed,
}


def what_is_wrong(event: Event) -> tuple[str, str] | None:
    """Return what an event of this kind must not say: a reason of ``names.REJECT_REASONS`` and a detail."""
    found: tuple[str, str] | None = _CHECKS[type(event)](event) or _wrong_common(event)
    return found
