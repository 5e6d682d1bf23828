"""An alert's expression on a real Prometheus, over a history of recorded series that a test made up."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import requests

from support.servers import Prometheus


def fired(expr: str, series: dict[str, np.ndarray], times: np.ndarray, folder: Path) -> np.ndarray:
    """Whether the expression has a result at each time.

    Args:
        expr: PromQL whose result has one series at most.
        series: name with labels -> a value for each time; NaN = no sample.
        times: epoch seconds, equally spaced.
        folder: for the files.
    """
    lines = [
        f"{name.replace(', ', ',')} {value!r} {at!r}"
        for name, values in series.items()
        for at, value in zip(times.tolist(), values.tolist(), strict=True)
        if value == value
    ]
    history = folder / "history.om"
    history.write_text("\n".join([*lines, "# EOF", ""]))
    (folder / "prometheus.yml").write_text("global: {}\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", history, folder / "tsdb"]
    subprocess.run(command, check=True, capture_output=True)
    flags = ["--storage.tsdb.retention.time=100y"]
    with Prometheus(folder / "prometheus.yml", folder / "tsdb", args=flags) as prometheus:
        asked = {"query": expr, "start": times[0], "end": times[-1], "step": times[1] - times[0]}
        answer = requests.post(f"{prometheus.url}/api/v1/query_range", data=asked, timeout=60).json()
    assert answer["status"] == "success", answer
    (found,) = answer["data"]["result"] or [{"values": []}]
    return np.isin(times, [float(at) for at, _ in found["values"]])
