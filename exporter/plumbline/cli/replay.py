"""``plumbline replay``: history as live traffic, faster than time."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from plumbline.cli.options import (
    DEFAULT_CATALOGUE,
    PathType,
    history_of,
    history_options,
    json_option,
    moment,
    url_option,
)


@click.command()
@url_option
@click.option(
    "--speed",
    type=click.FloatRange(min=0.0, min_open=True),
    default=1.0,
    show_default=True,
    help="Seconds of event time per second.",
)
@click.option("--from", "first", callback=moment, help="Event time to begin at (RFC 3339 or epoch seconds).")
@click.option("--to", "last", callback=moment, help="Event time to end at.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Events a request.")
@click.option(
    "--retry-seconds",
    type=click.FloatRange(0.0),
    default=60.0,
    show_default=True,
    help="Seconds to go on while the exporter does not answer.",
)
@click.option("--catalogue", type=PathType, help="Tables: the catalogue's file  [default: plumbline.yaml].")
@history_options
@json_option
def replay(
    history: tuple[Path, ...],
    url: str,
    speed: float,
    first: float | None,
    last: float | None,
    batch: int,
    retry_seconds: float,
    catalogue: Path | None,
    as_json: bool,
    **table: Any,
) -> int:
    """Send HISTORY to a running exporter as if it happened now.

    Reads HISTORY: the contract's events (JSON), or tables (CSV, Parquet, Arrow; folders too) with a
    prediction per row, in any order; for tables, the catalogue. Writes nothing but to the exporter. Event
    times are moved linearly onto the clock, so an outcome keeps its delay, divided by the speed. Batches
    are sent again until they are answered; nothing is counted twice.
    """
    from plumbline import replay as work
    from plumbline.baseline.arrow import table_files
    from plumbline.catalogue.load import load_catalogue
    from plumbline.client.post import Sender
    from plumbline.history.open import is_table
    from plumbline.history.order import arrange
    from plumbline.progress import progress

    models = {}
    if any(map(is_table, table_files(history))):
        models = load_catalogue(catalogue or Path(DEFAULT_CATALOGUE)).models
    source = history_of(history, models, **table)
    with (
        Sender(url, retry_seconds, await_exporter=True) as sender,
        tempfile.TemporaryDirectory(prefix="plumbline-replay-") as scratch,
        progress(Console(stderr=True), "replay") as advance,
    ):
        arranged = arrange(source, Path(scratch), advance=advance)

        def watch(due: work.Due, report: work.ReplayReport) -> None:
            advance(sum(report.sent.values()), arranged.events, f"{report.behind:.1f} s behind at most")

        events = work.schedule(arranged.records(), speed, time.time(), first, last)
        report = work.replay(events, sender, batch=batch, watch=watch)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        for refused in report.rejected:
            click.echo(refused, err=True)
        click.echo(
            f"{sum(report.sent.values()):,} events sent, {report.rejected_total:,} refused, "
            f"{report.retries} retries, {report.seconds:.1f} s"
        )
        if report.duplicates:
            click.echo(
                f"{report.duplicates:,} of them were stored before, by an earlier replay perhaps: they keep "
                "their time of then and are not counted again; to start afresh, give the exporter another "
                "data folder"
            )
    return 1 if report.rejected_total else 0
