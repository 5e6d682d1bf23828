"""Infrastructure: the machines and processes below the models.

Where the catalogue says ``host_metrics: false``, node_exporter already runs and its series are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import queries as q
from plumbline_dashboards import variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import graph, instant, number, query, sized, stacked

INSTANCE = 'instance=~"$instance"'


@dataclass(frozen=True, slots=True)
class HostSeries:
    """Where the host's figures come from.

    Attributes:
        cpu: counter of seconds with a label ``mode``, one of whose values is ``idle``.
        memory_total: selector of the gauge of all memory.
        memory_available: selector of the gauge of available memory.
        disk_read: counter of bytes.
        disk_written: counter of bytes.
        received: selector of the counter of bytes received, loopback left out.
        sent: selector of the counter of bytes sent, loopback left out.
        load: gauge.
        inventory: a series that every host has; the variable lists its instances.
    """

    cpu: str
    memory_total: str
    memory_available: str
    disk_read: str
    disk_written: str
    received: str
    sent: str
    load: str
    inventory: str


OWN = HostSeries(
    cpu=q.pick(names.HOST_CPU, INSTANCE),
    memory_total=q.pick(names.HOST_MEMORY, f'{INSTANCE}, state="total"'),
    memory_available=q.pick(names.HOST_MEMORY, f'{INSTANCE}, state="available"'),
    disk_read=q.pick(names.HOST_DISK_READ, INSTANCE),
    disk_written=q.pick(names.HOST_DISK_WRITTEN, INSTANCE),
    received=q.pick(names.HOST_NETWORK_RECEIVE, INSTANCE),
    sent=q.pick(names.HOST_NETWORK_TRANSMIT, INSTANCE),
    load=q.pick(names.HOST_LOAD, INSTANCE),
    inventory=names.HOST_LOAD.name,
)
NODE_EXPORTER = HostSeries(
    cpu=q.pick("node_cpu_seconds_total", INSTANCE),
    memory_total=q.pick("node_memory_MemTotal_bytes", INSTANCE),
    memory_available=q.pick("node_memory_MemAvailable_bytes", INSTANCE),
    disk_read=q.pick("node_disk_read_bytes_total", INSTANCE),
    disk_written=q.pick("node_disk_written_bytes_total", INSTANCE),
    received=q.pick("node_network_receive_bytes_total", f'{INSTANCE}, device!="lo"'),
    sent=q.pick("node_network_transmit_bytes_total", f'{INSTANCE}, device!="lo"'),
    load=q.pick("node_load1", INSTANCE),
    inventory="node_load1",
)


def infrastructure(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard."""
    host = OWN if catalogue.host_metrics else NODE_EXPORTER
    processes = [process_count(), process_cpu(), process_memory()]
    return page(
        "infrastructure",
        "Infrastructure",
        "CPU, memory, disk and network of the hosts, and the serving processes that the catalogue names.",
        [variables.several("instance", "Instance", host.inventory, "Hosts to show, by scrape address.")],
        [
            Row("Now", [cpu_now(host), memory_now(host), load_now(host), disk_free()]),
            Row("Host", [cpu(host), memory(host), disk(host), network(host)]),
            *([Row("Serving processes", processes)] if catalogue.processes else []),
        ],
        catalogue,
    )


def cpu_now(host: HostSeries) -> stat.Panel:
    """CPU in use."""
    panel = number("CPU in use", "Share of the CPU time that was not idle.", "percentunit", 0.9)
    return sized(panel.with_target(instant(_busy(host), "{{instance}}")), 6, 4)


def memory_now(host: HostSeries) -> stat.Panel:
    """Memory in use."""
    panel = number("Memory in use", "Share of the memory that is not available to new processes.", "percentunit", 0.9)
    used = f"1 - {_host('max', host.memory_available)} / {_host('max', host.memory_total)}"
    return sized(panel.with_target(instant(used, "{{instance}}")), 6, 4)


def load_now(host: HostSeries) -> stat.Panel:
    """Load."""
    panel = number("Load", "Runnable processes, averaged over a minute.", "short")
    return sized(panel.decimals(2).with_target(instant(_host("max", host.load), "{{instance}}")), 6, 4)


def disk_free() -> stat.Panel:
    """Room for the store."""
    panel = number("Free for the store", "Free space on the file system of the exporter's store.", "bytes")
    return sized(panel.with_target(instant(q.by("min", ("instance",), names.STORE_FREE.name), "{{instance}}")), 6, 4)


def cpu(host: HostSeries) -> timeseries.Panel:
    """CPU by mode."""
    panel = graph(
        "CPU by mode", "CPUs' worth of time spent per mode, idle left out; summed over the hosts shown.", "short"
    )
    used = host.cpu.replace("}", ', mode!="idle"}')
    expr = q.by("sum", ("mode",), f"rate({used}[{q.RATE}])")
    return stacked(panel).min(0).with_target(query(expr, "{{mode}}"))


def memory(host: HostSeries) -> timeseries.Panel:
    """Memory used and total."""
    panel = graph("Memory", "Memory in use and in all.", "bytes").min(0)
    total, available = _host("max", host.memory_total), _host("max", host.memory_available)
    panel = panel.with_target(query(f"{total} - {available}", "used {{instance}}", "A"))
    return panel.with_target(query(total, "total {{instance}}", "B"))


def disk(host: HostSeries) -> timeseries.Panel:
    """Disk bytes."""
    panel = graph("Disk", "Bytes read and written per second.", "Bps").min(0)
    panel = panel.with_target(query(_host("sum", f"rate({host.disk_read}[{q.RATE}])"), "read {{instance}}", "A"))
    return panel.with_target(query(_host("sum", f"rate({host.disk_written}[{q.RATE}])"), "written {{instance}}", "B"))


def network(host: HostSeries) -> timeseries.Panel:
    """Network bytes."""
    panel = graph("Network", "Bytes received and sent per second, loopback left out.", "Bps").min(0)
    panel = panel.with_target(query(_host("sum", f"rate({host.received}[{q.RATE}])"), "received {{instance}}", "A"))
    return panel.with_target(query(_host("sum", f"rate({host.sent}[{q.RATE}])"), "sent {{instance}}", "B"))


def process_count() -> timeseries.Panel:
    """Are they alive?"""
    panel = graph("Running processes", "Processes of each group that run.", "short").min(0)
    return sized(panel.with_target(query(q.by("sum", ("process",), names.PROCESS_COUNT.name), "{{process}}")), 8, 8)


def process_cpu() -> timeseries.Panel:
    """CPU per group."""
    panel = graph("CPU", "CPUs' worth of time used by each group.", "short").min(0)
    return sized(panel.with_target(query(q.rate(names.PROCESS_CPU, ("process",)), "{{process}}")), 8, 8)


def process_memory() -> timeseries.Panel:
    """Memory per group."""
    panel = graph("Memory", "Resident memory of each group.", "bytes").min(0)
    return sized(panel.with_target(query(q.by("sum", ("process",), names.PROCESS_MEMORY.name), "{{process}}")), 8, 8)


def _host(operation: str, expr: str) -> str:
    return q.by(operation, ("instance",), expr)


def _busy(host: HostSeries) -> str:
    idle = host.cpu.replace("}", ', mode="idle"}')
    spent = _host("sum", f"rate({host.cpu}[{q.RATE}])")
    return f"1 - {_host('sum', f'rate({idle}[{q.RATE}])')} / {spent}"
