"""Ports that are held until the servers start, and ports that nobody else is given meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from plumbline.demo.receiver import Receiver
from plumbline.errors import ToolError
from plumbline.servers import LOOPBACK, HeldPorts, free_port


def _listen(port: int) -> socket.socket:
    """Listen as a server does."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((LOOPBACK, port))
        server.listen()
    except OSError:
        server.close()
        raise
    return server


def test_a_held_port_cannot_be_taken_until_it_is_released() -> None:
    with HeldPorts({"a": 0}) as held:
        with pytest.raises(OSError, match="in use"):
            _listen(held.ports["a"])
        held.release()
        _listen(held.ports["a"]).close()


def test_a_port_that_another_holds_is_replaced_by_a_free_one() -> None:
    with HeldPorts({"a": 0}) as first, HeldPorts({"a": first.ports["a"], "b": 0}) as second:
        assert len({first.ports["a"], second.ports["a"], second.ports["b"]}) == 3


def test_a_preferred_port_that_is_free_is_held() -> None:
    with HeldPorts({"a": 0}) as first:
        port = first.ports["a"]
    with HeldPorts({"a": port}) as second:
        assert second.ports == {"a": port}


def test_a_receiver_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    with HeldPorts({"a": 0}) as held, pytest.raises(ToolError, match=f"{held.ports['a']}: Address already in use"):
        Receiver(held.ports["a"], tmp_path / "notices.ndjson")


def test_free_ports_are_all_different_and_a_server_can_listen_on_them() -> None:
    """By chance some of 500 would be the same: the system draws from fewer than 30,000."""
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == len(ports)
    _listen(ports[0]).close()
