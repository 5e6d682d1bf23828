"""A real PostgreSQL for tests: in a folder of its own, on a Unix socket only, stopped by its own pg_ctl."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psutil
import psycopg

_SHARED_MEMORY = "/dev/shm"  # noqa: S108  a folder of a random name is made in it


def programs() -> Path | None:
    """Return the newest folder of PostgreSQL's server programs; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return folders[-1] if folders and (folders[-1] / "initdb").exists() else None


def why_not() -> str | None:
    """Return why no server can be started here; None if one can."""
    if programs() is None:
        return "no PostgreSQL server programs here (apt-get install postgresql)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL does not run as root, and there is no user postgres to run it"
        if shutil.which("setpriv") is None:
            return "PostgreSQL does not run as root, and there is no setpriv to leave it"
    return None


def _in_memory() -> str | None:
    """Return a folder in memory if there is room for a server's, some 2 GB; None otherwise.

    A hundred databases on a disk take minutes to recover and to remove. The crashes of the tests are crashes of
    processes, and what a process has written survives them in memory too.
    """
    if not os.access(_SHARED_MEMORY, os.W_OK):
        return None
    room = min(shutil.disk_usage(_SHARED_MEMORY).free, psutil.virtual_memory().available)
    return _SHARED_MEMORY if room > 6 << 30 else None


class Postgres:
    """A server; a context manager. Its tables are as durable as a real one's (fsync stays on)."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._bin = found
        # Short and with an owner of its own: a socket's path is limited, and root may not own the files.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_in_memory()))
        self._as: list[str] = []
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            self.user = "postgres"
            shutil.chown(self.folder, "postgres")
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._databases = 0

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._bin / command[0]), *command[1:]],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{command[0]}: {done.stdout}\n{log.read_text() if log.exists() else ''}")

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c max_connections=40"
        # After a crash the server syncs its whole folder: file by file that takes minutes on a busy disk.
        options += " -c recovery_init_sync_method=syncfs -c max_wal_size=256MB"
        data = str(self.folder / "data")
        self._run("pg_ctl", "start", "-w", "-t", "180", "-s", "-D", data, "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop; ``immediate`` is PostgreSQL's word for a crash."""
        self._run("pg_ctl", "stop", "-w", "-s", "-D", str(self.folder / "data"), "-m", mode)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Return the URL of a new, empty database."""
        self._databases += 1
        name = f"test{self._databases}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def __enter__(self) -> Self:
        try:
            self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", self.user, "-N", "-E", "UTF8")
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
