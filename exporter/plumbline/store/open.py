"""Choosing a store: a folder, or a database's URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.errors import UsageError
from plumbline.store.base import Reader, Store

if TYPE_CHECKING:
    from plumbline.store.postgres import PostgresStore
    from plumbline.store.postgres_reader import PostgresReader

_SCHEMES = ("postgresql://", "postgres://")


def open_store(data: Path | None, url: str | None = None, shard: str | None = None) -> Store:
    """Open the store at ``url`` if given, and the embedded one in ``data`` otherwise.

    Raises:
        UsageError: neither is given, or the URL cannot be used.
        StoreError: the store cannot be opened.
    """
    if url is not None:
        store, _ = _postgres(url)
        return store(url) if shard is None else store(url, shard)
    if data is None:
        raise UsageError("no store is named: give --data FOLDER or --store URL")
    from plumbline.store.embedded import EmbeddedStore

    return EmbeddedStore(data)


def open_reader(data: Path | None, url: str | None = None) -> Reader:
    """Open a store for looking only, beside the process that writes it; see ``open_store``."""
    if url is not None:
        _, reader = _postgres(url)
        return reader(url)
    if data is None:
        raise UsageError("no store is named: give --data FOLDER or --store URL")
    from plumbline.store.reader import open_reader as open_folder

    return open_folder(data)


def _postgres(url: str) -> tuple[type[PostgresStore], type[PostgresReader]]:
    if not url.startswith(_SCHEMES):
        raise UsageError("--store takes a URL such as postgresql://plumbline@localhost/plumbline")
    try:
        from plumbline.store.postgres import PostgresStore
        from plumbline.store.postgres_reader import PostgresReader
    except ImportError as error:
        raise UsageError("--store needs the PostgreSQL driver: pip install 'plumbline[postgres]'") from error
    return PostgresStore, PostgresReader
