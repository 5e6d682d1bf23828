"""``plumbline baseline``: builds a model version's frozen reference from a table, and shows one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from plumbline.baseline.artefact import load_baseline, save_baseline
from plumbline.baseline.compare import compare, levels
from plumbline.catalogue.load import load_catalogue
from plumbline.cli.options import (
    PathType,
    catalogue_option,
    duration_seconds,
    json_option,
    map_option,
    time_options,
    writing,
)
from plumbline.files import write_whole
from plumbline.progress import progress
from plumbline.units import Clock, parse_duration


@click.group()
def baseline() -> None:
    """Build, show and compare frozen references of model versions.

    `build` reads a table and writes an immutable JSON artefact; `show` draws one, `diff` two side by side.
    """


@baseline.command()
@click.argument("tables", nargs=-1, required=True, type=PathType, metavar="TABLE...")
@click.option("--model", "model_name", required=True, help="The model's name in the catalogue.")
@click.option("--version", required=True, help="The model version that was trained on the table.")
@catalogue_option
@click.option(
    "--output", type=PathType, default="baselines", show_default=True, help="Folder to write the artefact to."
)
@click.option("--where", metavar="COL=VALUE", help="Use only these rows as the drift reference.")
@click.option("--quality-table", type=PathType, help="Held-out table for the quality  [default: TABLE].")
@click.option("--quality-where", metavar="COL=VALUE", help="Use only these rows for the quality.")
@map_option
@click.option("--time-column", "ts", help="Time of the prediction; '' = none  [default: ts, if the table has it].")
@time_options
@click.option("--prediction-column", "prediction", help="The model's answer  [default: prediction].")
@click.option(
    "--score-column", "score", help="Probability of the positive class; '' = none  [default: score, if present]."
)
@click.option("--actual-column", "actual", help="The outcome; an empty cell = never known  [default: actual].")
@click.option(
    "--block",
    callback=duration_seconds,
    metavar="DURATION",
    help="Time block for noise and spread  [default: drift_alert of the catalogue; 7d for quality].",
)
@click.option(
    "--bins", type=click.IntRange(2, 20), default=10, show_default=True, help="Quantile bins per numeric feature."
)
@click.option("--commit", help="Commit of the training code, kept as lineage.")
@click.option("--config", help="Training configuration, or its digest, kept as lineage.")
@json_option
def build(
    tables: tuple[Path, ...],
    model_name: str,
    version: str,
    catalogue: Path,
    output: Path,
    mapping: dict[str, str],
    as_json: bool,
    **given: Any,
) -> None:
    """Build the baseline of a model version from TABLE... (CSV, Parquet or Arrow; files, or folders of them).

    Reads the tables in batches (they may exceed memory) and the catalogue. The rows are the drift
    reference: features, prediction and score; the held-out rows give quality and its spread over time.
    Writes <output>/<sha256>.json and prints its path; the same input gives the same file.
    """
    # Imported here: only building a baseline needs these.
    from plumbline.baseline.build import BuildSettings, build_baseline
    from plumbline.baseline.columns import model_of_rows
    from plumbline.baseline.rows import ROLES
    from plumbline.baseline.table import Filter

    loaded = load_catalogue(catalogue)
    model = loaded.models[model_of_rows(loaded.models, model_name)]
    where, quality_where = given["where"], given["quality_where"]
    # Each option names a field, whatever the features are called; --map has the last word.
    named = {
        f"_{field}" if field in model.features else field: given[field] for field in ROLES if given[field] is not None
    }
    settings = BuildSettings(
        tables=tables,
        quality_tables=(given["quality_table"],) if given["quality_table"] else (),
        where=Filter.parse(where, "--where") if where else None,
        quality_where=Filter.parse(quality_where, "--quality-where") if quality_where else None,
        columns=named | mapping,
        clock=Clock(given["time_zone"], given["time_unit"]),
        block_seconds=given["block"] or parse_duration(loaded.evaluation.drift_alert),
        quality_block_seconds=given["block"] or 7 * 86_400.0,
        quality_windows={name: parse_duration(name) for name in loaded.evaluation.quality},
        bins=given["bins"],
        peak_windows={name: parse_duration(name) for name in loaded.evaluation.drift},
        commit=given["commit"],
        config=given["config"],
    )
    read = Counter[str]()
    with progress(Console(stderr=True), "baseline") as advance:

        def watch(doing: str, rows: int) -> None:
            read[doing] += rows
            advance(0.0, 0.0, f"{doing}: {read[doing]:,} rows")

        built = build_baseline(model_name, version, model, settings, watch)
    with writing(output):
        path = save_baseline(built.baseline, output)
    made = built.baseline
    if as_json:
        report = {
            "path": str(path),
            "sha256": made.digest,
            "rows": made.lineage.rows,
            "quality_rows": made.lineage.quality_rows,
            "quality": {name: quality.value for name, quality in made.quality.items()},
            "blocks": built.blocks,
            "remarks": list(built.remarks),
        }
        click.echo(json.dumps(report, indent=2))
        return
    quality = ", ".join(f"{name} {q.value:.4g}" for name, q in made.quality.items())
    click.echo(f"{made.lineage.rows} reference rows, {built.blocks}; {len(made.features)} distributions", err=True)
    click.echo(f"{made.lineage.quality_rows} held-out rows: {quality}", err=True)
    for remark in built.remarks:
        click.echo(f"note: {remark}", err=True)
    click.echo(str(path))


html_option = click.option("--html", type=PathType, help="Write the picture to this file instead.")


@baseline.command()
@click.argument("file", type=PathType)
@html_option
@json_option
def show(file: Path, html: Path | None, as_json: bool) -> None:
    """Draw the baseline artefact FILE in the terminal, or as one HTML file that needs nothing else.

    Reads the artefact and verifies its sha256; writes nothing but the file of --html.
    """
    loaded = load_baseline(file)
    if as_json:
        click.echo(loaded.to_bytes().decode())
        return
    _draw(html, "baseline", baseline=loaded, levels=levels)


@baseline.command()
@click.argument("old", type=PathType)
@click.argument("new", type=PathType)
@click.option(
    "--draw",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Features drawn bin by bin in the terminal, the furthest apart first.",
)
@html_option
@json_option
def diff(old: Path, new: Path, draw: int, html: Path | None, as_json: bool) -> None:
    """Compare two baseline artefacts: lineage, quality, and the PSI of every feature.

    Reads both and verifies their sha256; writes nothing but the file of --html. The bins are those of OLD.
    Where NEW has other upper ends, its rows are interpolated into them, and the PSI is marked (~).
    """
    comparison = compare(load_baseline(old), load_baseline(new))
    if as_json:
        found = {
            "old": comparison.old.digest,
            "new": comparison.new.digest,
            "lineage": [dict(zip(("what", "old", "new"), row, strict=True)) for row in comparison.lineage],
            "quality": [asdict(change) for change in comparison.quality],
            "features": [{**asdict(change), "drifted": change.drifted} for change in comparison.features],
            "only_old": comparison.only_old,
            "only_new": comparison.only_new,
        }
        click.echo(json.dumps(found, indent=2))
        return
    _draw(html, "difference", comparison=comparison, drawn=draw)


def _draw(html: Path | None, template: str, **data: object) -> None:
    if html is None:
        from plumbline import terminal

        terminal.show(f"{template}.txt.j2", **data)
        return
    from plumbline.pages import render

    with writing(html.parent):
        write_whole(html, render(f"{template}.html.j2", **data))
    click.echo(str(html))
