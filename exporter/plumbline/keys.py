"""The 64-bit keys under which the store finds events again.

An event has one ``key`` of its own and further keys, its ``links``: what it belongs to. Each question has
its own kind of key, so a look-up reads only events that answer it: the predictions of a batch are not
found among its million log lines. All keys are hashes; who reads the events compares the ids themselves.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache


def hash64(kind: bytes, *parts: bytes) -> int:
    """Return a stable signed 64-bit hash of a kind and its parts (parts are length-separated)."""
    digest = hashlib.blake2b(digest_size=8, person=kind)
    if len(parts) > 1:
        for part in parts:
            digest.update(len(part).to_bytes(4, "big"))
            digest.update(part)
    else:
        digest.update(parts[0])
    return int.from_bytes(digest.digest(), "big", signed=True)


def request_key(request_id: str) -> int:
    """Predictions, outcomes and KPI events of a request."""
    return hash64(b"r", request_id.encode())


# Many events name the same few batches, runs and models.
@lru_cache(4096)
def batch_key(data_batch_id: str) -> int:
    """Predictions made with a data batch."""
    return hash64(b"b", data_batch_id.encode())


@lru_cache(4096)
def made_key(data_batch_id: str) -> int:
    """Pipeline events whose ``data_batch_id`` is this batch: what made it."""
    return hash64(b"q", data_batch_id.encode())


@lru_cache(4096)
def input_key(data_batch_id: str) -> int:
    """Pipeline events that name this batch among their ``inputs``: what was made of it."""
    return hash64(b"i", data_batch_id.encode())


@lru_cache(4096)
def run_key(run_id: str) -> int:
    """Pipeline events of a run, of all its stages."""
    return hash64(b"u", run_id.encode())


@lru_cache(1024)
def model_key(model: str) -> int:
    """Deployments of a model, all versions."""
    return hash64(b"m", model.encode())


def request_log_key(request_id: str) -> int:
    """Log lines that carry a request id."""
    return hash64(b"lr", request_id.encode())


def trace_log_key(trace_id: str) -> int:
    """Log lines that carry a W3C trace id."""
    return hash64(b"lt", trace_id.encode())


@lru_cache(4096)
def batch_log_key(data_batch_id: str) -> int:
    """Log lines that carry a data batch id."""
    return hash64(b"lb", data_batch_id.encode())


@lru_cache(4096)
def run_log_key(run_id: str) -> int:
    """Log lines that carry a pipeline's run id."""
    return hash64(b"lu", run_id.encode())


@lru_cache(1024)
def model_alert_key(model: str) -> int:
    """Alerts about a model, all versions, and the actions of its hooks."""
    return hash64(b"am", model.encode())


@lru_cache(1024)
def pipeline_alert_key(pipeline: str) -> int:
    """Alerts about a pipeline."""
    return hash64(b"ap", pipeline.encode())


def incident_key(incident: str) -> int:
    """Everything about one incident: its alert firing and resolved, and the actions taken."""
    return hash64(b"ai", incident.encode())
