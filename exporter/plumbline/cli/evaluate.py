"""``plumbline evaluate``: alerts over a history, against what really happened."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from plumbline.cli.options import PathType, budget_option, duration_seconds, json_option, moment, writing
from plumbline.errors import UsageError
from plumbline.evaluate.budget import exceeded
from plumbline.files import write_whole


@click.command()
@click.argument("rules", nargs=-1, required=True, type=PathType, metavar="RULES...")
@click.option("--tsdb", type=PathType, help="Folder of blocks, as plumbline backfill makes them.")
@click.option("--prometheus", "url", help="URL of a running Prometheus, instead of --tsdb.")
@click.option("--incidents", type=PathType, help="CSV of what happened; without it every alarm is false.")
@click.option("--metric", "metrics", multiple=True, help="Only incidents in this metric; repeatable.")
@click.option("--alert", "alerts", multiple=True, help="Judge only this alert; repeatable.")
@click.option("--start", callback=moment, help="RFC 3339  [default: where the blocks begin].")
@click.option("--end", callback=moment, help="RFC 3339  [default: where the blocks end].")
@click.option(
    "--step",
    default="1h",
    show_default=True,
    callback=duration_seconds,
    help="Time between evaluations: the rules' interval, or coarser.",
)
@click.option(
    "--lookback",
    callback=duration_seconds,
    help="How old a sample may be, with --tsdb  [default: --step, at least 5m].",
)
@click.option(
    "--grace",
    default="1d",
    show_default=True,
    callback=duration_seconds,
    help="An alarm this long after an incident is still true: the slow window.",
)
@click.option(
    "--flap",
    default="1d",
    show_default=True,
    callback=duration_seconds,
    help="An alarm that returns sooner than this flaps.",
)
@click.option(
    "--budget",
    callback=budget_option,
    metavar="pages-per-quarter=N,tickets-per-month=N",
    help="Exit 1 if there are more false alarms per model.",
)
@click.option("--picture", type=PathType, help="Draw the timeline in this file (.svg or .png; extra `report`).")
@json_option
def evaluate(
    rules: tuple[Path, ...],
    tsdb: Path | None,
    url: str | None,
    incidents: Path | None,
    metrics: tuple[str, ...],
    alerts: tuple[str, ...],
    start: float | None,
    end: float | None,
    step: float,
    lookback: float | None,
    grace: float,
    flap: float,
    budget: dict[str, float],
    picture: Path | None,
    as_json: bool,
) -> int:
    """Judge the alerts of RULES... (Prometheus rule files) over a history with known incidents.

    Reads alerting rules (and, so that `check --evaluation` can tell whether they have changed since, the
    recording rules among RULES...), the history (TSDB blocks, or a Prometheus that serves it) and the
    incidents: a CSV with the columns start and end, and perhaps model, metric and sustained. Prints per
    alert its precision, recall, delay, flaps and false alarms, beside those of the same alarms at random
    times.
    Exit code 1 if a budget is exceeded.
    """
    from plumbline.backfill.rules import read_recording
    from plumbline.evaluate.alerts import choose, read_alerts
    from plumbline.evaluate.ask import History, grid, history_range, opened
    from plumbline.evaluate.incidents import read_incidents
    from plumbline.evaluate.picture import painter
    from plumbline.evaluate.report import as_data
    from plumbline.evaluate.required import digests
    from plumbline.evaluate.run import evaluate_alerts
    from plumbline.progress import progress
    from plumbline.terminal import show

    draw = None if picture is None else painter(picture)
    chosen, left = choose(read_alerts(rules), alerts)
    happened = read_incidents(incidents) if incidents else []
    if metrics:
        happened = [i for i in happened if not i.metric or i.metric in metrics]
        if incidents and not happened:
            raise UsageError(f"{incidents}: no incident in {', '.join(metrics)}")
    if (tsdb is None) == (url is None):
        raise UsageError("give either --tsdb FOLDER or --prometheus URL")
    if tsdb is not None:
        first, last = history_range(tsdb)
    elif start is not None and end is not None:
        first, last = start, end
    else:
        raise UsageError("--prometheus needs --start and --end")
    over = grid(first if start is None else start, last if end is None else end, step)
    with ExitStack() as stack:
        if tsdb is not None:
            url = stack.enter_context(opened(tsdb, max(300.0, step) if lookback is None else lookback))
        assert url is not None
        history = stack.enter_context(History(url, over))
        advance = stack.enter_context(progress(Console(stderr=True), "alerts"))
        result = evaluate_alerts(chosen, happened, history, grace=grace, flap=flap, left=left, progress=advance)
    if picture is not None and draw is not None:
        with writing(picture):
            write_whole(picture, draw(result))
    broken = exceeded(result.alerts, budget)
    data = as_data(result)
    if as_json:
        made_with = digests(chosen, read_recording(rules))
        data |= {"rules": made_with, "budget": budget, "exceeded": broken}
        click.echo(json.dumps(data, indent=2, allow_nan=False))
    else:
        show("evaluation.txt.j2", **data)
        for line in broken:
            click.echo(line, err=True)
    return 1 if broken else 0
