"""Ports that nobody else is given meanwhile, and servers that end with whoever started them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from plumbline.servers import free_port
from support.servers import listen, wait_for

# Starts a server, prints its process id and waits.
STARTER = """
import sys, time
from pathlib import Path
from plumbline.servers import Server
print(Server("sleep", ["sleep", "60"], "", Path(sys.argv[1])).process.pid, flush=True)
time.sleep(60)
"""


def test_free_ports_are_all_different_and_a_server_can_listen_on_them() -> None:
    """By chance some of 500 would be the same: the system draws from fewer than 30,000."""
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == len(ports)
    listen(ports[0]).close()


def test_a_server_ends_with_a_starter_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, tmp_path / "log"], stdout=subprocess.PIPE) as starter:
        try:
            assert starter.stdout is not None
            server = psutil.Process(int(starter.stdout.readline()))
            assert server.is_running()
        finally:
            starter.kill()
    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, name="the end of the server")
