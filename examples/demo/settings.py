"""What the user chose for the demo, and what is on disk before its servers start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from examples.demo.events import DAY, Plan
from examples.demo.ports import Ports
from plumbline.catalogue.model import Catalogue


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose.

    Attributes:
        catalogue: production's catalogue.
        work: folder that the demo makes anew.
        days: days to replay.
        fault_days: at the end of them, days with a broken weather feed.
        history_days: days of history before them; None for all there are.
        minutes: how long the replay takes.
        history_step: seconds of event time between samples of the history.
        rule_step: seconds between samples of its recorded series.
        seed: of the training.
    """

    catalogue: Path
    work: Path
    days: int
    fault_days: int
    history_days: int | None
    minutes: float
    history_step: float
    rule_step: float
    seed: int

    @property
    def speed(self) -> float:
        """Seconds of event time per second."""
        return self.days * DAY / (self.minutes * 60.0)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is on disk before any server starts."""

    plan: Plan
    history: Path
    live: Path
    catalogue: Catalogue
    ports: Ports
