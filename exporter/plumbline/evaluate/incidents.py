"""Incidents: what really happened, from a CSV file that a person or a job wrote.

Columns: ``start`` and ``end`` (RFC 3339 with an offset; a space instead of the T will do). Optional:
``model`` (absent or empty = every model), ``metric`` (absent or empty = any) and ``sustained`` (1 = it
lasted and must be found; 0 = a single bad chunk). Further columns are ignored.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from plumbline.errors import TableError
from plumbline.units import parse_time

_TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which a model was bad.

    Attributes:
        start: epoch seconds.
        end: epoch seconds, not before ``start``.
        model: the model concerned; empty = every model.
        metric: the quality metric that was bad; empty = not said.
        sustained: whether it lasted; None = the file does not say.
        line: line in the file.
    """

    start: float
    end: float
    model: str = ""
    metric: str = ""
    sustained: bool | None = None
    line: int = 0


def read_incidents(path: Path) -> list[Incident]:
    """Return the incidents of a file in order of their start.

    Raises:
        TableError: naming file and line, if the file cannot be read, lacks a column, or holds a time or
            a truth value that is none.
    """
    try:
        with path.open(newline="", encoding="utf-8") as source:
            table = csv.DictReader(source)
            missing = {"start", "end"} - set(table.fieldnames or ())
            if missing:
                raise TableError(
                    f"{path}:1: no column {' and no column '.join(sorted(missing))}; an incidents file needs "
                    "start and end, and may have model, metric and sustained"
                )
            found = [_incident(row, f"{path}:{table.line_num}", table.line_num) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read: {error}") from error
    return sorted(found, key=lambda incident: (incident.start, incident.end, incident.line))


def _incident(row: dict[str, str | None], where: str, line: int) -> Incident:
    times = {}
    for column in ("start", "end"):
        text = (row[column] or "").strip()
        try:
            times[column] = parse_time(text)
        except ValueError as error:
            raise TableError(f"{where}: {column}: {error}") from error
    if times["end"] < times["start"]:
        raise TableError(f"{where}: the incident ends before it starts")
    said = (row.get("sustained") or "").strip().lower()
    if said and said not in _TRUTH:
        raise TableError(f"{where}: sustained: {said!r} is neither 1 nor 0")
    return Incident(
        times["start"],
        times["end"],
        (row.get("model") or "").strip(),
        (row.get("metric") or "").strip(),
        _TRUTH.get(said),
        line,
    )
