"""``plumbline generate``: reads the catalogue, writes what Prometheus, Alertmanager and Grafana read."""

from __future__ import annotations

import json
from pathlib import Path

import click

from plumbline.catalogue.load import load_catalogue
from plumbline.cli.options import PathType, catalogue_argument, json_option, writing
from plumbline.generated import run_generators, stale_files, write_files


@click.command()
@catalogue_argument
@click.option("--output", type=PathType, help="Folder to write to  [default: the catalogue's].")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 if a file would change.")
@json_option
def generate(catalogue: Path, output: Path | None, only_check: bool, as_json: bool) -> int:
    """Write recording rules, alerts, dashboards and configuration from CATALOGUE.

    Reads the catalogue (default plumbline.yaml). Writes the generated files below the output folder,
    those that differ only, and prints their names. The same catalogue always gives the same bytes:
    commit them, and let `plumbline generate --check` guard them.
    """
    files = run_generators(load_catalogue(catalogue))
    folder = output or catalogue.parent
    with writing(folder):
        changed = stale_files(files, folder) if only_check else write_files(files, folder)
    if as_json:
        click.echo(json.dumps({"files": [file.path for file in files], "changed": sorted(changed)}, indent=2))
    else:
        for path in sorted(changed):
            click.echo(f"{path}: {'not up to date' if only_check else 'written'}")
        click.echo(f"{len(files)} files, {len(changed)} {'out of date' if only_check else 'changed'}", err=True)
    return 1 if only_check and changed else 0
