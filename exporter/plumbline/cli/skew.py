"""``plumbline skew``: features as training code recomputes them, sent to be compared with the served ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from plumbline.cli.ingest import Summary
from plumbline.cli.options import PathType, catalogue_option, json_option, table_options, url_option
from plumbline.client.post import Sender

_BATCH = 1000


@click.command()
@click.argument("tables", nargs=-1, required=True, type=PathType, metavar="TABLE...")
@catalogue_option
@table_options
@url_option
@json_option
def skew(
    tables: tuple[Path, ...],
    catalogue: Path,
    mapping: dict[str, str],
    model: str | None,
    version: str | None,
    url: str,
    as_json: bool,
) -> int:
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

    rows = recomputed_rows(tables, load_catalogue(catalogue).models, mapping, model, version)
    summary = Summary()
    with Sender(url) as sender:
        while batch := list(islice(rows, _BATCH)):
            summary.send(sender, batch)
    if as_json:
        click.echo(json.dumps(asdict(summary)))
    else:
        click.echo(
            f"{summary.accepted} rows accepted ({summary.duplicates} of them compared before), "
            f"{summary.rejected} refused"
        )
    return 1 if summary.rejected else 0
