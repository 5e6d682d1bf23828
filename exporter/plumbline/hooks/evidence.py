"""The freeze hook: what was known when a page went out, as files that nothing else will change.

Writes ``<data>/evidence/<incident>/``: the alert, the model's series at that moment, its deployments, its
newest events, and a manifest with the sha256 of each. Bounded by one folder per model and cool-down; nothing
deletes them but people.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from plumbline.events.kinds import Action
from plumbline.events.lines import stored_json
from plumbline.expose.block import Block
from plumbline.expose.text import Renderer
from plumbline.keys import model_key
from plumbline.store.base import Reader

NEWEST_EVENTS = 20_000  # looked through
KEPT_EVENTS = 2_000  # kept of the model
_KINDS = ("prediction", "outcome", "kpi")


def freeze(action: Action, folder: Path, blocks: Callable[[], list[Block]], reader: Reader, last_seq: int) -> str:
    """Write the evidence and return where.

    Args:
        action: as decided.
        folder: of all evidence; made if absent.
        blocks: the exporter's present series.
        reader: of the store.
        last_seq: sequence number of the newest event.

    Raises:
        OSError: it cannot be written.
        StoreError: the store cannot be read.
    """
    place = folder / action.incident
    place.mkdir(parents=True, exist_ok=True)
    files = {
        "alert.json": msgspec.json.format(msgspec.json.encode(action.payload), indent=2) + b"\n",
        "series.txt": Renderer().render(_of_model(blocks(), action.model), False, False),
        "deployments.ndjson": _deployments(reader, action.model),
        "events.ndjson": _events(reader, action.model, last_seq),
    }
    for name, content in files.items():
        _write(place / name, content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    _write(place / "manifest.json", msgspec.json.format(msgspec.json.encode(digests), indent=2) + b"\n")
    return str(place)


def _of_model(blocks: list[Block], model: str) -> list[Block]:
    """Return the series of one model."""
    found = []
    for block in blocks:
        if "model" not in block.metric.labels:
            continue
        at = block.metric.labels.index("model")
        rows = [row for row, labels in enumerate(block.labels) if labels[at] == model]
        if rows:
            labels = tuple(block.labels[row] for row in rows)
            sums = None if block.sums is None else block.sums[rows]
            found.append(Block(block.metric, block.key, block.generation, labels, block.values[rows], sums))
    return found


def _deployments(reader: Reader, model: str) -> bytes:
    lines = []
    after = 0
    while seqs := reader.find_after(model_key(model), after):
        events = reader.read(seqs)
        lines += [events[seq].raw for seq in seqs if seq in events and events[seq].kind == "deployment"]
        after = seqs[-1]
    return b"".join(line + b"\n" for line in lines)


def _events(reader: Reader, model: str, last_seq: int) -> bytes:
    """Return the model's newest predictions and KPI events, and outcomes of those predictions, by arrival."""
    events = reader.read(range(max(1, last_seq - NEWEST_EVENTS + 1), last_seq + 1))
    decoded: dict[int, Mapping[str, Any]] = {
        seq: stored_json(event.raw) for seq, event in events.items() if event.kind in _KINDS
    }
    requests = {e["request_id"] for e in decoded.values() if e.get("model") == model and e.get("request_id")}
    kept = [
        seq
        for seq in sorted(decoded)
        if decoded[seq].get("model") == model
        or (decoded[seq]["type"] == "outcome" and decoded[seq]["request_id"] in requests)
    ]
    return b"".join(events[seq].raw + b"\n" for seq in kept[-KEPT_EVENTS:])


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
