"""The pieces of a trace and of a batch look-up: one event, alert, pipeline run or data batch each.

The field names are those of the JSON (``docs/trace.md``). Times are RFC 3339 in UTC. A field that is not
known is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from plumbline.sampling import Sampling

Value = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A model version as it was when it predicted.

    Attributes:
        stage: production, canary, shadow or retired; null if no deployment was told by then.
        deployed: when it entered that stage.
        commit: of the code that trained it.
        training_data: digest or data batch id of the table it was trained on.
        config: of the training.
        baseline: sha256 of its baseline.
        reference_data: digest of the baseline's reference table; the same as ``training_data`` where the
            baseline was built from the very table that the model was trained on.
        training_source: file name of the baseline's reference table.
        training_rows: its rows.
        training_start: time of its first row.
        training_end: time of its last row.
        baseline_quality: what the baseline's held-out rows say of the version, by metric.
    """

    stage: str | None = None
    deployed: str | None = None
    commit: str | None = None
    training_data: str | None = None
    config: Any = None
    baseline: str | None = None
    reference_data: str | None = None
    training_source: str | None = None
    training_rows: int | None = None
    training_start: str | None = None
    training_end: str | None = None
    baseline_quality: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """Where a feature's value lies among the baseline's rows.

    Attributes:
        bin: the baseline's bin that it falls into.
        share: of the baseline's rows in that bin.
        note: what is odd: missing, not a number, never seen, below the smallest, above the largest; or null.
    """

    bin: str
    share: float
    note: str | None


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """A stored prediction. ``extra`` holds fields that the contract does not know.

    ``sampling`` says which share of the model's requests keeps its features, and whether this one does; null
    where all do.

    ``against_baseline`` says of each feature of the version's baseline where the value lies in it; null
    without a baseline.
    """

    ts: str
    request_id: str
    model: str
    version: str
    status: str
    prediction: Value
    score: float | None
    scores: dict[str, float] | None
    features: dict[str, Value]
    slices: dict[str, Value] | None
    latency: float | None
    data_batch_id: str | None
    trace_id: str | None
    extra: dict[str, Any]
    version_info: VersionInfo
    against_baseline: dict[str, FeatureRecord] | None = None
    sampling: Sampling | None = None

    @property
    def odd(self) -> dict[str, str]:
        """What is odd about each feature of which something is."""
        return {name: place.note for name, place in (self.against_baseline or {}).items() if place.note}


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """A stored outcome.

    Attributes:
        ts: when it became known.
        actual: the truth.
        correction: whether it replaces an earlier outcome.
        standing: whether it is the truth by now: the newest correction, or else the first outcome.
        delay: seconds from the prediction; null without one.
        counts_from: when it will enter the quality counters; null if it has, or never will.
    """

    ts: str
    actual: Value
    correction: bool
    standing: bool
    delay: float | None
    counts_from: str | None


@dataclass(frozen=True, slots=True)
class KpiRecord:
    """A business event of the request."""

    ts: str
    model: str
    version: str
    kpi: str
    value: float


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log line. ``service`` is the service that wrote it, as far as the line says."""

    ts: str
    level: str
    message: str
    service: str | None
    logger: str | None
    request_id: str | None
    trace_id: str | None
    run_id: str | None
    data_batch_id: str | None
    fields: dict[str, Any]

    @property
    def who(self) -> str:
        """Who wrote it, as far as the line says."""
        return self.service or self.logger or "log"


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """A step of a hook: it was decided on, is being called, or ended. ``result`` says how."""

    ts: str
    hook: str
    phase: str
    result: str | None
    detail: str

    @property
    def text(self) -> str:
        """The step in plain words."""
        what = self.phase if self.result is None else self.result.replace("_", " ")
        return f"{what}: {self.detail}" if self.detail else what


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert that Alertmanager told of, in the words of its first notification.

    Attributes:
        alertname: its name.
        severity: critical, warning or info.
        incident: the alert and when it began.
        started: when it began to fire.
        resolved: when it ended; null while it fires.
        model: it is about; null if about none. So are ``version``, ``pipeline`` and ``owner``.
        summary: one sentence.
        description: with the numbers.
        verdict: roll back or not; null if the page did not say.
        runbook_url: what to do about it. Null if the page did not say; so are the next ones.
        dashboard_url: where its numbers are drawn.
        generator_url: its expression in Prometheus.
        alertmanager_url: the Alertmanager that sent it.
        labels: all of them.
        actions: what the hooks did, oldest first.
    """

    alertname: str
    severity: str
    incident: str
    started: str
    resolved: str | None
    model: str | None
    version: str | None
    pipeline: str | None
    owner: str | None
    summary: str
    description: str
    verdict: str | None
    runbook_url: str | None
    dashboard_url: str | None
    generator_url: str | None
    alertmanager_url: str | None
    labels: dict[str, str]
    actions: list[ActionRecord]

    @property
    def about(self) -> str:
        """The model, version and pipeline that it is about."""
        return " ".join(one for one in (self.model, self.version, self.pipeline) if one)


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """The result of one data check."""

    name: str
    passed: bool


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One event of a pipeline run."""

    ts: str
    stage: str
    status: str
    data_batch_id: str | None
    duration: float | None
    rows_in: int | None
    rows_out: int | None
    rows_rejected: int | None
    data_ts: str | None
    inputs: list[str]
    checks: list[CheckRecord]

    @property
    def rows(self) -> str:
        """How many rows went in, came out and were rejected, as far as the event says."""
        counts = (("in", self.rows_in), ("out", self.rows_out), ("rejected", self.rows_rejected))
        return ", ".join(f"{count:,} {name}" for name, count in counts if count is not None)

    @property
    def failed_checks(self) -> str:
        """Names of the data checks that did not pass."""
        return ", ".join(check.name for check in self.checks if not check.passed)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A pipeline run: its events in time order."""

    pipeline: str
    run_id: str
    status: str
    started: str
    ended: str | None
    stages: list[StageRecord]


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A data batch, the runs that made it and what they read.

    Attributes:
        data_batch_id: its id.
        role: ``data`` if a prediction used it or something made of it, ``training`` if a model was
            trained on it or on something made of it.
        depth: 0 for the batch that was named, 1 for its inputs, and so on.
        runs: empty if no pipeline event told of it.
        inputs: batches that those runs read.
    """

    data_batch_id: str
    role: Literal["data", "training"]
    depth: int
    runs: list[RunRecord]
    inputs: list[str]
