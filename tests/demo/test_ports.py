"""Ports that are held until the servers start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from examples.demo.ports import hold
from examples.demo.receiver import Receiver
from plumbline.errors import ToolError
from support.servers import listen


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_held_port_cannot_be_taken_until_it_is_released(held: ExitStack) -> None:
    port = hold(0, held)
    with pytest.raises(OSError, match="in use"):
        listen(port)
    held.close()
    listen(port).close()


def test_a_port_that_another_holds_is_replaced_by_a_free_one(held: ExitStack) -> None:
    first = hold(0, held)
    assert len({first, hold(first, held), hold(0, held)}) == 3


def test_a_preferred_port_that_is_free_is_held(held: ExitStack) -> None:
    port = hold(0, held)
    held.close()
    assert hold(port, held) == port


def test_a_receiver_whose_port_is_taken_says_so(held: ExitStack, tmp_path: Path) -> None:
    port = hold(0, held)
    with pytest.raises(ToolError, match=f"{port}: Address already in use"):
        Receiver(port, tmp_path / "notices.ndjson")
