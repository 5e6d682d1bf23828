"""``plumbline backfill``: history -> the store and TSDB blocks at event time."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from plumbline.cli.options import PathType, catalogue_option, duration_seconds, history_of, history_options, json_option
from plumbline.units import format_time


@click.command()
@catalogue_option
@click.option("--baselines", type=PathType, help="Folder of baseline artefacts.")
@click.option("--data", type=PathType, required=True, help="Data folder of the exporter; keeps the events.")
@click.option("--tsdb", type=PathType, required=True, help="Folder of a stopped Prometheus's blocks.")
@click.option(
    "--step",
    default="15m",
    show_default=True,
    callback=duration_seconds,
    help="Event time between samples; windows below 4 steps mean little.",
)
@click.option("--rules", type=PathType, multiple=True, help="Prometheus rule file to evaluate; repeatable.")
@click.option(
    "--rule-step", callback=duration_seconds, help="Event time between samples of recorded series  [default: --step]."
)
@history_options
@click.option("--job", default="plumbline", show_default=True, help="Label job, as the scrape would set it.")
@click.option("--instance", default="localhost:9877", show_default=True, help="Label instance, likewise.")
@json_option
def backfill(
    history: tuple[Path, ...],
    catalogue: Path,
    baselines: Path | None,
    data: Path,
    tsdb: Path,
    step: float,
    rules: tuple[Path, ...],
    rule_step: float | None,
    job: str,
    instance: str,
    as_json: bool,
    **table: Any,
) -> int:
    """Load HISTORY as if it happened at its own time.

    Reads HISTORY: the contract's events (JSON), or tables (CSV, Parquet, Arrow; folders too) with a prediction
    per row; the catalogue, baselines and rule files. Events may be in any order and larger than memory. Writes
    the events and counters into the data folder, so that an exporter started on it continues from them, and
    TSDB blocks of all series and of the recording rules. If it is interrupted, run the same command again: it
    continues where it stopped. HISTORY must end 3 hours before now. Prometheus counts its retention from the
    newest sample: start it with --storage.tsdb.retention.time longer than the history.
    """
    from plumbline.backfill.run import backfill as load
    from plumbline.catalogue.load import load_catalogue
    from plumbline.ingest.engine import open_engine
    from plumbline.progress import progress
    from plumbline.trace.show import visible

    declared = load_catalogue(catalogue)
    source = history_of(history, declared.models, **table)
    engine = open_engine(declared, baselines, data)
    try:
        with progress(Console(stderr=True), "history") as advance:
            report = load(
                source,
                engine,
                tsdb,
                step=step,
                rules=rules,
                rule_step=rule_step,
                labels={"job": job, "instance": instance},
                progress=advance,
            )
    finally:
        engine.close()
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        for place, why in report.rejected:
            click.echo(f"{place}: {visible(why)}", err=True)
        if report.resumed is not None:
            click.echo(f"went on from {format_time(report.resumed)}", err=True)
        click.echo(
            f"{report.accepted:,} events, {report.rejected_total:,} refused; {report.samples:,} samples and "
            f"{report.recorded_samples:,} recorded ones in {report.seconds:.0f} s"
        )
    return 1 if report.rejected_total else 0
