"""Which reader a history file needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from plumbline.catalogue.model import Model
from plumbline.errors import UsageError
from plumbline.events.lines import mended
from plumbline.files import text_lines
from plumbline.history.records import JsonLines, Source
from plumbline.units import PLAIN_CLOCK, Clock

_EVENTS = re.compile(r"\.(ndjson|jsonl|json|log)(\.\w+)?$", re.IGNORECASE)
_TABLE = re.compile(r"\.(csv|tsv|tab|psv)(\.\w+)?$", re.IGNORECASE)


def is_table(path: Path) -> bool:
    """Whether a file holds a table rather than events.

    By its first bytes if it is no text, else by its name, else by its first line: an event begins with a bracket.

    Raises:
        UsageError: there is no such file.
        TableError: it cannot be read.
    """
    from plumbline.baseline.arrow import kind_of

    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if kind_of(path) != "text" or _TABLE.search(path.name):
        return True
    if _EVENTS.search(path.name):
        return False
    with path.open("rb") as file:
        first = mended(next(text_lines(file, path), b"")).strip()
    return not first.startswith((b"{", b"[")) and any(sign in first for sign in b",;\t|")


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
        paths: files or folders; all of events, or all tables.
        models: the catalogue's models; for tables.
        given: see ``plumbline.baseline.columns.choose_columns``; for tables, as are the rest.
        model: the model of all rows.
        version: the version of all rows.
        clock: how times are written.

    Raises:
        UsageError: the files differ in kind, one is missing, or the options do not fit.
        TableError: a table lacks a column.
    """
    from plumbline.baseline.arrow import table_files

    paths = table_files(paths)
    tables = [is_table(path) for path in paths]
    if not any(tables):
        if given or (model, version, clock) != (None, None, PLAIN_CLOCK):
            raise UsageError(
                "--map, --model, --version, --time-zone and --time-unit are for tables: events say it themselves"
            )
        return JsonLines(paths), ()
    if not all(tables):
        raise UsageError("either all files hold events (JSON), or all hold tables (CSV, Parquet, Arrow)")
    from plumbline.history.tables import open_tables

    return open_tables(paths, models, given or {}, model, version, clock)
