"""``plumbline serve``: the exporter."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import cast

import click

from plumbline.catalogue.load import load_catalogue
from plumbline.cli.options import PathType, catalogue_option
from plumbline.errors import UsageError
from plumbline.hooks.runner import HookRunner
from plumbline.ingest.engine import open_engine
from plumbline.logs import Format, configure_logging
from plumbline.names import DEFAULT_PORT
from plumbline.server.run import Exporter, bind, parse_listen
from plumbline.server.writer import QUEUE_EVENTS
from plumbline.store.open import open_store
from plumbline.trace.lookup import Lookup


@click.command()
@catalogue_option
@click.option(
    "--baselines",
    type=PathType,
    default=Path("baselines"),
    show_default=True,
    help="Folder of baseline artefacts to read; may be empty or absent.",
)
@click.option(
    "--data",
    type=PathType,
    default=Path("data"),
    show_default=True,
    help="Folder of the store to read and write, and of the evidence that hooks freeze; made if absent.",
)
@click.option(
    "--store",
    "url",
    metavar="URL",
    help="Keep the store in PostgreSQL instead: postgresql://USER@HOST/DATABASE, password in ~/.pgpass.",
)
@click.option("--shard", help="With --store: name of this exporter among those that share it.  [default: main]")
@click.option(
    "--listen", default=f"127.0.0.1:{DEFAULT_PORT}", show_default=True, help="HOST:PORT; port 0 takes a free one."
)
@click.option(
    "--web.external-url",
    "external_url",
    metavar="URL",
    help="The URL under which users reach the exporter, for example through a proxy. Its path is put before "
    "all links; requests may carry it too.  "
    "[default: links.exporter of the catalogue]",
)
@click.option("--insecure-listen", is_flag=True, help="Allow plain HTTP beyond this machine.")
@click.option(
    "--queue-events",
    type=click.IntRange(min=1),
    default=QUEUE_EVENTS,
    show_default=True,
    help="Events that may wait for the store; beyond it requests are answered 429.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "console"]),
    default="auto",
    show_default=True,
    help="auto: for people on a terminal, JSON otherwise.",
)
@click.option("--debug", is_flag=True, help="Log one line per ingest request.")
def serve(
    catalogue: Path,
    baselines: Path,
    data: Path,
    url: str | None,
    shard: str | None,
    listen: str,
    external_url: str | None,
    insecure_listen: bool,
    queue_events: int,
    log_format: str,
    debug: bool,
) -> None:
    """Take events, count them, and show the counts to Prometheus.

    Reads the catalogue, the baselines and the store; writes the store. Serves /metrics, POST /v1/events,
    POST /v1/alerts (Alertmanager's webhook, which may call the catalogue's hooks), /trace/REQUEST_ID,
    /batch/DATA_BATCH_ID, /-/healthy, /-/ready and a landing page on one port. Ends on SIGTERM or Ctrl-C when
    everything accepted is stored.
    """
    os.umask(0o077)  # what is stored is for the exporter's own user
    log_stream = configure_logging(cast("Format", log_format), debug)
    host, port = parse_listen(listen, insecure_listen)
    if external_url is not None and not re.fullmatch(r"https?://[^/?#]+(/[^?#]*)?", external_url):
        raise UsageError(f"--web.external-url {external_url!r}: write it whole, such as https://example.org/plumbline")
    if shard is not None and url is None:
        raise UsageError("--shard names an exporter among those that share a --store; a folder has only one")
    declared = load_catalogue(catalogue)
    # The port before the store: a second exporter by mistake fails here, with nothing touched.
    sock = bind(host, port)
    try:
        engine = open_engine(declared, baselines, lambda: open_store(data, url, shard))
        lookup = Lookup(engine.store.reader(), engine.baselines, lambda: engine.store.last_seq)
        hooks = HookRunner(engine.actions, declared, engine.store, data, engine.blocks, baselines=engine.baselines)
        exporter = Exporter(
            declared,
            engine,
            sock,
            data=data if url is None else None,
            lookup=lookup,
            hooks=hooks,
            queue_events=queue_events,
            external_url=external_url,
        )
        exporter.app.metrics.log_lines_dropped = lambda: log_stream.dropped
        code = exporter.run(lambda url: click.echo(f"plumbline listens on {url}"))
    finally:
        sock.close()
    sys.exit(code)
