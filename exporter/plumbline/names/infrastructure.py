"""Metrics of the host and its processes."""

from __future__ import annotations

from plumbline.names.metric import Family

_INFRASTRUCTURE = Family("Infrastructure")

HOST_CPU = _INFRASTRUCTURE.counter("plumbline_host_cpu_seconds_total", "CPU time of the host by mode.", ("mode",))
HOST_MEMORY = _INFRASTRUCTURE.gauge("plumbline_host_memory_bytes", "Memory of the host: total, available.", ("state",))
HOST_DISK_READ = _INFRASTRUCTURE.counter("plumbline_host_disk_read_bytes_total", "Bytes read from disks.")
HOST_DISK_WRITTEN = _INFRASTRUCTURE.counter("plumbline_host_disk_written_bytes_total", "Bytes written to disks.")
HOST_NETWORK_RECEIVE = _INFRASTRUCTURE.counter(
    "plumbline_host_network_receive_bytes_total", "Bytes received, without loopback."
)
HOST_NETWORK_TRANSMIT = _INFRASTRUCTURE.counter(
    "plumbline_host_network_transmit_bytes_total", "Bytes sent, without loopback."
)
HOST_LOAD = _INFRASTRUCTURE.gauge("plumbline_host_load1", "Load average over one minute.")
PROCESS_COUNT = _INFRASTRUCTURE.gauge(
    "plumbline_processes", "Running processes of a group named in the catalogue.", ("process",)
)
PROCESS_CPU = _INFRASTRUCTURE.counter(
    "plumbline_process_cpu_seconds_total", "CPU time of a process group, its ended processes included.", ("process",)
)
PROCESS_MEMORY = _INFRASTRUCTURE.gauge(
    "plumbline_process_resident_memory_bytes", "Resident memory of a process group.", ("process",)
)
