"""What can be set about a client, with the reasons for the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from plumbline.client.post import Connection
from plumbline.errors import UsageError

MINIMUM_SPOOL_BYTES = 8 * 1024 * 1024  # a few segments of the largest lines
BACKOFF_CAP = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Bounds and times of one client; see ``Client`` for their meaning."""

    connection: Connection
    spool_dir: Path | None
    spool_bytes: int
    fsync: bool
    durable: bool
    queue_events: int
    queue_bytes: int
    batch_events: int
    batch_bytes: int
    linger: float
    backoff: float
    close_timeout: float

    def __post_init__(self) -> None:
        parts = urlsplit(self.connection.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"url {self.connection.url!r}: write it with its scheme, such as http://127.0.0.1:9877")
        for name in ("queue_events", "queue_bytes", "batch_events", "batch_bytes"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("linger", "backoff", "close_timeout"):
            if not 0 <= getattr(self, name) < 1e6:
                raise UsageError(f"{name} must be seconds from 0 on, not {getattr(self, name)}")
        if self.durable and self.spool_dir is None:
            raise UsageError("durable=True writes every event to the disk: say where by spool_dir")
        if self.spool_dir is not None and self.spool_bytes < MINIMUM_SPOOL_BYTES:
            raise UsageError(f"spool_bytes must be at least {MINIMUM_SPOOL_BYTES}, not {self.spool_bytes}")
