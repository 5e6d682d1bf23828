"""Stored events as records. Everything read here was validated when it was stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from plumbline.events.kinds import Kpi, Log, Outcome, PipelineEvent, Prediction
from plumbline.events.lines import stored_json
from plumbline.store.base import Reader, StoredEvent
from plumbline.trace.records import CheckRecord, KpiRecord, LogRecord, StageRecord
from plumbline.units import format_time, parse_time

decode_prediction = msgspec.json.Decoder(Prediction).decode
decode_outcome = msgspec.json.Decoder(Outcome).decode
decode_pipeline = msgspec.json.Decoder(PipelineEvent).decode
_decode_kpi = msgspec.json.Decoder(Kpi).decode
decode_log = msgspec.json.Decoder(Log).decode
_PREDICTION_FIELDS = {*Prediction.__struct_fields__, "type"}
_LOG_FIELDS = {*Log.__struct_fields__, "type"}
# Where the line of a structured logger says which service wrote it; OpenTelemetry's name first.
_SERVICE = ("service.name", "service_name", "service")


def events_of(reader: Reader, key: int, limit: int) -> list[StoredEvent]:
    """Return the first ``limit`` events of a key, oldest stored first."""
    found: list[StoredEvent] = []
    for page in pages_of(reader, key):
        found += page[: limit - len(found)]
        if len(found) >= limit:
            break
    return found


def pages_of(reader: Reader, key: int, after: int = 0, size: int = 1000) -> Iterator[list[StoredEvent]]:
    """Yield all events of a key by parts, oldest stored first."""
    while seqs := reader.find_after(key, after, size):
        stored = reader.read(seqs)
        yield [stored[seq] for seq in seqs if seq in stored]
        after = seqs[-1]


def extra_of(raw: bytes, known: Iterable[str]) -> dict[str, Any]:
    """Return the fields of a stored line that are not among the known ones."""
    whole = stored_json(raw)
    return {name: value for name, value in whole.items() if name not in set(known)}


def prediction_extra(raw: bytes) -> dict[str, Any]:
    """Return a prediction's fields that the contract does not know."""
    return extra_of(raw, _PREDICTION_FIELDS)


def kpi_record(event: StoredEvent) -> KpiRecord:
    """Return a stored KPI event as record."""
    kpi = _decode_kpi(event.raw)
    return KpiRecord(format_time(event.ts), kpi.model, kpi.version, kpi.kpi, kpi.value)


def log_record(event: StoredEvent) -> LogRecord:
    """Return a stored log line as record; fields the contract does not know stand among ``fields``."""
    log = decode_log(event.raw)
    fields = {**extra_of(event.raw, _LOG_FIELDS), **(log.fields or {})}
    service = next((str(fields[name]) for name in _SERVICE if fields.get(name)), None)
    return LogRecord(
        format_time(event.ts),
        log.level,
        log.message,
        service,
        log.logger,
        log.request_id,
        log.trace_id,
        log.run_id,
        log.data_batch_id,
        fields,
    )


def stage_record(event: StoredEvent, decoded: PipelineEvent) -> StageRecord:
    """Return a stored pipeline event as record."""
    data_ts = None if decoded.data_ts is None else format_time(parse_time(decoded.data_ts))
    return StageRecord(
        format_time(event.ts),
        decoded.stage,
        decoded.status,
        decoded.data_batch_id,
        decoded.duration,
        decoded.rows_in,
        decoded.rows_out,
        decoded.rows_rejected,
        data_ts,
        list(decoded.inputs or ()),
        [CheckRecord(check.name, check.passed) for check in decoded.checks or ()],
    )
