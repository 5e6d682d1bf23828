"""The kinds of events: what a sender may send, and what the exporter adds of its own."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from plumbline.values import probability

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

    def __post_init__(self) -> None:
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            self.score = probability(self.score)
        if self.scores:
            self.scores = {name: probability(p) for name, p in self.scores.items()}


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
