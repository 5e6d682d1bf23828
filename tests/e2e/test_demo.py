"""The demo as a whole: real flights, real servers, a broken feed, real pages; and its end by Ctrl-C.

Short settings: each day of the replay takes ten seconds, and the history reaches back over its longest
window only. The alerts come of the same rules as in the long demo; none is lowered for the test.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from support.servers import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CONFIGURATIONS = ("alerting/alertmanager.yml", "prometheus/prometheus.yml")
ROOT = Path(__file__).parents[2]
SHORT = ["--days=6", "--fault-days=2", "--history-days=8", "--minutes=1"]
# Enough to start the servers and to be replaying when it is stopped.
SHORTEST = ["--days=5", "--fault-days=1", "--history-days=1", "--minutes=1", "--history-step=12h", "--rule-step=12h"]


def start(work: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "examples.demo", "--work-dir", str(work), *options]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(demo: subprocess.Popen[str], seconds: float) -> str:
    """Return what it said; on time-out end it as Ctrl-C would, so that no server stays."""
    try:
        return demo.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        demo.send_signal(signal.SIGINT)
        try:
            said = demo.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            demo.kill()
            said = demo.communicate()[0]
        pytest.fail(f"the demo took longer than {seconds:.0f} s:\n{said}")


def processes_of(work: Path) -> list[str]:
    """Command lines of the running processes that name the work folder."""
    lines = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(work) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            lines.append(line)
    return lines


def servers_of(demo: subprocess.Popen[str], work: Path) -> list[psutil.Process]:
    """The running servers that read the demo's catalogue and generated files."""
    read = (f"--catalogue={work}/plumbline.yaml", *(f"--config.file={work}/generated/{f}" for f in CONFIGURATIONS))
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(demo.pid).children()
        return [child for child in children if child.is_running() and set(child.cmdline()) & set(read)]
    return []


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_demo_proves_itself_calls_the_right_people_and_leaves_nothing_running(tmp_path: Path) -> None:
    work = tmp_path / "demo"
    demo = start(work, *SHORT, "--exit")
    said = finish(demo, 600)
    assert demo.returncode == 0, said

    proof = json.loads((work / "proof.json").read_text())
    assert proof["passed"] is True
    assert [check["name"] for check in proof["checks"] if not check["passed"]] == []
    assert len(proof["checks"]) == 14

    notices: list[dict[str, Any]] = [json.loads(line) for line in (work / "notices.ndjson").read_bytes().splitlines()]
    called = {(notice["owner"], notice["kind"], notice["alert"]) for notice in notices}
    assert ("weather-data", "page", "PipelineFailed") in called
    assert any(owner == "flight-ml" and kind == "page" for owner, kind, _ in called)
    assert any(kind == "ticket" for _, kind, _ in called)
    assert {owner for owner, _, _ in called} <= {"weather-data", "flight-ml", "platform"}

    assert processes_of(work) == []
    links = yaml.safe_load((work / "plumbline.yaml").read_text())["links"]
    for name in ("prometheus", "alertmanager", "exporter"):
        assert not listening(int(links[name].rsplit(":", 1)[1])), f"{name} is still there"


def test_ctrl_c_stops_every_server(tmp_path: Path) -> None:
    work = tmp_path / "demo"
    demo = start(work, *SHORTEST)
    servers: list[psutil.Process] = []
    try:
        wait_for(lambda: demo.poll() is not None or len(servers_of(demo, work)) == 3, seconds=500, name="three servers")
        servers = servers_of(demo, work)
        assert len(processes_of(work)) >= 4  # the demo itself and its servers
    finally:
        demo.send_signal(signal.SIGINT)
        said = finish(demo, 120)
    assert demo.returncode == 130, said
    assert "Traceback" not in said
    assert len(servers) == 3
    assert not any(server.is_running() for server in servers)
    assert processes_of(work) == []
