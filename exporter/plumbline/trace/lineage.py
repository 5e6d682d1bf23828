"""From a data batch to what it was made from, and to what was made from it.

Pipelines are other people's: they may name each other in circles, or a million inputs. Every walk visits a
batch once and stops at a bound, and says that it did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal

from plumbline.keys import input_key, made_key, run_key
from plumbline.store.base import Reader, StoredEvent
from plumbline.trace.decode import decode_pipeline, events_of, stage_record
from plumbline.trace.records import BatchRecord, RunRecord, StageRecord
from plumbline.units import format_time

MAX_BATCHES = 100
MAX_DEPTH = 20
MAX_RUNS = 20
MAX_RUN_EVENTS = 200
MAX_STAGES = 2000  # of all runs of one answer
MAX_MAKERS = 1000


def runs_of(reader: Reader, batch: str) -> list[RunRecord]:
    """Return the pipeline runs that made a batch, in time order; at most ``MAX_RUNS``.

    A run's ``started`` event need not know the batch yet: all events of the run are shown.
    """
    runs: dict[tuple[str, str], None] = {}
    for event in events_of(reader, made_key(batch), MAX_MAKERS):
        made = decode_pipeline(event.raw)
        if made.data_batch_id == batch:
            runs.setdefault((made.pipeline, made.run_id))
    found = [_run(reader, pipeline, run_id) for pipeline, run_id in list(runs)[:MAX_RUNS]]
    return sorted(found, key=lambda run: run.started)


def _run(reader: Reader, pipeline: str, run_id: str) -> RunRecord:
    own: list[tuple[StoredEvent, StageRecord]] = []
    for event in events_of(reader, run_key(run_id), MAX_RUN_EVENTS):
        decoded = decode_pipeline(event.raw)
        if decoded.run_id == run_id and decoded.pipeline == pipeline:
            own.append((event, stage_record(event, decoded)))
    own.sort(key=lambda pair: (pair[0].ts, pair[0].seq))
    stages = [stage for _, stage in own]
    failed = any(stage.status == "failed" for stage in _latest(stages))
    running = any(stage.status == "started" for stage in _latest(stages))
    status = "failed" if failed else "running" if running else "succeeded"
    return RunRecord(
        pipeline, run_id, status, format_time(own[0][0].ts), None if running else format_time(own[-1][0].ts), stages
    )


def _latest(stages: Iterable[StageRecord]) -> list[StageRecord]:
    """Return the last event of each stage: a repeated stage may have failed before it succeeded."""
    return list({stage.stage: stage for stage in stages}.values())


def inputs_of(runs: Iterable[RunRecord], batch: str) -> list[str]:
    """Return what the runs read to make the batch.

    Inputs that the run told of before it named any batch count; those of another batch do not.
    """
    found: dict[str, None] = {}
    for run in runs:
        for stage in run.stages:
            if stage.data_batch_id in (batch, None):
                found.update(dict.fromkeys(stage.inputs))
    found.pop(batch, None)
    return list(found)


def upstream(
    reader: Reader, batches: Iterable[str], role: Literal["data", "training"], bound: int = MAX_BATCHES
) -> tuple[list[BatchRecord], bool]:
    """Return the batches and all they were made from, nearest first, and whether a bound was met."""
    waiting = deque((batch, 0) for batch in dict.fromkeys(batches))
    seen = {batch for batch, _ in waiting}
    found: list[BatchRecord] = []
    truncated = False
    stages = 0
    while waiting:
        batch, depth = waiting.popleft()
        if len(found) >= bound or stages >= MAX_STAGES:
            return found, True
        runs = runs_of(reader, batch)
        stages += sum(len(run.stages) for run in runs)
        inputs = inputs_of(runs, batch)
        found.append(BatchRecord(batch, role, depth, runs, inputs))
        new = [one for one in inputs if one not in seen]
        if new and depth >= MAX_DEPTH:
            truncated = True
            continue
        seen.update(new)
        waiting.extend((one, depth + 1) for one in new)
    return found, truncated


def downstream(reader: Reader, batch: str) -> tuple[list[tuple[str, int, list[str]]], bool]:
    """Return (batch, depth, pipelines) of all that was made from a batch, nearest first; and truncation."""
    waiting = deque([(batch, 0)])
    found: dict[str, tuple[int, dict[str, None]]] = {batch: (0, {})}
    truncated = False
    while waiting:
        source, depth = waiting.popleft()
        events = events_of(reader, input_key(source), MAX_MAKERS)
        truncated |= len(events) >= MAX_MAKERS
        for made, pipeline in _made_from(reader, events, source):
            if made in found:
                found[made][1].setdefault(pipeline)
            elif len(found) > MAX_BATCHES or depth >= MAX_DEPTH:
                truncated = True
            else:
                found[made] = (depth + 1, {pipeline: None})
                waiting.append((made, depth + 1))
    del found[batch]
    return [(made, depth, list(pipelines)) for made, (depth, pipelines) in found.items()], truncated


def _made_from(reader: Reader, events: Iterable[StoredEvent], source: str) -> Iterable[tuple[str, str]]:
    for event in events:
        decoded = decode_pipeline(event.raw)
        if source not in (decoded.inputs or ()):
            continue
        if decoded.data_batch_id is not None:
            yield decoded.data_batch_id, decoded.pipeline
            continue
        # The inputs were told before the batch had a name: by another event of the same run.
        for other in events_of(reader, run_key(decoded.run_id), MAX_RUN_EVENTS):
            sibling = decode_pipeline(other.raw)
            named = (sibling.pipeline, sibling.run_id) == (decoded.pipeline, decoded.run_id)
            if named and sibling.data_batch_id is not None:
                yield sibling.data_batch_id, sibling.pipeline
