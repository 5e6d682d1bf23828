"""Traces and batches on a terminal, or as plain text in a pipe.

Everything that came from events is shown as text, never as markup, and without control characters.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from plumbline.trace.facts import facts
from plumbline.trace.model import Batch, Moment, Trace
from plumbline.trace.records import AlertRecord, BatchRecord, PredictionRecord, RunRecord
from plumbline.trace.show import (
    as_tree,
    show_count,
    show_json,
    show_offset,
    show_seconds,
    show_share,
    show_value,
    visible,
)

_COLOURS = {
    "deployment": "magenta",
    "pipeline": "blue",
    "prediction": "green",
    "outcome": "cyan",
    "kpi": "yellow",
    "log": "dim",
    "alert": "red",
    "action": "red",
}
_PIPE_WIDTH = 4000  # nothing is wrapped or cut for grep


def print_trace(trace: Trace) -> None:
    """Print a trace to standard output."""
    _print(_trace(trace))


def print_batch(batch: Batch) -> None:
    """Print a batch to standard output."""
    _print(_batch(batch))


def _print(parts: Iterable[RenderableType]) -> None:
    console = Console(markup=False, emoji=False)
    if console.is_terminal:
        console.print(Group(*parts))
        return
    plain = Console(
        file=io.StringIO(), width=_PIPE_WIDTH, no_color=True, legacy_windows=False, markup=False, emoji=False
    )
    with plain.capture() as capture:
        plain.print(Group(*parts))
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _facts(rows: Iterable[tuple[str, str | None]]) -> Padding:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(Text(name), Text(visible(value)))
    return Padding(table, (0, 0, 0, 2))


def _trace(trace: Trace) -> Iterable[RenderableType]:
    yield Text.assemble("Request ", (visible(trace.request_id), "bold"))
    if not trace.predictions:
        yield Text("  No prediction with this id is stored; what follows is all there is.", style="yellow")
    for prediction in trace.predictions:
        yield from _prediction(prediction)
    for outcome in trace.outcomes:
        if outcome.standing:
            late = "" if outcome.delay is None else f", known {show_seconds(outcome.delay)} later"
            waits = "" if outcome.counts_from is None else f", counts from {outcome.counts_from}"
            yield _heading(f"Outcome: {show_value(outcome.actual)}{late}{waits}")
    if trace.predictions and not trace.outcomes:
        yield _heading("Outcome: not known yet")
    if trace.alerts or trace.alerts_truncated:
        yield _heading("Alerts that fired at the time")
        yield from _alerts(trace.alerts, trace.alerts_truncated)
    if trace.batches:
        yield _heading("Data")
        yield from (_lineage(batch) for batch in as_tree(trace.batches))
        if trace.batches_truncated:
            yield Text("  ... and more batches upstream", style="yellow")
    yield _heading("Timeline (times relative to the prediction)")
    yield _timeline(trace.timeline)
    if trace.logs_truncated:
        yield Text("  ... and more log lines", style="yellow")


def _prediction(p: PredictionRecord) -> Iterable[RenderableType]:
    answer = "error" if p.status == "error" else show_value(p.prediction)
    yield _heading(f"{visible(p.model)} {visible(p.version)}: {answer}")
    rare = [
        f"{name} ({show_share(place.share)} of the baseline's rows)"
        for name, place in (p.against_baseline or {}).items()
        if place.note is None and place.share < 0.01
    ]
    yield _facts(
        [
            ("at", p.ts),
            ("score", None if p.score is None else show_value(p.score)),
            ("scores", _pairs(p.scores)),
            *facts(p).items(),
            ("slices", _pairs(p.slices)),
            ("features", _pairs(p.features)),
            ("odd features", _pairs(p.odd)),
            ("rare values", ", ".join(rare)),
            ("also sent", _pairs(p.extra)),
        ]
    )


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name}={show_json(value)}" for name, value in (values or {}).items())


def _alerts(alerts: Iterable[AlertRecord], truncated: bool) -> Iterable[RenderableType]:
    for alert in alerts:
        until = "still firing" if alert.resolved is None else f"until {alert.resolved}"
        lines = [visible(f"  {alert.severity} {alert.alertname} {alert.about}, from {alert.started} {until}")]
        told = (alert.summary, alert.description, alert.verdict)
        lines += [f"    {visible(one)}" for one in told if one]
        lines += [f"    hook {a.hook}: {visible(a.text)}, {a.ts}" for a in alert.actions]
        lines += [
            f"    {what}: {visible(url)}"
            for what, url in (("runbook", alert.runbook_url), ("dashboard", alert.dashboard_url))
            if url
        ]
        yield Text("\n".join(lines), "red" if alert.severity == "critical" else "yellow")
    if truncated:
        yield Text("  ... and maybe more alerts", style="yellow")


def _lineage(batch: BatchRecord) -> Padding:
    about = " (training data)" if batch.role == "training" and batch.depth == 0 else ""
    line = Text.assemble((visible(batch.data_batch_id), "bold"), about)
    lines = [line, *(Text(f"  {_run(run)}") for run in batch.runs)]
    if not batch.runs:
        lines.append(Text("  no pipeline run of it is stored", style="dim"))
    return Padding(Group(*lines), (0, 0, 0, 2 + 2 * batch.depth))


def _run(run: RunRecord) -> str:
    return f"{visible(run.status)} by {visible(run.pipeline)} run {visible(run.run_id)}, {run.started}"


def _timeline(moments: Iterable[Moment]) -> Padding:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for m in moments:
        style = "bold red" if m.problem else _COLOURS[m.kind]
        table.add_row(
            Text(m.ts),
            Text(show_offset(m.offset)),
            Text(visible(m.who), style),
            Text(visible(m.text, lines=True), "red" if m.problem else ""),
        )
    return Padding(table, (0, 0, 0, 2))


def _batch(batch: Batch) -> Iterable[RenderableType]:
    yield Text.assemble("Data batch ", (visible(batch.data_batch_id), "bold"))
    yield _heading(f"{show_count(batch.predictions, 'prediction')} used it")
    if batch.used_by:
        table = Table(box=None, pad_edge=False)
        for name in ("model", "version", "predictions", "first", "last"):
            table.add_column(name, justify="right" if name == "predictions" else "left", no_wrap=True)
        for use in batch.used_by:
            names = Text(visible(use.model)), Text(visible(use.version))
            table.add_row(*names, str(use.predictions), use.first, use.last)
        yield Padding(table, (0, 0, 0, 2))
    yield _heading("Made by" if batch.runs else "Made by: no pipeline run of it is stored")
    for run in batch.runs:
        yield Text(f"  {_run(run)}", "red" if run.status == "failed" else "")
        for stage in run.stages:
            text = f"    {stage.ts}  {visible(stage.stage)} {stage.status}"
            text += f", rows: {stage.rows}" if stage.rows else ""
            text += f", failed checks: {visible(stage.failed_checks)}" if stage.failed_checks else ""
            yield Text(text, "red" if stage.failed_checks or stage.status == "failed" else "")
    if batch.alerts or batch.alerts_truncated:
        yield _heading("Alerts about its pipeline at the time")
        yield from _alerts(batch.alerts, batch.alerts_truncated)
    if batch.upstream:
        yield _heading("Made from")
        yield from (_lineage(one) for one in as_tree(batch.upstream))
    if batch.downstream:
        yield _heading(f"Made from it ({show_count(batch.predictions_downstream, 'prediction')})")
        for one in batch.downstream:
            via = ", ".join(visible(pipeline) for pipeline in one.pipelines)
            count = show_count(one.predictions, "prediction")
            yield Text(f"  {'  ' * (one.depth - 1)}{visible(one.data_batch_id)} by {via}: {count}")
    if batch.lineage_truncated:
        yield Text("  ... and more batches", style="yellow")
    if batch.logs:
        yield _heading("Log")
        for log in batch.logs:
            yield Text(f"  {log.ts}  {visible(log.who)}  {visible(log.level)}: {visible(log.message)}")
        if batch.logs_truncated:
            yield Text("  ... and more log lines", style="yellow")
