"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from plumbline.errors import PlumblineError
from plumbline.units import parse_duration

DEFAULT_CATALOGUE = "plumbline.yaml"

PathType = click.Path(path_type=Path)

catalogue_argument: Callable[[Any], Any] = click.argument(
    "catalogue", type=PathType, default=DEFAULT_CATALOGUE, required=False
)
catalogue_option: Callable[[Any], Any] = click.option(
    "--catalogue", type=PathType, default=DEFAULT_CATALOGUE, show_default=True, help="The catalogue's file."
)
json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, for scripts."
)


def duration_seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of a Prometheus duration, None of one not given; an option's callback."""
    if value is None:
        return None
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    if seconds <= 0.0:
        raise click.BadParameter("must be longer than 0", ctx, param)
    return seconds


def optional_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of a Prometheus duration, None where none is given; an option's callback."""
    return None if value is None else duration_seconds(ctx, param, value)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the file system's refusal to write into an expected error."""
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        raise PlumblineError(
            f"{place}: cannot be written: {error.strerror}; choose another folder, or correct this one"
        ) from error


def budget_option(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, float]:
    """Parse ``pages-per-quarter=N,tickets-per-month=N``; nothing given = no bounds."""
    if value is None:
        return {}
    from plumbline.evaluate.budget import parse_budget

    try:
        return parse_budget(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _mapping(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return FIELD -> COLUMN of repeated ``FIELD=COLUMN``."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, column = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r}: write FIELD=COLUMN, or FIELD= if there is none", ctx, param)
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice", ctx, param)
        found[name] = column
    return found


def _zone(ctx: click.Context, param: click.Parameter, value: str | None) -> ZoneInfo | None:
    try:
        return None if value is None else ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise click.BadParameter(f"{value!r} is no time zone: write UTC or Europe/Vienna", ctx, param) from error


def _unit(ctx: click.Context, param: click.Parameter, value: str) -> float:
    return {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[value]


def time_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how the times of a table are meant: a zone, and the seconds of a unit."""
    command = click.option(
        "--time-unit",
        type=click.Choice(["s", "ms", "us", "ns"]),
        default="s",
        show_default=True,
        callback=_unit,
        help="Tables: unit of times that are numbers: seconds, milliseconds, ...",
    )(command)
    return click.option(
        "--time-zone",
        metavar="ZONE",
        callback=_zone,
        help="Tables: time zone of times that name none, such as UTC or Europe/Vienna.",
    )(command)


map_option: Callable[[Any], Any] = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    callback=_mapping,
    help="Tables: the column that holds a field, feature or slice; FIELD= says there is none.",
)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what the columns of a table hold."""
    options = (
        map_option,
        click.option("--model", help="Tables: the model of all rows  [default: the catalogue's only one]."),
        click.option("--version", help="Tables: the version of all rows  [default: column version]."),
    )
    for option in reversed(options):
        command = option(command)
    return command
