"""A trace as one list of moments in time order, each in one line of plain words."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.trace.model import Moment, Trace
from plumbline.trace.records import AlertRecord, StageRecord
from plumbline.trace.show import show_count, show_seconds, show_value
from plumbline.units import parse_time

BAD_LEVELS = ("error", "critical", "fatal", "alert", "emergency", "emerg", "warning", "warn")
# What happened at the same millisecond is told in the order of cause and effect.
_ORDER = ("deployment", "pipeline", "prediction", "log", "kpi", "outcome", "alert", "action")


def timeline(trace: Trace) -> list[Moment]:
    """Return the moments of a trace, oldest first; offsets count from its first prediction."""
    moments = list(_moments(trace))
    moments.sort(key=lambda m: (parse_time(m.ts), _ORDER.index(m.kind)))
    if not moments:
        return []
    start = parse_time(trace.predictions[0].ts if trace.predictions else moments[0].ts)
    return [Moment(m.ts, round(parse_time(m.ts) - start, 3), m.kind, m.who, m.text, m.problem) for m in moments]


def _moments(trace: Trace) -> Iterator[Moment]:
    deployed = set()
    for p in trace.predictions:
        who = f"{p.model} {p.version}"
        info = p.version_info
        if info.deployed is not None and (who, info.deployed) not in deployed:
            deployed.add((who, info.deployed))
            commit = "" if info.commit is None else f", commit {info.commit[:12]}"
            yield Moment(info.deployed, 0.0, "deployment", who, f"in {info.stage}{commit}", False)
        text = "failed" if p.status == "error" else f"predicted {show_value(p.prediction)}"
        if p.score is not None:
            text += f", score {show_value(p.score)}"
        if p.latency is not None:
            text += f", in {show_seconds(p.latency)}"
        yield Moment(p.ts, 0.0, "prediction", who, text, p.status == "error")
    # One run may have made several of the batches.
    runs = {(run.pipeline, run.run_id): run for batch in trace.batches for run in batch.runs}
    for run in runs.values():
        for stage in run.stages:
            yield _stage(run.pipeline, stage)
    for outcome in trace.outcomes:
        text = f"{'corrected to' if outcome.correction else 'turned out'} {show_value(outcome.actual)}"
        if not outcome.standing:
            text += ", no longer the truth" if outcome.correction else ", not the truth that stands"
        if outcome.counts_from is not None:
            text += f", counts from {outcome.counts_from}"
        yield Moment(outcome.ts, 0.0, "outcome", "outcome", text, False)
    for kpi in trace.kpis:
        text = f"{kpi.kpi} {show_value(kpi.value)}"
        yield Moment(kpi.ts, 0.0, "kpi", f"{kpi.model} {kpi.version}", text, False)
    for log in trace.logs:
        bad = log.level.lower() in BAD_LEVELS
        yield Moment(log.ts, 0.0, "log", log.who, f"{log.level}: {log.message}", bad)
    for alert in trace.alerts:
        yield from _alert(alert)


def _alert(alert: AlertRecord) -> Iterator[Moment]:
    told = f": {alert.summary}" if alert.summary else ""
    yield Moment(alert.started, 0.0, "alert", alert.alertname, f"{alert.severity or 'alert'} fires{told}", True)
    if alert.resolved is not None:
        yield Moment(alert.resolved, 0.0, "alert", alert.alertname, "resolved", False)
    for action in alert.actions:
        yield Moment(action.ts, 0.0, "action", f"hook {action.hook}", action.text, False)


def _stage(pipeline: str, stage: StageRecord) -> Moment:
    parts = [stage.status]
    if stage.data_batch_id is not None:
        parts.append(f"batch {stage.data_batch_id}")
    if stage.rows:
        parts.append(f"rows: {stage.rows}")
    if stage.failed_checks:
        parts.append(f"failed checks: {stage.failed_checks}")
    elif stage.checks:
        parts.append(f"{show_count(len(stage.checks), 'check')} passed")
    if stage.duration is not None:
        parts.append(f"in {show_seconds(stage.duration)}")
    bad = stage.status == "failed" or bool(stage.failed_checks)
    return Moment(stage.ts, 0.0, "pipeline", f"{pipeline}/{stage.stage}", ", ".join(parts), bad)
