"""The 64-bit keys under which the store finds events again.

An event has one ``key`` of its own and further keys, its ``links``: what it belongs to. Each question has
its own kind of key, so a look-up reads only events that answer it: the predictions of a batch are not
found among its million log lines. All keys are hashes; who reads the events compares the ids themselves.

The keys of ids are halves of an MD5, which any SQL database can compute too: so a dashboard over the store
finds a request by its id (``docs/adr/0041``). Nothing rests on that hash being hard to forge.
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


# Name of a key -> what stands before the id in the hash.
KINDS = {
    "request": "r",
    "batch": "b",
    "made": "q",
    "input": "i",
    "run": "u",
    "model": "m",
    "request_log": "lr",
    "trace_log": "lt",
    "batch_log": "lb",
    "run_log": "lu",
    "model_alert": "am",
    "pipeline_alert": "ap",
    "incident": "ai",
}


def id_key(kind: bytes, identifier: str) -> int:
    """Return the first 64 bits, signed, of ``md5(kind:identifier)``, as the store's SQL does."""
    digest = hashlib.md5(kind + b":" + identifier.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def request_key(request_id: str) -> int:
    """Predictions, outcomes and KPI events of a request."""
    return id_key(b"r", request_id)


# Many events name the same few batches, runs and models.
@lru_cache(4096)
def batch_key(data_batch_id: str) -> int:
    """Predictions made with a data batch."""
    return id_key(b"b", data_batch_id)


@lru_cache(4096)
def made_key(data_batch_id: str) -> int:
    """Pipeline events whose ``data_batch_id`` is this batch: what made it."""
    return id_key(b"q", data_batch_id)


@lru_cache(4096)
def input_key(data_batch_id: str) -> int:
    """Pipeline events that name this batch among their ``inputs``: what was made of it."""
    return id_key(b"i", data_batch_id)


@lru_cache(4096)
def run_key(run_id: str) -> int:
    """Pipeline events of a run, of all its stages."""
    return id_key(b"u", run_id)


@lru_cache(1024)
def model_key(model: str) -> int:
    """Deployments of a model, all versions."""
    return id_key(b"m", model)


def request_log_key(request_id: str) -> int:
    """Log lines that carry a request id."""
    return id_key(b"lr", request_id)


def trace_log_key(trace_id: str) -> int:
    """Log lines that carry a W3C trace id."""
    return id_key(b"lt", trace_id)


@lru_cache(4096)
def batch_log_key(data_batch_id: str) -> int:
    """Log lines that carry a data batch id."""
    return id_key(b"lb", data_batch_id)


@lru_cache(4096)
def run_log_key(run_id: str) -> int:
    """Log lines that carry a pipeline's run id."""
    return id_key(b"lu", run_id)


@lru_cache(1024)
def model_alert_key(model: str) -> int:
    """Alerts about a model, all versions, and the actions of its hooks."""
    return id_key(b"am", model)


@lru_cache(1024)
def pipeline_alert_key(pipeline: str) -> int:
    """Alerts about a pipeline."""
    return id_key(b"ap", pipeline)


def incident_key(incident: str) -> int:
    """Everything about one incident: its alert firing and resolved, and the actions taken."""
    return id_key(b"ai", incident)
