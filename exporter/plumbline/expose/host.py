"""The host and the serving processes, by psutil.

Switched off (``host_metrics: false``) where node_exporter already runs. Processes are found by their
command line, as the catalogue names them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from plumbline import names
from plumbline.expose.block import Block, current

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
LOOPBACK = "lo"


def host_blocks() -> list[Block]:
    """Return CPU, memory, load, disk and network of the machine; what the platform does not give is left out."""
    cpu = psutil.cpu_times()
    memory = psutil.virtual_memory()
    found = [
        current(names.HOST_CPU, {(mode,): getattr(cpu, mode) for mode in CPU_MODES if hasattr(cpu, mode)}),
        current(names.HOST_MEMORY, {("total",): memory.total, ("available",): memory.available}),
        current(names.HOST_LOAD, {(): psutil.getloadavg()[0]}),
    ]
    disk = psutil.disk_io_counters()
    if disk is not None:  # none in some containers
        found.append(current(names.HOST_DISK_READ, {(): disk.read_bytes}))
        found.append(current(names.HOST_DISK_WRITTEN, {(): disk.write_bytes}))
    nics = [nic for name, nic in psutil.net_io_counters(pernic=True).items() if name != LOOPBACK]
    found.append(current(names.HOST_NETWORK_RECEIVE, {(): sum(nic.bytes_recv for nic in nics)}))
    found.append(current(names.HOST_NETWORK_TRANSMIT, {(): sum(nic.bytes_sent for nic in nics)}))
    return found


@dataclass(slots=True)
class _Process:
    group: tuple[str, ...]  # the values of the label
    cpu: float
    memory: float


class ProcessCollector:
    """CPU, memory and number of the processes of each group.

    The CPU time of processes that have ended stays in the group's counter, so that it never falls when a
    worker is recycled. Time a process used between its last reading and its end is not seen.

    Args:
        groups: text that a command line must contain, by group. A process belongs to the first that fits.
    """

    def __init__(self, groups: Mapping[str, str]) -> None:
        self._groups: dict[tuple[str, ...], str] = {(name,): text for name, text in groups.items()}
        self._known: dict[tuple[int, float], _Process] = {}
        self._ended = dict.fromkeys(self._groups, 0.0)
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
        return [
            current(names.PROCESS_COUNT, count),
            current(names.PROCESS_CPU, cpu),
            current(names.PROCESS_MEMORY, memory),
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

    def _group(self, process: psutil.Process) -> tuple[str, ...] | None:
        command = " ".join(process.cmdline())
        return next((group for group, text in self._groups.items() if text in command), None)
