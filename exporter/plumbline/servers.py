"""Outside programs: finding them, running them, and starting and stopping the servers among them.

Read by ``backfill`` and ``evaluate`` (promtool, a temporary Prometheus), and by the demo in ``examples``. Nothing
here uses a shell, servers bind loopback, and only processes started here are ever stopped, by their own id. Where
Linux's ``setpriv`` is (Debian's essential util-linux), they also end with us when we are killed and can stop nothing.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import requests

from plumbline.errors import ToolError

LOOPBACK = "127.0.0.1"

# program -> (names it goes by, Debian's package)
_PROGRAMS: dict[str, tuple[tuple[str, ...], str]] = {
    "prometheus": (("prometheus",), "prometheus"),
    "promtool": (("promtool",), "prometheus"),
    "alertmanager": (("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager"),
    "amtool": (("amtool",), "prometheus-alertmanager"),
}


def find_program(name: str) -> Path:
    """Return the path of ``prometheus``, ``promtool``, ``alertmanager`` or ``amtool``.

    Raises:
        ToolError: if it is not installed; the message names Debian's package.
    """
    names, package = _PROGRAMS[name]
    for candidate in names:
        found = shutil.which(candidate)
        if found:
            return Path(found)
    raise ToolError(f"{name} is not installed: sudo apt-get install {package} (Debian), or see prometheus.io/download")


def _bound(command: Sequence[str | Path]) -> list[str]:
    """Return the command so that the kernel kills it once the thread that started it has ended.

    SIGKILL, because a Prometheus that took its time would still hold the folder that the next run wants. By a
    program, because Python code between fork and exec may deadlock where there are threads.
    """
    words = [str(word) for word in command]
    setpriv = shutil.which("setpriv")
    return words if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--", *words]


def run_program(command: Sequence[str | Path], timeout: float = 600.0) -> str:
    """Run a program to its end and return its standard output.

    Raises:
        ToolError: if it cannot be started, takes longer than ``timeout`` seconds, or fails; the message
            ends in the last lines of what it said.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            _bound(words), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False
        )
    except OSError as error:
        raise ToolError(f"{words[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{' '.join(words[:3])} took longer than {timeout:.0f} s") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise ToolError(f"{' '.join(words[:3])} failed with exit code {done.returncode}:\n{said}")
    return done.stdout


def free_port() -> int:
    """Return a free TCP port on loopback, for a server that starts at once.

    For a minute no other program is given it by chance: the system hands out no port on which a connection
    was just closed (TIME_WAIT). Servers, which set SO_REUSEADDR, can listen on it all the same.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, 0))
        listening.listen(1)
        with socket.create_connection(listening.getsockname()) as client:
            listening.accept()[0].close()  # who closes first waits
            client.recv(1)
        return int(listening.getsockname()[1])


class Server:
    """A server process, started in the constructor; a context manager that stops it.

    The thread that starts it must live as long as it is wanted.

    Attributes:
        name: for messages.
        url: base URL, e.g. ``http://127.0.0.1:9090``.
        log: file that receives its output.
        process: the process.
    """

    def __init__(self, name: str, command: Sequence[str | Path], url: str, log: Path) -> None:
        self.name = name
        self.url = url
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            try:
                # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the servers
                # in order.
                self.process = subprocess.Popen(
                    _bound(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise ToolError(f"{name} cannot be started: {error.strerror}") from error

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def said(self, lines: int = 8) -> str:
        """Return the last lines of the log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def wait_ready(self, path: str = "/-/ready", timeout: float = 60.0) -> None:
        """Wait until ``GET path`` answers 200.

        Raises:
            ToolError: if the process ends or the time is over first; with its last words.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.running:
                raise ToolError(f"{self.name} ended with exit code {self.process.returncode}:\n{self.said()}")
            try:
                if requests.get(self.url + path, timeout=2).status_code == 200:
                    return
            except requests.RequestException:
                pass  # not listening yet
            time.sleep(0.1)
        raise ToolError(f"{self.name} was not ready after {timeout:.0f} s ({self.log}):\n{self.said()}")

    def stop(self, timeout: float = 20.0) -> None:
        """Ask the process to end, and kill it if it has not after ``timeout`` seconds."""
        if not self.running:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout)
