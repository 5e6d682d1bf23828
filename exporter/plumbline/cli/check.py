"""``plumbline check``: reads the catalogue, baselines and generated files; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import UNSET
from rich.console import Console
from rich.table import Table

from plumbline.baseline.artefact import Baseline, load_baseline
from plumbline.catalogue.budget import ModelBudget, estimate
from plumbline.catalogue.checks.reach import beyond_chance
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.cli.options import PathType, catalogue_argument, json_option
from plumbline.cli.tools import Verdict, check_files
from plumbline.errors import BaselineError, CatalogueError
from plumbline.generated import run_generators, stale_files
from plumbline.names import PSEUDO_FEATURES


@click.command()
@catalogue_argument
@click.option(
    "--baselines", type=PathType, help="Folder of baseline artefacts to check against the catalogue."
)
@click.option("--generated", type=PathType, help="Folder of the generated files  [default: the catalogue's].")
@json_option
@click.pass_context
def check(
    ctx: click.Context, catalogue: Path, baselines: Path | None, generated: Path | None, as_json: bool
) -> None:
    """Check CATALOGUE (default plumbline.yaml) and what is made from it.

    Reads the catalogue, the files that `plumbline generate` wrote from it, and with --baselines the
    artefacts in that folder. Writes nothing. Prints every problem as `file:line: message (rule-id)`, the
    series each model may make, and what promtool and amtool say of the generated files where they are
    installed. Exits 1 if there is a problem.
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
    problems = _baseline_problems(loaded, baselines) if baselines is not None else []
    remarks = _baseline_remarks(baselines) if baselines is not None else []
    failed = bool(stale or problems or any(verdict.status == "failed" for verdict in verdicts))
    if as_json:
        click.echo(json.dumps(_report([], budgets, stale, verdicts, problems, remarks), indent=2))
    else:
        _print(catalogue, budgets, len(files), stale, verdicts, problems, remarks)
    ctx.exit(1 if failed else 0)


def _refuse(ctx: click.Context, error: CatalogueError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_report(list(error.problems), [], [], [], []), indent=2))
    else:
        click.echo(str(error), err=True)
        count = len(error.problems)
        click.echo(f"{count} problem{'s' if count != 1 else ''}; nothing else was checked", err=True)
    ctx.exit(1)


def _report(
    problems: list[Any],
    budgets: list[ModelBudget],
    stale: list[str],
    verdicts: list[Verdict],
    baselines: list[str],
    remarks: Sequence[str] = (),
) -> dict[str, Any]:
    return {
        "ok": not (problems or stale or baselines or any(v.status == "failed" for v in verdicts)),
        "problems": [
            {"file": p.file, "line": p.line, "message": p.message, "rule": p.rule} for p in problems
        ],
        "series": {
            budget.model: {
                "per_version": budget.per_version,
                "versions": budget.versions,
                "unknown_versions": budget.unknown,
                "total": budget.series,
                "limit": budget.limit,
                "parts": {part.group: part.series for part in budget.parts},
            }
            for budget in budgets
        },
        "stale": stale,
        "tools": [{"tool": v.tool, "status": v.status, "output": v.output} for v in verdicts],
        "baseline_problems": baselines,
        "baseline_remarks": list(remarks),
    }


def _baseline_remarks(folder: Path) -> list[str]:
    """Return what artefacts lack that are usable all the same; unreadable ones are problems, not remarks."""
    remarks = []
    for path in sorted(folder.glob("*.json")):
        try:
            baseline = load_baseline(path)
        except BaselineError:
            continue
        if any(bins.problem_peaks is UNSET for bins in baseline.features.values()):
            remarks.append(
                f"{path}: was built before the worst windows of missing values were measured: FeatureBroken "
                "knows only their share over all rows; build it again"
            )
    return remarks


def _baseline_problems(catalogue: Catalogue, folder: Path) -> list[str]:
    if not folder.is_dir():
        return [f"{folder}: no such folder"]
    problems = []
    for path in sorted(folder.glob("*.json")):
        try:
            baseline = load_baseline(path)
        except BaselineError as error:
            problems.append(str(error))
            continue
        problems.extend(f"{path}: {message}" for message in _misfits(catalogue, baseline))
    return problems


def _misfits(catalogue: Catalogue, baseline: Baseline) -> list[str]:
    """Return why a baseline does not fit the catalogue."""
    model = catalogue.models.get(baseline.model)
    remedy = "build it again, or correct the catalogue"
    if model is None:
        return [f"model {baseline.model!r} is not in the catalogue: remove the file or declare the model"]
    if model.task != baseline.task:
        return [f"is of a {baseline.task} model, the catalogue says {model.task}: {remedy}"]
    found = []
    if list(model.classes or ()) != baseline.classes:
        found.append(
            f"has the classes {baseline.classes}, the catalogue {list(model.classes or ())}: {remedy}"
        )
    for objective in model.objectives:
        metric, known = objective.metric, baseline.quality.get(objective.metric)
        if known is None:
            found.append(
                f"has no {metric}: its {objective.severity} objective can never fire: build it from "
                "held-out rows with outcomes, or bound another metric"
            )
            continue
        beyond = beyond_chance(objective, model, known.value) if objective.max_drop is not None else None
        if beyond is not None:
            found.append(f"{objective.severity} {beyond[0]}: {beyond[1]}")
        past = (objective.floor is not None and known.value < objective.floor) or (
            objective.ceiling is not None and known.value > objective.ceiling
        )
        if past:
            found.append(
                f"has {metric} {known.value:.4g}, already past its {objective.severity} bound: "
                "it would fire from the start; correct the bound, or do not deploy this version"
            )
    features = set(baseline.features) - set(PSEUDO_FEATURES)
    for name in sorted(set(model.features) - features):
        found.append(f"has no feature {name!r}, which the catalogue declares: {remedy}")
    for name in sorted(features - set(model.features)):
        found.append(f"has the feature {name!r}, which the catalogue does not declare: {remedy}")
    for name in sorted(features & set(model.features)):
        kind = "numeric" if model.features[name].type == "numeric" else "categorical"
        if baseline.features[name].kind != kind:
            found.append(
                f"has a {baseline.features[name].kind} feature {name!r}, the catalogue {kind}: {remedy}"
            )
    return found


def _print(
    path: Path,
    budgets: list[ModelBudget],
    files: int,
    stale: list[str],
    verdicts: list[Verdict],
    baselines: list[str],
    remarks: list[str],
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{path}: no problem found", style="green")
    console.print(budget_table(budgets))
    if stale:
        for name in stale:
            console.print(f"{name}: not up to date: run 'plumbline generate'", style="red")
    else:
        console.print(f"{files} generated files are up to date", style="green")
    for verdict in verdicts:
        if verdict.status == "absent":
            console.print(
                f"{verdict.tool}: not run, {verdict.tool.split()[0]} is not installed", style="yellow"
            )
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
    groups = [part.group for part in budgets[0].parts] if budgets else []
    for i, group in enumerate(groups):
        table.add_row(group, *(str(budget.parts[i].series) for budget in budgets))
    table.add_section()
    table.add_row("one version", *(str(budget.per_version) for budget in budgets))
    table.add_row("live versions", *(str(budget.versions) for budget in budgets))
    table.add_row("unknown versions", *(str(budget.unknown) for budget in budgets))
    table.add_row("all versions", *(str(budget.series) for budget in budgets), style="bold")
    table.add_row("budget", *(str(budget.limit) for budget in budgets))
    return table
