"""The engine: joins outcomes with predictions, counts, and commits counters with the events."""

from plumbline.ingest.engine import Engine, open_engine

__all__ = ["Engine", "open_engine"]
