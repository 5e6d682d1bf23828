"""Metrics of the host and its processes."""

from __future__ import annotations

from plumbline.names.metric import Metric

HOST_CPU = Metric(
    "plumbline_host_cpu_seconds_total", "counter", "CPU time of the host by mode.", ("mode",), "Infrastructure"
)
HOST_MEMORY = Metric(
    "plumbline_host_memory_bytes", "gauge", "Memory of the host: total, available.", ("state",), "Infrastructure"
)
HOST_DISK_READ = Metric(
    "plumbline_host_disk_read_bytes_total", "counter", "Bytes read from disks.", (), "Infrastructure"
)
HOST_DISK_WRITTEN = Metric(
    "plumbline_host_disk_written_bytes_total", "counter", "Bytes written to disks.", (), "Infrastructure"
)
HOST_NETWORK_RECEIVE = Metric(
    "plumbline_host_network_receive_bytes_total", "counter", "Bytes received, without loopback.", (), "Infrastructure"
)
HOST_NETWORK_TRANSMIT = Metric(
    "plumbline_host_network_transmit_bytes_total", "counter", "Bytes sent, without loopback.", (), "Infrastructure"
)
HOST_LOAD = Metric("plumbline_host_load1", "gauge", "Load average over one minute.", (), "Infrastructure")
PROCESS_COUNT = Metric(
    "plumbline_processes",
    "gauge",
    "Running processes of a group named in the catalogue.",
    ("process",),
    "Infrastructure",
)
PROCESS_CPU = Metric(
    "plumbline_process_cpu_seconds_total",
    "counter",
    "CPU time of a process group, its ended processes included.",
    ("process",),
    "Infrastructure",
)
PROCESS_MEMORY = Metric(
    "plumbline_process_resident_memory_bytes",
    "gauge",
    "Resident memory of a process group.",
    ("process",),
    "Infrastructure",
)
