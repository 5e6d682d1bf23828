"""The loopback ports of one run, held until its servers start."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from plumbline.errors import ToolError
from plumbline.servers import LOOPBACK


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers of one run listen."""

    prometheus: int
    alertmanager: int
    exporter: int
    receiver: int
    grafana: int


def hold(preferred: int, until: ExitStack) -> int:
    """Hold the preferred port, or any free one where it is taken, so that nobody else can take it.

    Work that takes minutes lies between writing the ports into files and starting the servers. A port
    that was only found free could be another program's by then.

    Args:
        preferred: the wish.
        until: lets the port go when it is closed.
    """
    for port in (preferred, 0):
        held = until.enter_context(socket.socket())
        # As servers do, so that a connection still in TIME_WAIT does not count as taken.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((LOOPBACK, port))
            held.listen()  # with SO_REUSEADDR, a socket that only is bound keeps nobody out
        except OSError:
            continue
        return int(held.getsockname()[1])
    raise ToolError(f"no free TCP port on {LOOPBACK}")
