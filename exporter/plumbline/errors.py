"""Every error Plumbline raises on purpose.

    PlumblineError
    ├── CatalogueError      plumbline.yaml cannot be used; carries every problem found
    ├── BaselineError       a baseline artefact is missing, damaged or does not fit
    ├── TableError          a reference or history table cannot be read as declared
    ├── StoreError          the store could not read or write
    │   └── StoreFull       no space left: nothing of the batch was stored
    ├── InvalidEvent        an event was given to Client(strict=True) that the exporter would reject
    ├── Overloaded          the queue is full; try again later
    ├── ToolError           an outside program (promtool, prometheus, ...) is missing or failed
    └── UsageError          a command was called with arguments that cannot work

A bad *event* is not an error but data: it is rejected with a reason (``plumbline.events``), counted,
and never raises. The command line prints a ``PlumblineError`` as one message without traceback and
exits with its ``exit_code``: 1 for problems found, 2 for wrong use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PlumblineError(Exception):
    """Base of all expected errors; the message says what is wrong, where, and what to do."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in a file that a person wrote.

    Attributes:
        file: path as the user gave it.
        line: 1-based line, or 0 if the finding concerns the whole file.
        message: what is wrong and what to do.
        rule: stable identifier of the check, e.g. ``catalogue/unknown-owner``.
    """

    file: str
    line: int
    message: str
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message} ({self.rule})"


class CatalogueError(PlumblineError):
    """The catalogue cannot be used. ``problems`` holds every finding, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.rule)))
        super().__init__("\n".join(str(p) for p in self.problems))


class BaselineError(PlumblineError):
    """A baseline artefact is missing, damaged or does not fit its model."""


class TableError(PlumblineError):
    """A table cannot be read as declared."""


class StoreError(PlumblineError):
    """The store could not read or write; nothing of the batch was acknowledged."""


class StoreFull(StoreError):
    """No space left on the store's file system; nothing of the batch was acknowledged."""


class InvalidEvent(PlumblineError):
    """An event that the exporter would reject; raised by ``Client(strict=True)`` only."""


class Overloaded(PlumblineError):
    """More events wait than the queue may hold; nothing of the request was taken."""


class ToolError(PlumblineError):
    """An outside program is missing or failed."""


class UsageError(PlumblineError):
    """A command was called with arguments that cannot work."""

    exit_code = 2
