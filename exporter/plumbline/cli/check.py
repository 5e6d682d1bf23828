"""``plumbline check``: reads the catalogue, baselines and generated files; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from plumbline.catalogue.checks.baselines import examine_baselines
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.cli.options import PathType, budget_option, catalogue_argument, json_option
from plumbline.cli.tools import Verdict, check_files
from plumbline.errors import CatalogueError, UsageError
from plumbline.generated import GeneratedFile, run_generators, stale_files, write_files
from plumbline.ingest.budget import ModelBudget, estimate

ABOUT_MODELS = "alerting/rules/models.yml"  # a history holds the models' series, not the pipelines' clocks


@click.command()
@catalogue_argument
@click.option("--baselines", type=PathType, help="Folder of baseline artefacts to check against the catalogue.")
@click.option("--generated", type=PathType, help="Folder of the generated files  [default: the catalogue's].")
@click.option(
    "--evaluation",
    type=PathType,
    help="JSON of plumbline evaluate that must show the alerts in budget  [default: the catalogue's].",
)
@click.option(
    "--budget",
    callback=budget_option,
    metavar="pages-per-quarter=N,tickets-per-month=N",
    help="The budget for --evaluation  [default: the catalogue's, or 1 and 1].",
)
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    catalogue: Path,
    baselines: Path | None,
    generated: Path | None,
    evaluation: Path | None,
    budget: dict[str, float],
    as_json: bool,
) -> None:
    """Check CATALOGUE (default plumbline.yaml) and what is made from it.

    Reads the catalogue, the files that `plumbline generate` wrote from it, and with --baselines the
    artefacts in that folder. With --evaluation, or where the catalogue has an alert_budget, the alerts must
    have been judged as they are now and be in budget. Writes nothing. Prints every problem as
    `file:line: message (rule-id)`, the series each model may make, and what promtool and amtool say of the
    generated files where they are installed. Exits 1 if there is a problem.
    """
    try:
        loaded = load_catalogue(catalogue)
    except CatalogueError as error:
        _refuse(ctx, error, as_json)
        return
    budgets = estimate(loaded)
    files = run_generators(loaded)
    folder = generated or catalogue.parent
    stale = stale_files(files, folder)
    current = [file.path for file in files if file.path not in stale]
    verdicts = check_files(folder, current)
    problems, remarks = examine_baselines(loaded, baselines) if baselines is not None else ([], [])
    if budget and evaluation is None and loaded.alert_budget is None:
        raise UsageError("--budget needs --evaluation, or an alert_budget in the catalogue")
    unshown = _unshown(loaded, catalogue.parent, files, evaluation, budget)
    failed = bool(stale or problems or unshown or any(verdict.status == "failed" for verdict in verdicts))
    if as_json:
        click.echo(json.dumps(_report([], budgets, stale, verdicts, problems, remarks, unshown), indent=2))
    else:
        _print(catalogue, budgets, len(files), stale, verdicts, [*problems, *unshown], remarks)
    ctx.exit(1 if failed else 0)


def _refuse(ctx: click.Context, error: CatalogueError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_report(list(error.problems), [], [], [], []), indent=2))
    else:
        click.echo(str(error), err=True)
        count = len(error.problems)
        click.echo(
            f"{count} problem{'s' if count != 1 else ''}; further checks run once the catalogue is mended", err=True
        )
    ctx.exit(1)


def _report(
    problems: list[Any],
    budgets: list[ModelBudget],
    stale: list[str],
    verdicts: list[Verdict],
    baselines: list[str],
    remarks: Sequence[str] = (),
    unshown: Sequence[str] = (),
) -> dict[str, Any]:
    return {
        "ok": not (problems or stale or baselines or unshown or any(v.status == "failed" for v in verdicts)),
        "problems": [{"file": p.file, "line": p.line, "message": p.message, "rule": p.rule} for p in problems],
        "series": {
            budget.model: {
                "per_version": budget.per_version,
                "versions": budget.versions,
                "unknown_versions": budget.unknown,
                "total": budget.series,
                "limit": budget.limit,
                "parts": budget.parts,
            }
            for budget in budgets
        },
        "stale": stale,
        "tools": [{"tool": v.tool, "status": v.status, "output": v.output} for v in verdicts],
        "baseline_problems": baselines,
        "baseline_remarks": list(remarks),
        "alert_budget_problems": list(unshown),
    }


def _unshown(
    catalogue: Catalogue,
    beside: Path,
    files: Sequence[GeneratedFile],
    evaluation: Path | None,
    budget: dict[str, float],
) -> list[str]:
    """Return why the alerts about models are not shown to be in budget; nothing where nobody asks."""
    declared = catalogue.alert_budget
    if evaluation is None and declared is None:
        return []
    from plumbline.backfill.rules import read_recording
    from plumbline.evaluate.alerts import choose, read_alerts
    from plumbline.evaluate.required import shortcomings

    bounds = {
        "pages-per-quarter": declared.pages_per_quarter if declared else 1.0,
        "tickets-per-month": declared.tickets_per_month if declared else 1.0,
        **budget,
    }
    path = evaluation or beside / (declared.evaluation if declared else "")
    with TemporaryDirectory(prefix="plumbline-check-") as folder:
        write_files(files, Path(folder))
        chosen, _ = choose(read_alerts([Path(folder) / ABOUT_MODELS]), ())
        recording = read_recording(sorted((Path(folder) / "prometheus/rules").glob("*.yml")))
    return shortcomings(path, chosen, recording, bounds)


def _print(
    path: Path,
    budgets: list[ModelBudget],
    files: int,
    stale: list[str],
    verdicts: list[Verdict],
    baselines: list[str],
    remarks: list[str],
) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    console.print(f"{path}: no problem found", style="green")
    console.print(budget_table(budgets))
    if stale:
        for name in stale:
            console.print(f"{name}: not up to date: run 'plumbline generate'", style="red")
    else:
        console.print(f"{files} generated files are up to date", style="green")
    for verdict in verdicts:
        if verdict.status == "absent":
            console.print(f"{verdict.tool}: not run, {verdict.tool.split()[0]} is not installed", style="yellow")
        elif verdict.status == "ok":
            console.print(f"{verdict.tool}: ok", style="green")
        else:
            console.print(f"{verdict.tool}: failed", style="red")
            console.print(verdict.output, markup=False)
    for message in baselines:
        console.print(message, style="red", markup=False)
    for message in remarks:
        console.print(message, style="yellow", markup=False)


def budget_table(budgets: list[ModelBudget]) -> Table:
    """Return the series estimate as a table, one column per model."""
    table = Table(title="Series per model version (estimate, worst case)", title_justify="left")
    table.add_column("")
    for budget in budgets:
        table.add_column(budget.model, justify="right")
    for group in dict.fromkeys(group for budget in budgets for group in budget.parts):
        table.add_row(group.lower(), *(str(budget.parts.get(group, 0)) for budget in budgets))
    table.add_section()
    table.add_row("one version", *(str(budget.per_version) for budget in budgets))
    table.add_row("live versions", *(str(budget.versions) for budget in budgets))
    table.add_row("unknown versions", *(str(budget.unknown) for budget in budgets))
    table.add_row("all versions", *(str(budget.series) for budget in budgets), style="bold")
    table.add_row("budget", *(str(budget.limit) for budget in budgets))
    return table
