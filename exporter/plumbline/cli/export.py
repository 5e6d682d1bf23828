"""``plumbline export``: predictions with mature outcomes as Parquet, to retrain on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from plumbline.cli.options import PathType, catalogue_option, json_option, moment
from plumbline.errors import UsageError


@click.command()
@click.argument("model")
@click.argument("file", type=PathType)
@catalogue_option
@click.option("--data", type=PathType, help="Data folder of the exporter to read.  [default: data]")
@click.option("--store", metavar="URL", help="Read this PostgreSQL store instead: postgresql://...")
@click.option(
    "--baselines",
    type=PathType,
    default=Path("baselines"),
    show_default=True,
    help="Folder of baseline artefacts to read, for the lineage.",
)
@click.option("--version", help="One model version  [default: all].")
@click.option("--from", "start", callback=moment, help="Predictions from this time on (RFC 3339 or epoch seconds).")
@click.option("--to", "end", callback=moment, help="Predictions before this time.")
@json_option
def export(
    model: str,
    file: Path,
    catalogue: Path,
    data: Path | None,
    store: str | None,
    baselines: Path,
    version: str | None,
    start: float | None,
    end: float | None,
    as_json: bool,
) -> None:
    """Write MODEL's predictions whose outcome has matured to FILE, as Parquet.

    Reads a store (--data or --store), also while an exporter writes it, the catalogue and the baselines.
    The rows are those that the quality counters count; see docs/export.md for the columns. FILE appears
    when it is complete. Its metadata says which versions, data batches and commits are in it.
    """
    from plumbline.baseline.folder import BaselineFolder
    from plumbline.catalogue.load import load_catalogue
    from plumbline.export import Selection
    from plumbline.export import export as write
    from plumbline.store.open import open_reader
    from plumbline.trace.lookup import Lookup

    declared = load_catalogue(catalogue)
    if model not in declared.models:
        raise UsageError(f"model {model!r} is not in {catalogue}: it declares {', '.join(declared.models)}")
    if data is not None and store is not None:
        raise UsageError("give one of --data and --store")
    selection = Selection(model, version, start or 0.0, float("inf") if end is None else end)
    if selection.start >= selection.end:
        raise UsageError("--from must be before --to")
    lookup = Lookup(open_reader(data or Path("data"), store), BaselineFolder(baselines))
    try:
        report = write(lookup, declared.models[model], selection, file)
    finally:
        lookup.close()
    if as_json:
        click.echo(json.dumps(asdict(report)))
        return
    click.echo(f"{file}: {report.rows} rows, sha256:{report.sha256}")
    left = [
        f"{count} {what}"
        for count, what in (
            (report.waiting, "whose outcome has not matured"),
            (report.unknown, "without an outcome"),
            (report.errors, "that failed"),
            (report.incomparable, "that cannot be compared with their outcome"),
            (report.unsampled, "whose features were not stored (the rows' _weight stands for them)"),
        )
        if count
    ]
    if left:
        click.echo(f"left out: predictions {', '.join(left)}")
