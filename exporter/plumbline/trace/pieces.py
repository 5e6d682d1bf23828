"""Parts that the page of a request and the page of a data batch share; all return HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plumbline.trace.html import batch_link, e, outside_link, table, when
from plumbline.trace.records import AlertRecord, BatchRecord, LogRecord, RunRecord
from plumbline.trace.timeline import action_text


def alerts_of(alerts: Sequence[AlertRecord], truncated: bool) -> Iterable[str]:
    """Yield alerts with their links and what the hooks did."""
    if not alerts and not truncated:
        yield '<p class="dim">None that Alertmanager told of.</p>'
    yield from map(_alert, alerts)
    if truncated:
        yield "<p>There may be more alerts than are shown.</p>"


def _alert(alert: AlertRecord) -> str:
    about = " ".join(one for one in (alert.model, alert.version, alert.pipeline) if one)
    until = "still firing" if alert.resolved is None else f"until {when(alert.resolved)}"
    links = " &middot; ".join(
        outside_link(url, text)
        for url, text in (
            (alert.runbook_url, "runbook"),
            (alert.dashboard_url, "dashboard"),
            (alert.generator_url, "Prometheus"),
            (alert.alertmanager_url, "Alertmanager"),
        )
        if url
    )
    mark = "bad" if alert.severity == "critical" else "warn"
    lines = [
        f'<b class="{mark}">{e(alert.severity or "alert")}</b> <b>{e(alert.alertname)}</b> {e(about)}',
        f"{e(alert.summary)}" if alert.summary else "",
        f'<span class="dim">{e(alert.description, lines=True)}</span>' if alert.description else "",
        f"<b>{e(alert.verdict)}</b>" if alert.verdict else "",
        f'<span class="dim">from {when(alert.started)} {until}</span>',
        *(f"hook {e(action.hook)}: {e(action_text(action))} {when(action.ts)}" for action in alert.actions),
        links,
    ]
    kind = " critical" if alert.severity == "critical" else ""
    return f'<div class="box{kind}">' + "<br>".join(line for line in lines if line) + "</div>"


def run_of(run: RunRecord) -> str:
    """Return a pipeline run with its stages."""
    state = {"failed": "bad", "succeeded": "good"}.get(run.status, "dim")
    rows = []
    for stage in run.stages:
        counts = (("in", stage.rows_in), ("out", stage.rows_out), ("rejected", stage.rows_rejected))
        told = ", ".join(f"{count:,} {name}" for name, count in counts if count is not None)
        failed = [check.name for check in stage.checks if not check.passed]
        checks = (
            f'<span class="bad">failed: {e(", ".join(failed))}</span>'
            if failed
            else (f"{len(stage.checks)} passed" if stage.checks else "")
        )
        status = e(stage.status)
        if stage.status == "failed":
            status = f'<span class="bad">{status}</span>'
        rows.append((when(stage.ts), e(stage.stage), status, told, checks))
    head = f'<p><span class="{state}">{e(run.status)}</span>: {e(run.pipeline)} run <code>{e(run.run_id)}</code></p>'
    return head + table(("time", "stage", "status", "rows", "checks"), rows)


def lineage_of(batch: BatchRecord) -> str:
    """Return a batch of a lineage, with the runs that made it."""
    role = "training data" if batch.role == "training" else "used by the prediction"
    what = role if batch.depth == 0 else f"{batch.depth} step{'s' if batch.depth > 1 else ''} upstream"
    made = "".join(run_of(run) for run in batch.runs) or '<p class="dim">No pipeline run of it is stored.</p>'
    inputs = ", ".join(batch_link(one) for one in batch.inputs)
    source = f"<p>made from {inputs}</p>" if inputs else ""
    return f"<h3>{batch_link(batch.data_batch_id)} <small>{what}</small></h3>{made}{source}"


def log_of(log: LogRecord) -> str:
    """Return a log line."""
    who = log.service or log.logger or "log"
    return f"<p>{when(log.ts)} <b>{e(who)}</b> {e(log.level)}: {e(log.message, lines=True)}</p>"
