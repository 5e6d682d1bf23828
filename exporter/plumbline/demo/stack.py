"""The demo's servers: exporter, Alertmanager, Prometheus and, where it is installed, Grafana.

Each listens on loopback, writes its log into the work folder, and ends with the stack.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from plumbline.demo.configuration import Ports
from plumbline.servers import LOOPBACK, Server, find_program

_PIDS = "pids"


def stop_leftovers(work: Path) -> list[int]:
    """Stop servers of an earlier demo that was killed before it could; return their process ids.

    A process counts only if its id is on the earlier run's list and its command line names this folder.
    """
    try:
        listed = (work / _PIDS).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
    stopped = []
    for pid in (int(word) for word in listed if word.isdigit()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it ended, as it should have
        if f"{work}/" in command:
            os.kill(pid, signal.SIGTERM)
            stopped.append(pid)
    return stopped


class Stack:
    """Starts the servers one by one and stops them in reverse order; a context manager.

    Args:
        work: the demo's folder: catalogue, generated files, data, logs.
        ports: where they listen.
    """

    def __init__(self, work: Path, ports: Ports) -> None:
        self.work = work
        self.ports = ports
        self._servers = ExitStack()

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._servers.close()

    def _start(self, server: Server, ready: str = "/-/ready") -> Server:
        self._servers.enter_context(server)
        with (self.work / _PIDS).open("a", encoding="utf-8") as pids:
            pids.write(f"{server.process.pid}\n")
        server.wait_ready(ready)
        return server

    def exporter(self) -> Server:
        """Start ``plumbline serve`` on the data that the history left."""
        work, port = self.work, self.ports.exporter
        return self._start(
            Server(
                "exporter",
                [
                    sys.executable,
                    "-m",
                    "plumbline.cli.main",
                    "serve",
                    "--catalogue",
                    work / "plumbline.yaml",
                    "--baselines",
                    work / "baselines",
                    "--data",
                    work / "data",
                    "--listen",
                    f"{LOOPBACK}:{port}",
                ],
                f"http://{LOOPBACK}:{port}",
                work / "log" / "exporter.log",
            )
        )

    def alertmanager(self) -> Server:
        """Start Alertmanager with the generated routes; no cluster, so it opens one port only."""
        work, port = self.work, self.ports.alertmanager
        return self._start(
            Server(
                "alertmanager",
                [
                    find_program("alertmanager"),
                    f"--config.file={work / 'generated' / 'alerting' / 'alertmanager.yml'}",
                    f"--storage.path={work / 'alertmanager'}",
                    f"--web.listen-address={LOOPBACK}:{port}",
                    "--cluster.listen-address=",
                ],
                f"http://{LOOPBACK}:{port}",
                work / "log" / "alertmanager.log",
            )
        )

    def prometheus(self) -> Server:
        """Start Prometheus on the history's blocks with the generated rules."""
        work, port = self.work, self.ports.prometheus
        return self._start(
            Server(
                "prometheus",
                [
                    find_program("prometheus"),
                    f"--config.file={work / 'generated' / 'prometheus' / 'prometheus.yml'}",
                    f"--storage.tsdb.path={work / 'tsdb'}",
                    # Counted from the newest sample: anything shorter would delete the history.
                    "--storage.tsdb.retention.time=10y",
                    f"--web.listen-address={LOOPBACK}:{port}",
                    "--enable-feature=exemplar-storage",
                ],
                f"http://{LOOPBACK}:{port}",
                work / "log" / "prometheus.log",
            )
        )

    def grafana(self) -> Server | None:
        """Start Grafana with data source and dashboards provisioned, if it is installed."""
        program = shutil.which("grafana-server") or shutil.which("grafana")
        if program is None:
            return None
        home = _grafana_home(Path(program))
        if home is None:
            return None
        work, port = self.work, self.ports.grafana
        generated = (work / "generated" / "dashboards").resolve()
        command = [program] if Path(program).name == "grafana-server" else [program, "server"]
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
        return self._start(
            Server(
                "grafana",
                [*command, f"--homepath={home}"],
                f"http://{LOOPBACK}:{port}",
                work / "log" / "grafana.log",
                environment,
            ),
            "/api/health",
        )


def _grafana_home(program: Path) -> Path | None:
    """Return the folder that holds Grafana's ``public`` and ``conf``."""
    beside = program.resolve().parent.parent
    candidates = [beside, Path("/usr/share/grafana"), Path("/usr/local/share/grafana")]
    named = os.environ.get("GF_PATHS_HOME")
    if named:
        candidates.insert(0, Path(named))
    return next((path for path in candidates if (path / "public").is_dir()), None)


def docker_available() -> bool:
    """Return whether a Docker daemon answers and has the compose command."""
    if shutil.which("docker") is None:
        return False
    for words in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode:
            return False
    return True
