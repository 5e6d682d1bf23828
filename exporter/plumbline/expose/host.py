"""The host and the serving processes, by psutil.

Switched off (``host_metrics: false``) where node_exporter already runs. Processes are found by their
command line, as the catalogue names them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import psutil

from plumbline import names
from plumbline.expose.block import Block
from plumbline.names import Metric

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
LOOPBACK = "lo"


class _Gauges:
    """Numbers blocks so that a renderer sees each reading as new."""

    def __init__(self) -> None:
        self._generation = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._generation += 1
            return self._generation


def _block(metric: Metric, generation: int, values: Mapping[str, float]) -> Block:
    """Return a block of a metric with one label."""
    numbers = np.array(list(values.values()), dtype=np.float64)
    return Block(metric, f"host/{metric.name}", generation, tuple((v,) for v in values), numbers)


def _single(metric: Metric, generation: int, value: float) -> Block:
    """Return a block of a metric without labels."""
    return Block(metric, f"host/{metric.name}", generation, ((),), np.array([value], dtype=np.float64))


class HostCollector:
    """CPU, memory, load, disk and network of the machine."""

    name = "host"

    def __init__(self) -> None:
        self._numbers = _Gauges()

    def blocks(self) -> list[Block]:
        """Return the present readings; what the platform does not give is left out."""
        generation = self._numbers.next()
        cpu = psutil.cpu_times()
        memory = psutil.virtual_memory()
        modes = {mode: float(getattr(cpu, mode)) for mode in CPU_MODES if hasattr(cpu, mode)}
        states = {"total": float(memory.total), "available": float(memory.available)}
        found = [
            _block(names.HOST_CPU, generation, modes),
            _block(names.HOST_MEMORY, generation, states),
            _single(names.HOST_LOAD, generation, psutil.getloadavg()[0]),
        ]
        disk = psutil.disk_io_counters()
        if disk is not None:  # none in some containers
            found.append(_single(names.HOST_DISK_READ, generation, float(disk.read_bytes)))
            found.append(_single(names.HOST_DISK_WRITTEN, generation, float(disk.write_bytes)))
        nics = [nic for name, nic in psutil.net_io_counters(pernic=True).items() if name != LOOPBACK]
        received = float(sum(nic.bytes_recv for nic in nics))
        sent = float(sum(nic.bytes_sent for nic in nics))
        found.append(_single(names.HOST_NETWORK_RECEIVE, generation, received))
        found.append(_single(names.HOST_NETWORK_TRANSMIT, generation, sent))
        return found


@dataclass(slots=True)
class _Process:
    group: str
    cpu: float
    memory: float


class ProcessCollector:
    """CPU, memory and number of the processes of each group.

    The CPU time of processes that have ended stays in the group's counter, so that it never falls when a
    worker is recycled. Time a process used between its last reading and its end is not seen.

    Args:
        groups: text that a command line must contain, by group. A process belongs to the first that fits.
    """

    name = "process"

    def __init__(self, groups: Mapping[str, str]) -> None:
        self._groups = dict(groups)
        self._known: dict[tuple[int, float], _Process] = {}
        self._ended = dict.fromkeys(self._groups, 0.0)
        self._numbers = _Gauges()
        self._lock = threading.Lock()

    def blocks(self) -> list[Block]:
        """Return the present readings of every group, 0 for one without processes."""
        with self._lock:
            self._read()
            groups = self._groups
            count = dict.fromkeys(groups, 0.0)
            memory = dict.fromkeys(groups, 0.0)
            cpu = dict(self._ended)
            for process in self._known.values():
                own = process.group
                count[own] += 1
                memory[own] += process.memory
                cpu[own] += process.cpu
        generation = self._numbers.next()
        return [
            _block(names.PROCESS_COUNT, generation, count),
            _block(names.PROCESS_CPU, generation, cpu),
            _block(names.PROCESS_MEMORY, generation, memory),
        ]

    def _read(self) -> None:
        seen: dict[tuple[int, float], _Process] = {}
        for process in psutil.process_iter():
            known = None
            try:
                # A pid alone may be another process by now; with its start time it is the same one.
                identity = (process.pid, process.create_time())
                known = self._known.get(identity)
                group = known.group if known is not None else self._group(process)
                if group is None:
                    continue
                with process.oneshot():
                    times = process.cpu_times()
                    memory = float(process.memory_info().rss)
            except psutil.NoSuchProcess:  # ended while we looked; a zombie has, too
                continue
            except psutil.AccessDenied:  # not ours to see; one that we saw before has not ended
                if known is not None:
                    seen[identity] = known
                continue
            seen[identity] = _Process(group, times.user + times.system, memory)
        for identity, process_then in self._known.items():
            if identity not in seen:
                self._ended[process_then.group] += process_then.cpu
        self._known = seen

    def _group(self, process: psutil.Process) -> str | None:
        command = " ".join(process.cmdline())
        return next((group for group, text in self._groups.items() if text in command), None)
