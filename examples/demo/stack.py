"""The demo's servers: exporter, Alertmanager, Prometheus and, where it is installed, Grafana.

Each listens on loopback and writes its log into the work folder.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from examples.demo.ports import Ports
from plumbline.servers import LOOPBACK, Server, find_program


def start(work: Path, ports: Ports, until: ExitStack) -> dict[str, Server]:
    """Start the servers one by one and return them by name.

    Args:
        work: the demo's folder: catalogue, generated files, data, logs.
        ports: where they listen.
        until: stops them in reverse order when it is closed.
    """
    started: dict[str, Server] = {}

    def begin(name: str, port: int, command: Sequence[str | Path], ready: str = "/-/ready") -> None:
        server = Server(name, command, f"http://{LOOPBACK}:{port}", work / "log" / f"{name}.log")
        until.enter_context(server)
        server.wait_ready(ready)
        started[name] = server

    begin("exporter", ports.exporter, _exporter(work, ports.exporter))
    begin("alertmanager", ports.alertmanager, _alertmanager(work, ports.alertmanager))
    begin("prometheus", ports.prometheus, _prometheus(work, ports.prometheus))
    if grafana := _grafana(work, ports.grafana):
        begin("grafana", ports.grafana, grafana, "/api/health")
    return started


def _exporter(work: Path, port: int) -> list[str | Path]:
    """Return ``plumbline serve`` on the data that the history left."""
    folders = [f"--{name}={work / name}" for name in ("baselines", "data")]
    command = [sys.executable, "-m", "plumbline.cli.main", "serve", f"--catalogue={work / 'plumbline.yaml'}"]
    return [*command, *folders, f"--listen={LOOPBACK}:{port}"]


def _alertmanager(work: Path, port: int) -> list[str | Path]:
    """Return Alertmanager with the generated routes; no cluster, so it opens one port only."""
    return [
        find_program("alertmanager"),
        f"--config.file={work / 'generated' / 'alerting' / 'alertmanager.yml'}",
        f"--storage.path={work / 'alertmanager'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--cluster.listen-address=",
    ]


def _prometheus(work: Path, port: int) -> list[str | Path]:
    """Return Prometheus on the history's blocks with the generated rules."""
    return [
        find_program("prometheus"),
        f"--config.file={work / 'generated' / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={work / 'tsdb'}",
        # Counted from the newest sample: anything shorter would delete the history.
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--enable-feature=exemplar-storage",
    ]


def _grafana(work: Path, port: int) -> list[str | Path]:
    """Return Grafana with data source and dashboards provisioned; nothing where it is not installed."""
    program = shutil.which("grafana-server") or shutil.which("grafana")
    home = program and _grafana_home(Path(program))
    if not program or not home:
        return []
    generated = (work / "generated" / "dashboards").resolve()
    environment = {
        "GF_SERVER_HTTP_ADDR": LOOPBACK,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str((work / "grafana" / "data").resolve()),
        "GF_PATHS_LOGS": str((work / "log").resolve()),
        "GF_PATHS_PLUGINS": str((work / "grafana" / "plugins").resolve()),
        "GF_PATHS_PROVISIONING": str(generated / "provisioning"),
        "PLUMBLINE_DASHBOARDS": str(generated / "generated"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    }
    command = [program] if Path(program).name == "grafana-server" else [program, "server"]
    return ["env", *(f"{key}={value}" for key, value in environment.items()), *command, f"--homepath={home}"]


def _grafana_home(program: Path) -> Path | None:
    """Return the folder that holds Grafana's ``public`` and ``conf``."""
    beside = program.resolve().parent.parent
    candidates = [beside, Path("/usr/share/grafana"), Path("/usr/local/share/grafana")]
    named = os.environ.get("GF_PATHS_HOME")
    if named:
        candidates.insert(0, Path(named))
    return next((path for path in candidates if (path / "public").is_dir()), None)
