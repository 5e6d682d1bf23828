"""``plumbline replay``: history as live traffic, faster than time."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from plumbline.cli.options import PathType, json_option
from plumbline.units import parse_time


@click.command()
@click.argument("history", type=PathType)
@click.option("--url", default="http://127.0.0.1:9877", show_default=True, help="The exporter.")
@click.option(
    "--speed", type=click.FloatRange(min=0.0, min_open=True), default=1.0, show_default=True,
    help="Seconds of event time per second.",
)  # fmt: skip
@click.option("--from", "first", help="Event time to begin at (RFC 3339 or epoch seconds).")
@click.option("--to", "last", help="Event time to end at.")
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Events a request."
)
@click.option(
    "--patience", type=click.FloatRange(0.0), default=60.0, show_default=True,
    help="Seconds to go on while the exporter does not answer.",
)  # fmt: skip
@json_option
@click.pass_context
def replay(
    ctx: click.Context,
    history: Path,
    url: str,
    speed: float,
    first: str | None,
    last: str | None,
    batch: int,
    patience: float,
    as_json: bool,
) -> None:
    """Send HISTORY (NDJSON events in time order) to a running exporter as if it happened now.

    Reads HISTORY; writes nothing but to the exporter. Event times are moved linearly onto the clock, so
    an outcome keeps its delay, divided by the speed. Batches are sent again until they are answered;
    nothing is counted twice.
    """
    from plumbline import replay as work

    sender = work.Sender(url, patience)
    try:
        events = work.schedule(history, speed, time.time(), _time(ctx, first), _time(ctx, last))
        report = work.replay(events, sender, batch=batch)
    finally:
        sender.close()
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        for refused in report.rejected:
            click.echo(refused, err=True)
        click.echo(
            f"{sum(report.sent.values()):,} events sent, {report.rejected_total:,} refused, "
            f"{report.retries} retries, {report.seconds:.1f} s"
        )
    ctx.exit(1 if report.rejected_total else 0)


def _time(ctx: click.Context, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return parse_time(float(value) if value.replace(".", "", 1).isdigit() else value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx) from error
