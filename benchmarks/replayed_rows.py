"""Rows of replays in which nothing drifts, and what is planted into them; see ``replays.py``."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.catalogue.model import Model
from plumbline.units import parse_time

DAY = 86_400.0
START = 1_700_006_400.0 // DAY * DAY  # any midnight in the past
SYNTHETIC_DAYS = 84


@dataclass(frozen=True)
class Row:
    """One prediction with its outcome; ``second`` is the time within its day."""

    day: int
    second: float
    features: dict[str, Any]
    prediction: Any
    score: float | None
    actual: Any


@dataclass(frozen=True)
class Plan:
    """How much is replayed, and what is planted."""

    replays: int
    days: int
    block: int
    step: float
    seed: int = 0
    plant: tuple[str, float] | None = None
    plant_day: int = 14


def read_reference(path: Path, model: Model, where: str | None, actual: str) -> list[Row]:
    """Return the rows of a reference table in order of time."""
    opener = gzip.open if path.suffix == ".gz" else open
    column, _, wanted = (where or "").partition("=")
    rows = []
    with opener(path, "rt", newline="") as source:
        for line in csv.DictReader(source):
            if where and line[column] != wanted:
                continue
            at = parse_time(line["ts"])
            features = {
                name: (None if line[name] in ("", "nan") else float(line[name]))
                if feature.type == "numeric"
                else line[name] or None
                for name, feature in model.features.items()
            }
            score = float(line["score"]) if model.task == "binary" else None
            rows.append(
                Row(
                    int(at // DAY),
                    at % DAY,
                    features,
                    _answer(line["prediction"], model),
                    score,
                    _answer(line[actual], model),
                )
            )
    return sorted(rows, key=lambda row: (row.day, row.second))


def _answer(text: str, model: Model) -> Any:
    if text == "":
        return None
    return str(int(float(text))) if model.task == "binary" else float(text)


def resampled(rows: Sequence[Row], plan: Plan, random: np.random.Generator) -> Iterator[Row]:
    """Yield a replay's rows: whole days of the reference in blocks drawn with replacement."""
    by_day: dict[int, list[Row]] = {}
    for row in rows:
        by_day.setdefault(row.day, []).append(row)
    usual = float(np.median([len(found) for found in by_day.values()]))
    days = [day for day in sorted(by_day) if len(by_day[day]) >= usual / 2]  # not those cut at an end
    made, starts = 0, max(len(days) - plan.block, 0) + 1
    while made < plan.days:
        # On the weekday that comes next, or a week would hold two Mondays where blocks meet.
        alike = [i for i in range(starts) if (days[i] - days[0] - made) % 7 == 0]
        first = int(random.choice(alike or range(starts)))
        for day in days[first : first + min(plan.block, plan.days - made)]:
            for row in by_day[day]:
                yield replace(row, day=made)
            made += 1


def synthetic(task: str, days: int, per_day: int, random: np.random.Generator) -> Iterator[Row]:
    """Yield rows of a stationary process: hours of the day, days that are easier or harder, gaps.

    ``x`` follows the hour, ``y`` is a walk that returns to its mean within days, ``z`` is missing in a
    twentieth of the hours, ``c`` is a category.
    """
    walk = 0.0
    hard = random.normal(0.0, 1.0, days)
    gone = random.random((days, 24)) < 0.05
    for day in range(days):
        walk = 0.7 * walk + random.normal(0.0, 0.5)
        seconds = np.sort(random.uniform(0.0, DAY, per_day))
        for second in seconds.tolist():
            hour = int(second // 3600)
            x = float(np.sin(second / DAY * 2 * np.pi) + random.normal(0.0, 1.0))
            y = float(walk + random.normal(0.0, 1.0))
            z = None if gone[day, hour] else float(random.normal(0.0, 1.0))
            features = {"x": x, "y": y, "z": z, "c": f"k{min(int(random.geometric(0.4)), 6)}"}
            if task == "binary":
                score = float(1.0 / (1.0 + np.exp(-(1.6 * x + 0.15 * hard[day]))))
                actual = str(int(random.random() < 1.0 / (1.0 + np.exp(-1.6 * x))))
                yield Row(day, second, features, str(int(score >= 0.5)), score, actual)
            else:
                noise = random.normal(0.0, 1.0 + 0.1 * abs(hard[day]))
                yield Row(day, second, features, 2.0 * x, None, float(2.0 * x + noise))


def planted(rows: Iterable[Row], plan: Plan, model: Model, random: np.random.Generator) -> Iterator[Row]:
    """Yield the rows, changed from the plan's day on."""
    if plan.plant is None:
        yield from rows
        return
    kind, size = plan.plant
    found = list(rows)
    first = next(name for name, feature in model.features.items() if feature.type == "numeric")
    values = [row.features[first] for row in found if row.features[first] is not None]
    spread = float(np.std(values)) if values else 1.0
    error = 1.0
    if model.task == "regression":
        error = float(np.std([row.actual - row.prediction for row in found if row.actual is not None]))
    for row in found:
        if row.day < plan.plant_day:
            yield row
        elif kind == "missing":
            gone = random.random() < size
            yield replace(row, features={**row.features, first: None}) if gone else row
        elif kind == "shift":
            value = row.features[first]
            moved = None if value is None else value + size * spread
            yield replace(row, features={**row.features, first: moved})
        elif row.actual is None:
            yield row
        elif model.task == "regression":
            # A second, independent error of the given size, so that MAE grows and the bias stays.
            yield replace(row, actual=row.actual + random.normal(0.0, size * error))
        else:
            classes = [str(c) for c in model.classes or ()]
            other = classes[1 - classes.index(row.actual)]
            yield replace(row, actual=other if random.random() < size else row.actual)
