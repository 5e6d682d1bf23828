"""``plumbline backfill``: history -> the store and TSDB blocks at event time."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from plumbline.cli.options import PathType, catalogue_option, duration_seconds, json_option
from plumbline.errors import UsageError


@click.command()
@click.argument("history", type=PathType)
@catalogue_option
@click.option("--baselines", type=PathType, help="Folder of baseline artefacts.")
@click.option("--data", type=PathType, required=True, help="Data folder of the exporter; keeps the events.")
@click.option("--tsdb", type=PathType, required=True, help="Folder of a stopped Prometheus's blocks.")
@click.option(
    "--step", default="15m", show_default=True, callback=duration_seconds,
    help="Event time between samples; windows below 4 steps mean little.",
)  # fmt: skip
@click.option("--rules", type=PathType, multiple=True, help="Prometheus rule file to evaluate; repeatable.")
@click.option("--rule-step", help="Event time between samples of recorded series  [default: --step].")
@click.option("--job", default="plumbline", show_default=True, help="Label job, as the scrape would set it.")
@click.option("--instance", default="localhost:9877", show_default=True, help="Label instance, likewise.")
@json_option
@click.pass_context
def backfill(
    ctx: click.Context,
    history: Path,
    catalogue: Path,
    baselines: Path | None,
    data: Path,
    tsdb: Path,
    step: float,
    rules: tuple[Path, ...],
    rule_step: str | None,
    job: str,
    instance: str,
    as_json: bool,
) -> None:
    """Load HISTORY (NDJSON events in time order) as if it happened at its own time.

    Reads HISTORY, the catalogue, baselines and rule files. Writes the events and counters into the data
    folder, so that an exporter started on it continues from them, and TSDB blocks of all series and of
    the recording rules. HISTORY must end 3 hours before now. Prometheus counts its retention from the
    newest sample: start it with --storage.tsdb.retention.time longer than the history.
    """
    from plumbline.backfill.run import backfill as load
    from plumbline.catalogue.load import load_catalogue
    from plumbline.engine import open_engine
    from plumbline.progress import progress

    every = step if rule_step is None else duration_seconds(ctx, ctx.command.params[0], rule_step)
    if not history.is_file():
        raise UsageError(f"{history}: no such file")
    engine = open_engine(load_catalogue(catalogue), baselines, data)
    try:
        with progress(Console(stderr=True), "history") as advance:
            report = load(
                history, engine, tsdb, step=step, rules=rules, rule_step=every,
                labels={"job": job, "instance": instance}, progress=advance, rule_progress=advance,
            )  # fmt: skip
    finally:
        engine.close()
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        for line, why in report.rejected:
            click.echo(f"{history}:{line}: {why}", err=True)
        click.echo(
            f"{report.accepted:,} events, {report.rejected_total:,} refused; {report.samples:,} samples and "
            f"{report.recorded_samples:,} recorded ones in {report.seconds:.0f} s"
        )
    ctx.exit(1 if report.rejected_total else 0)
