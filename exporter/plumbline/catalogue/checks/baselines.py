"""Do baseline artefacts fit the catalogue, and its objectives what the baselines vary by themselves?"""

from __future__ import annotations

from pathlib import Path

from msgspec import UNSET

from plumbline import names
from plumbline.baseline.artefact import Baseline, load_baseline
from plumbline.catalogue.checks.reach import beyond_chance
from plumbline.catalogue.model import Catalogue
from plumbline.errors import BaselineError
from plumbline.names import PSEUDO_FEATURES
from plumbline.significance import sigmas


def examine_baselines(catalogue: Catalogue, folder: Path) -> tuple[list[str], list[str]]:
    """Return why artefacts cannot serve the catalogue, and what those lack that can; one sentence each.

    Each begins with the file. An unreadable artefact is a problem.
    """
    if not folder.is_dir():
        return [f"{folder}: no such folder"], []
    problems: list[str] = []
    remarks: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            baseline = load_baseline(path)
        except BaselineError as error:
            problems.append(str(error))
            continue
        problems.extend(f"{path}: {message}" for message in _misfits(catalogue, baseline))
        remarks.extend(f"{path}: {remark}" for remark in _lacks(baseline))
        remarks.extend(f"{path}: {remark}" for remark in _later_than_declared(catalogue, baseline))
    return problems, remarks


def _lacks(baseline: Baseline) -> list[str]:
    """Return what was not yet measured when the artefact was built."""
    found = []
    if any(bins.problem_peaks is UNSET for bins in baseline.features.values()):
        found.append(
            "was built before the worst windows of missing values were measured: FeatureBroken "
            "knows only their share over all rows; build it again"
        )
    if baseline.lineage.start and any(q.spreads is UNSET for q in baseline.quality.values()):
        found.append(
            "was built before the spread of the quality was measured by length of window: its "
            "alerts take that of its time blocks for all of them; build it again"
        )
    return found


def _later_than_declared(catalogue: Catalogue, baseline: Baseline) -> list[str]:
    """Name the objectives that lie within what the baseline's own windows stray: alerts wait for more."""
    model = catalogue.models.get(baseline.model)
    slow = catalogue.evaluation.slow
    found = []
    for objective in model.objectives if model else ():
        quality = baseline.quality.get(objective.metric)
        spread = quality.spread_over(slow) if quality else None
        if quality is None or spread is None:
            continue
        bound = objective.floor if objective.floor is not None else objective.ceiling
        loss = objective.max_drop if bound is None else abs(quality.value - bound)
        alert, times = ("ticket", sigmas(slow, sides=1)) if objective.severity == "warning" else ("page", names.SIGMAS)
        if loss is not None and loss < times * spread:
            found.append(
                f"{objective.severity} {objective.metric}: windows of {slow} of the baseline itself stray by "
                f"{spread:.3g}, so a {alert} comes at a loss of {times * spread:.3g}, not of {loss:.3g}: "
                "declare as much, or look over a longer slow window"
            )
    return found


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
        found.append(f"has the classes {baseline.classes}, the catalogue {list(model.classes or ())}: {remedy}")
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
            found.append(f"has a {baseline.features[name].kind} feature {name!r}, the catalogue {kind}: {remedy}")
    return found
