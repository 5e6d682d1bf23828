"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from plumbline.errors import PlumblineError
from plumbline.names import DEFAULT_PORT
from plumbline.units import Clock, parse_duration, parse_time

if TYPE_CHECKING:
    from plumbline.catalogue.model import Model
    from plumbline.history.records import Source

DEFAULT_CATALOGUE = "plumbline.yaml"

PathType = click.Path(path_type=Path)

catalogue_argument: Callable[[Any], Any] = click.argument(
    "catalogue", type=PathType, default=DEFAULT_CATALOGUE, required=False
)
catalogue_option: Callable[[Any], Any] = click.option(
    "--catalogue", type=PathType, default=DEFAULT_CATALOGUE, show_default=True, help="The catalogue's file."
)
url_option: Callable[[Any], Any] = click.option(
    "--url", default=f"http://127.0.0.1:{DEFAULT_PORT}", show_default=True, help="The exporter."
)
json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, for scripts."
)


def parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return an option's callback: what ``parse`` makes of the text, None of none; its ValueError names the option."""

    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from error

    return callback


def _positive_duration(text: str) -> float:
    if (seconds := parse_duration(text)) <= 0.0:
        raise ValueError("must be longer than 0")
    return seconds


duration_seconds = parsed(_positive_duration)
moment = parsed(parse_time)


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
    from plumbline.evaluate.budget import parse_budget

    return parsed(parse_budget)(ctx, param, value) or {}


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


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{text!r} is not a time zone: write UTC or Europe/Vienna") from error


def _added(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


map_option: Callable[[Any], Any] = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    callback=_mapping,
    help="Tables: the column that holds a field, feature or slice; FIELD= says there is none.",
)
time_options = _added(
    click.option(
        "--time-zone",
        metavar="ZONE",
        callback=parsed(_zone),
        help="Tables: time zone of times that name none, such as UTC or Europe/Vienna.",
    ),
    click.option(
        "--time-unit",
        type=click.Choice(["s", "ms", "us", "ns"]),
        default="s",
        show_default=True,
        callback=parsed({"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}.__getitem__),
        help="Tables: unit of times that are numbers: seconds, milliseconds, ...",
    ),
)
table_options = _added(
    map_option,
    click.option("--model", help="Tables: the model of all rows  [default: the catalogue's only one]."),
    click.option("--version", help="Tables: the version of all rows  [default: column version]."),
)
history_options = _added(
    click.argument("history", nargs=-1, required=True, type=PathType, metavar="HISTORY..."), table_options, time_options
)


def history_of(
    files: tuple[Path, ...],
    models: Mapping[str, Model],
    mapping: dict[str, str],
    model: str | None,
    version: str | None,
    time_zone: ZoneInfo | None,
    time_unit: float,
) -> Source:
    """Open the files of ``history_options``; the columns that nothing reads are noted on standard error."""
    from plumbline.history.open import open_history

    source, left_out = open_history(files, models, mapping, model, version, Clock(time_zone, time_unit))
    if left_out:
        click.echo(f"note: columns that are not read: {', '.join(left_out)}", err=True)
    return source
