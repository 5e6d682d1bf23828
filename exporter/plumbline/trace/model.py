"""What a trace and a batch look-up return, as JSON (``docs/trace.md``); ``records`` has the pieces.

Times are RFC 3339 in UTC. A list that may be cut off says so beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from plumbline.trace.records import (
    AlertRecord,
    BatchRecord,
    KpiRecord,
    LogRecord,
    OutcomeRecord,
    PredictionRecord,
    RunRecord,
    Value,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline.

    Attributes:
        ts: when.
        offset: seconds from the first prediction (or from the first moment, without one).
        kind: deployment, pipeline, prediction, outcome, kpi, log, alert or action.
        who: the model version, pipeline stage, service, alert or hook.
        text: what happened.
        problem: whether it is something that should not happen: a failure, an error, a failed check.
    """

    ts: str
    offset: float
    kind: str
    who: str
    text: str
    problem: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that is known of a request.

    ``alerts`` fired when it was answered: about its models, or about the pipelines that made its data.
    ``logs`` holds the lines that carry its id or trace, and the warnings of the runs that made its data.
    """

    request_id: str
    trace_ids: list[str]
    predictions: list[PredictionRecord]
    outcomes: list[OutcomeRecord]
    kpis: list[KpiRecord]
    logs: list[LogRecord]
    logs_truncated: bool
    batches: list[BatchRecord]
    batches_truncated: bool
    alerts: list[AlertRecord]
    alerts_truncated: bool
    timeline: list[Moment] = field(default_factory=list)
    schema: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Use:
    """How often a model version used a batch."""

    model: str
    version: str
    predictions: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Downstream:
    """A batch made from another. ``predictions`` used it directly."""

    data_batch_id: str
    depth: int
    pipelines: list[str]
    predictions: int


@dataclass(frozen=True, slots=True)
class Used:
    """A prediction in the list of those that used a batch."""

    ts: str
    request_id: str
    model: str
    version: str
    status: str
    prediction: Value


@dataclass(frozen=True, slots=True)
class UsedPage:
    """A part of that list, oldest stored first.

    Attributes:
        data_batch_id: the batch.
        predictions: the part.
        next: give it as ``after`` for the next part; null at the end.
    """

    data_batch_id: str
    predictions: list[Used]
    next: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that is known of a data batch.

    Attributes:
        data_batch_id: its id.
        runs: pipeline runs that made it.
        inputs: batches that those runs read.
        upstream: batches it was made from, nearest first.
        downstream: batches that were made from it, nearest first.
        lineage_truncated: whether either list was cut off.
        predictions: how many predictions used it directly.
        used_by: the same by model version.
        predictions_downstream: how many used a batch of ``downstream``.
        logs: log lines that carry its id, or a run of ``runs``.
        logs_truncated: whether there are more.
        alerts: about the pipelines of ``runs``, that fired from the first start to six hours after the end.
        alerts_truncated: whether there may be more.
    """

    data_batch_id: str
    runs: list[RunRecord]
    inputs: list[str]
    upstream: list[BatchRecord]
    downstream: list[Downstream]
    lineage_truncated: bool
    predictions: int
    used_by: list[Use]
    predictions_downstream: int
    logs: list[LogRecord]
    logs_truncated: bool
    alerts: list[AlertRecord]
    alerts_truncated: bool
    schema: Literal[1] = 1


def to_json(record: Trace | Batch | UsedPage) -> bytes:
    """Return the documented JSON."""
    return msgspec.json.encode(record)
