"""``plumbline init``: writes a first catalogue from a table."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click
from rich.console import Console

from plumbline.catalogue.load import load_catalogue
from plumbline.cli.options import DEFAULT_CATALOGUE, PathType, json_option, writing
from plumbline.errors import UsageError
from plumbline.progress import progress


@click.command()
@click.argument("table", type=PathType)
@click.option("--model", default="model", show_default=True, help="The model's name.")
@click.option(
    "--catalogue", type=PathType, default=DEFAULT_CATALOGUE, show_default=True, help="The file to write; must be new."
)
@click.option("--actual-column", help="The outcome  [default: a column of a usual name, else the last].")
@click.option("--prediction-column", help="The model's answer  [default: a column of a usual name].")
@click.option("--score-column", help="Probability of the positive class  [default: a column of a usual name].")
@click.option("--time-column", help="Time of the prediction  [default: a column of a usual name].")
@click.option("--start", is_flag=True, help="Also run generate, check and, where it can be, baseline build.")
@json_option
def init(table: Path, model: str, catalogue: Path, start: bool, as_json: bool, **given: str | None) -> None:
    """Write a first catalogue from TABLE (CSV, Parquet, Arrow).

    Reads the whole table: types, categories, classes, the roles of columns, how late outcomes are, and how much
    the quality varies. Writes plumbline.yaml with a comment at each guess, and prints the commands that come next.
    """
    from plumbline.cli.main import run
    from plumbline.init.guess import Role, guess
    from plumbline.init.profile import profile
    from plumbline.init.write import catalogue_text

    if catalogue.exists():
        raise UsageError(f"{catalogue}: exists already; name a new file with --catalogue, or move this one away")
    options: dict[Role, str | None] = {
        "actual": given["actual_column"],
        "prediction": given["prediction_column"],
        "score": given["score_column"],
        "time": given["time_column"],
    }
    with progress(Console(stderr=True), "reading") as advance:
        columns = profile(table, lambda rows: advance(rows, 0, f"{rows:,} rows"))
    found = guess(table, columns, {role: name for role, name in options.items() if name})
    with writing(catalogue.parent):
        catalogue.write_text(catalogue_text(found, table, model), encoding="utf-8")
    load_catalogue(catalogue)  # what is written is sound, or says what is not
    steps = [["generate", str(catalogue)], ["check", str(catalogue)]]
    if "prediction" in found.roles:
        build = ["baseline", "build", str(table), "--model", model, "--version", "1", "--catalogue", str(catalogue)]
        for role in ("prediction", "score", "actual", "time"):
            if role in found.roles:
                build += [f"--{role}-column", found.roles[role].name]
        if catalogue.parent != Path():
            build += ["--output", str(catalogue.parent / "baselines")]  # beside what is generated
        steps.append(build)
    commands = [shlex.join(["plumbline", *step]) for step in steps]
    if as_json:
        roles = {role: column.name for role, column in found.roles.items()}
        report = {"catalogue": str(catalogue), "task": found.task, "roles": roles, "remarks": found.remarks}
        click.echo(json.dumps({**report, "next": commands}, indent=2))
    else:
        left_out = f"; left out: {', '.join(found.left_out)}" if found.left_out else ""
        click.echo(f"{catalogue}: a {found.task} model, features: {len(found.features)}{left_out}", err=True)
        for remark in found.remarks:
            click.echo(f"check this: {remark}", err=True)
        click.echo("next:" if not start else "running:", err=True)
        for command in commands:
            click.echo(f"  {command}")
    if start:
        for step in steps:
            code = run(step)
            if code:
                raise click.exceptions.Exit(code)
