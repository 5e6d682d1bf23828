"""``plumbline skew``: features as training code recomputes them, sent to be compared with the served ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from plumbline.cli.ingest import Summary
from plumbline.cli.options import PathType, catalogue_option, json_option, table_options
from plumbline.client.post import Sender
from plumbline.names import DEFAULT_PORT

_BATCH = 1000


@click.command()
@click.argument("tables", nargs=-1, required=True, type=PathType, metavar="TABLE...")
@catalogue_option
@table_options
@click.option("--url", default=f"http://127.0.0.1:{DEFAULT_PORT}", show_default=True, help="The exporter.")
@json_option
@click.pass_context
def skew(
    ctx: click.Context,
    tables: tuple[Path, ...],
    catalogue: Path,
    mapping: dict[str, str],
    model: str | None,
    version: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Compare the features of TABLE with those that were served, by request id.

    Reads TABLE (CSV, Parquet or Arrow; a file or a folder): the column request_id, and any of the model's
    features as the training code makes them from the raw data; and the catalogue. Sends each row to the exporter
    as an event "recomputed", which meets the stored prediction and counts, per feature, rows and mismatches: the
    share is feature:ml_feature_skew:ratio. Numbers are the same within 1e-6 of the larger; missing equals only
    missing. A request is compared once, however often it is sent. --version limits it to one version's
    predictions. Exit code 1 if a row was refused.
    """
    from plumbline.catalogue.load import load_catalogue
    from plumbline.history.tables import recomputed_rows
    from plumbline.trace.show import visible

    rows = recomputed_rows(tables, load_catalogue(catalogue).models, mapping, model, version)
    summary = Summary()
    with Sender(url) as sender:
        while batch := list(islice(rows, _BATCH)):
            answer = sender.send([line.rstrip(b"\n") for _, line in batch])
            summary.add(answer)
            for line, reason, detail in answer.rejections:
                click.echo(f"{batch[line - 1][0]}: {reason}: {visible(detail)}", err=True)
    if as_json:
        click.echo(json.dumps(asdict(summary)))
    else:
        click.echo(
            f"{summary.accepted} rows accepted ({summary.duplicates} of them compared before), "
            f"{summary.rejected} refused"
        )
    ctx.exit(1 if summary.rejected else 0)
