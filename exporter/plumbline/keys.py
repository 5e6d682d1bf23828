"""The 64-bit keys under which the store finds events again.

An event has one ``key`` of its own and further keys, its ``links``: what it belongs to. Each question has
its own kind of key, so a look-up reads only events that answer it: the predictions of a batch are not
found among its million log lines. All keys are hashes; who reads the events compares the ids themselves.

The keys of ids are halves of an MD5, which any SQL database can compute too: so a dashboard over the store
finds a request by its id (``docs/adr/0041``). Nothing rests on that hash being hard to forge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial


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


# Kind of a key -> what stands before the id in the hash; the store's SQL has the same kinds.
KINDS = {
    "request": "r",  # predictions, outcomes and KPI events of a request
    "batch": "b",  # predictions made with a data batch
    "made": "q",  # pipeline events whose data_batch_id is this batch: what made it
    "input": "i",  # pipeline events that name this batch among their inputs: what was made of it
    "run": "u",  # pipeline events of a run, of all its stages
    "model": "m",  # deployments of a model, all versions
    "request_log": "lr",  # log lines that carry a request id
    "trace_log": "lt",  # log lines that carry a W3C trace id
    "batch_log": "lb",  # log lines that carry a data batch id
    "run_log": "lu",  # log lines that carry a pipeline's run id
    "model_alert": "am",  # alerts about a model, all versions, and the actions of its hooks
    "pipeline_alert": "ap",  # alerts about a pipeline
    "incident": "ai",  # all of one incident: its alert firing and resolved, and the actions taken
}


def id_key(kind: bytes, identifier: str) -> int:
    """Return the first 64 bits, signed, of ``md5(kind:identifier)``, as the store's SQL does."""
    digest = hashlib.md5(kind + b":" + identifier.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _keys(kind: str) -> Callable[[str], int]:
    return partial(id_key, KINDS[kind].encode())


# Many events name the same few batches, runs and models.
_remembered = lru_cache(4096)
request_key = _keys("request")
batch_key = _remembered(_keys("batch"))
made_key = _remembered(_keys("made"))
input_key = _remembered(_keys("input"))
run_key = _remembered(_keys("run"))
model_key = _remembered(_keys("model"))
request_log_key = _keys("request_log")
trace_log_key = _keys("trace_log")
batch_log_key = _remembered(_keys("batch_log"))
run_log_key = _remembered(_keys("run_log"))
model_alert_key = _remembered(_keys("model_alert"))
pipeline_alert_key = _remembered(_keys("pipeline_alert"))
incident_key = _keys("incident")
