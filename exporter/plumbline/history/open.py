"""Which reader a history file needs: by its name, and for Parquet by its first bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from plumbline.catalogue.model import Model
from plumbline.errors import UsageError
from plumbline.history.records import JsonLines, Source
from plumbline.units import PLAIN_CLOCK, Clock


def is_table(path: Path) -> bool:
    """Whether a file holds a table rather than one event a line.

    Raises:
        UsageError: there is no such file.
    """
    from plumbline.history.tables import TABLE_SUFFIXES

    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.name.lower().endswith(TABLE_SUFFIXES):
        return True
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def open_history(
    paths: Sequence[Path],
    models: Mapping[str, Model],
    given: Mapping[str, str] | None = None,
    model: str | None = None,
    version: str | None = None,
    clock: Clock = PLAIN_CLOCK,
) -> tuple[Source, tuple[str, ...]]:
    """Return the history of some files, and the columns that nothing reads.

    Args:
        paths: all NDJSON, or all tables.
        models: the catalogue's models; for tables.
        given: see ``plumbline.history.columns.choose_columns``; for tables, as are the rest.
        model: the model of all rows.
        version: the version of all rows.
        clock: how times are written.

    Raises:
        UsageError: the files differ in kind, one is missing, or the options do not fit.
        TableError: a table lacks a column.
    """
    tables = [is_table(path) for path in paths]
    if not any(tables):
        if given or (model, version, clock) != (None, None, PLAIN_CLOCK):
            raise UsageError(
                "--map, --model, --version, --time-zone and --time-unit are for tables: events say it themselves"
            )
        return JsonLines(paths), ()
    if not all(tables):
        raise UsageError("either all files hold events (NDJSON), or all hold tables (CSV, Parquet)")
    from plumbline.history.columns import choose_columns
    from plumbline.history.tables import Tables

    columns = choose_columns(paths[0], models, given or {}, model, version, clock)
    return Tables(paths, columns), columns.left_out
