"""``plumbline trace`` and ``plumbline batch``: from a request to its training data, and back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.options import PathType, json_option
from plumbline.errors import PlumblineError, UsageError
from plumbline.names import DEFAULT_PORT

if TYPE_CHECKING:
    from plumbline.trace.client import Client
    from plumbline.trace.lookup import Lookup

_PAGE = 1000
_DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


def _source(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--baselines",
            type=PathType,
            default=Path("baselines"),
            show_default=True,
            help="With --data or --store: folder of baseline artefacts to read.",
        ),
        click.option("--store", metavar="URL", help="Read this PostgreSQL store instead: postgresql://..."),
        click.option("--data", type=PathType, help="Read this data folder instead of asking an exporter."),
        click.option("--url", help=f"The exporter to ask.  [default: {_DEFAULT_URL}]"),
    ):
        command = option(command)
    return command


@contextlib.contextmanager
def _open(url: str | None, data: Path | None, store: str | None, baselines: Path) -> Iterator[Client | Lookup]:
    """Open whatever answers: an exporter, or a store, which a running exporter may be writing."""
    source: Client | Lookup
    if sum(one is not None for one in (url, data, store)) > 1:
        raise UsageError("give one of --url, --data and --store")
    if data is not None or store is not None:
        from plumbline.baseline.folder import BaselineFolder
        from plumbline.store.open import open_reader
        from plumbline.trace.lookup import Lookup

        source = Lookup(open_reader(data, store), BaselineFolder(baselines))
    else:
        from plumbline.trace.client import Client

        url = _DEFAULT_URL if url is None else url
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"--url {url!r}: write it with its scheme, such as {_DEFAULT_URL}")
        source = Client(url.rstrip("/"))
    try:
        yield source
    finally:
        source.close()


@click.command()
@click.argument("request_id")
@_source
@json_option
def trace(
    request_id: str, url: str | None, data: Path | None, store: str | None, baselines: Path, as_json: bool
) -> None:
    """Show all that is known of REQUEST_ID.

    The predictions with their features, the model version with commit and training data, the data batch
    and the pipeline runs behind it, outcomes, KPIs, and the log lines of every service that touched it.
    Asks a running exporter, or reads a store (--data or --store), also while an exporter writes it; writes
    nothing. Exit code 1 if nothing is known. The JSON is described in docs/trace.md.
    """
    from plumbline.trace.model import to_json
    from plumbline.trace.text import print_trace

    with _open(url, data, store, baselines) as source:
        found = source.trace(request_id)
    if found is None:
        raise _unknown("request", request_id)
    if as_json:
        click.echo(to_json(found))
    else:
        print_trace(found)


@click.command()
@click.argument("data_batch_id")
@_source
@click.option("--list", "as_list", is_flag=True, help="Print every prediction that used it, one JSON object a line.")
@json_option
def batch(
    data_batch_id: str,
    url: str | None,
    data: Path | None,
    store: str | None,
    baselines: Path,
    as_list: bool,
    as_json: bool,
) -> None:
    """Show where DATA_BATCH_ID came from, what was made from it, and which predictions used it.

    Asks a running exporter, or reads a store (--data or --store), also while an exporter writes it; writes
    nothing. Exit code 1 if nothing is known. The JSON is described in docs/trace.md.
    """
    from plumbline.trace.model import to_json
    from plumbline.trace.text import print_batch

    with _open(url, data, store, baselines) as source:
        if as_list:
            _list(source, data_batch_id)
            return
        found = source.batch(data_batch_id)
    if found is None:
        raise _unknown("data batch", data_batch_id)
    if as_json:
        click.echo(to_json(found))
    else:
        print_batch(found)


def _list(source: Client | Lookup, data_batch_id: str) -> None:
    """Print predictions by parts; any number of them needs little memory."""
    import msgspec

    after: int | None = 0
    printed = 0
    while after is not None:
        page = source.used(data_batch_id, after, _PAGE)
        for one in page.predictions:
            click.echo(msgspec.json.encode(one))
        printed += len(page.predictions)
        after = page.next
    if not printed:
        raise PlumblineError(f"no stored prediction used data batch {data_batch_id!r}")


def _unknown(what: str, identifier: str) -> PlumblineError:
    return PlumblineError(f"nothing is known of {what} {identifier!r}: it was never sent, or was rejected when it came")
