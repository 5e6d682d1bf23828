"""The first log lines of a request, a data batch or some pipeline runs, and whether there are more."""

from __future__ import annotations

from plumbline.keys import batch_log_key, request_log_key, run_log_key, trace_log_key
from plumbline.store.base import Reader
from plumbline.trace.decode import events_of, log_record
from plumbline.trace.records import LogRecord, RunRecord

MAX_LOGS = 1000
MAX_RUN_LOGS = 200
MAX_TRACE_IDS = 20


def request_logs(reader: Reader, request_id: str, trace_ids: dict[str, None]) -> tuple[list[LogRecord], bool]:
    """Return the log lines of a request and of its traces; ids of traces found on the way are added."""
    found: dict[int, LogRecord] = {}
    truncated = False
    for event in events_of(reader, request_log_key(request_id), MAX_LOGS + 1):
        record = log_record(event)
        if record.request_id == request_id:
            found[event.seq] = record
            if record.trace_id is not None:
                trace_ids.setdefault(record.trace_id)
    for trace_id in list(trace_ids)[:MAX_TRACE_IDS]:
        for event in events_of(reader, trace_log_key(trace_id), MAX_LOGS + 1):
            record = log_record(event)
            if record.trace_id == trace_id:
                found[event.seq] = record
    truncated = len(found) > MAX_LOGS or len(trace_ids) > MAX_TRACE_IDS
    kept = [found[seq] for seq in sorted(found)[:MAX_LOGS]]
    return sorted(kept, key=lambda log: log.ts), truncated


def batch_logs(reader: Reader, data_batch_id: str) -> list[LogRecord]:
    """Return the log lines that carry a batch's id; one more than ``MAX_LOGS`` if there are more."""
    return [
        log
        for log in map(log_record, events_of(reader, batch_log_key(data_batch_id), MAX_LOGS + 1))
        if log.data_batch_id == data_batch_id
    ]


def run_logs(reader: Reader, runs: list[RunRecord]) -> tuple[list[LogRecord], bool]:
    """Return the first log lines of some pipeline runs, and whether there are more."""
    found: list[LogRecord] = []
    truncated = False
    for run_id in {run.run_id: None for run in runs}:
        events = events_of(reader, run_log_key(run_id), MAX_RUN_LOGS + 1)
        truncated |= len(events) > MAX_RUN_LOGS
        found += [log for log in map(log_record, events[:MAX_RUN_LOGS]) if log.run_id == run_id]
    return found, truncated


def not_among(lines: list[LogRecord], told: list[LogRecord]) -> list[LogRecord]:
    """Return the lines that are not among others: a line may carry a run's id and a request's."""
    known = {(log.ts, log.message, log.run_id) for log in told}
    return [log for log in lines if (log.ts, log.message, log.run_id) not in known]
