from __future__ import annotations

import subprocess
import sys
import time
import uuid

import numpy as np
import psutil

from plumbline import names
from plumbline.expose.block import Block
from plumbline.expose.host import ProcessCollector, host_blocks
from plumbline.names import Metric


def value(blocks: list[Block], metric: Metric, *labels: str) -> float:
    block = next(b for b in blocks if b.metric is metric)
    return float(block.values[block.labels.index(labels)])


def test_the_host_is_read_in_base_units() -> None:
    first, second = host_blocks(), host_blocks()
    assert value(first, names.HOST_MEMORY, "total") == psutil.virtual_memory().total
    assert 0 < value(first, names.HOST_MEMORY, "available") <= value(first, names.HOST_MEMORY, "total")
    assert value(second, names.HOST_CPU, "idle") >= value(first, names.HOST_CPU, "idle") > 0
    assert value(first, names.HOST_NETWORK_RECEIVE) >= 0
    assert all(np.isfinite(b.values).all() for b in first)
    assert first[0].generation != second[0].generation


def test_a_groups_cpu_never_falls_when_its_processes_end() -> None:
    mark = uuid.uuid4().hex
    collector = ProcessCollector({"svc": mark, "none": f"absent-{mark}"})
    busy = (
        f"# {mark}\nimport time\nend = time.process_time() + .3\nwhile time.process_time() < end: pass\n"
        "print(1, flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        running = collector.blocks()
        assert value(running, names.PROCESS_COUNT, "svc") == 1
        assert value(running, names.PROCESS_COUNT, "none") == 0
        assert value(running, names.PROCESS_CPU, "svc") >= 0.25
        assert value(running, names.PROCESS_MEMORY, "svc") > 1e6
    finally:
        process.kill()
        process.communicate()
    time.sleep(0.05)
    for _ in range(2):
        ended = collector.blocks()
        assert value(ended, names.PROCESS_COUNT, "svc") == 0
        assert value(ended, names.PROCESS_MEMORY, "svc") == 0
        assert value(ended, names.PROCESS_CPU, "svc") >= value(running, names.PROCESS_CPU, "svc")
