"""``.ci/run`` ends as ``make test`` does, and its last lines name what failed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci" / "run"
SUMMARY = """\
=========== short test summary info ===========
FAILED tests/a.py::test_x[1] - assert 1 == 2
ERROR tests/b.py::test_y
=== 1 failed, 3 passed, 1 error in 2.34s ===
"""


def run(folder: Path, make: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script beside a ``make`` that does as told."""
    (folder / ".ci").mkdir()
    script = shutil.copy(RUN, folder / ".ci" / "run")
    program = folder / "make"
    program.write_text(f"#!/bin/sh\n{make}\n")
    program.chmod(0o755)
    return subprocess.run(
        ["bash", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # read to its end: whoever still holds it holds up the machine that runs this
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("status", [0, 1, 2, 137])
def test_it_ends_as_make_does(tmp_path: Path, status: int) -> None:
    assert run(tmp_path, f"echo said; exit {status}").returncode == status


def test_the_last_lines_name_what_failed(tmp_path: Path) -> None:
    done = run(tmp_path, f"cat <<'END'\n{SUMMARY}END\nexit 2")
    assert done.returncode == 2
    assert done.stdout.startswith(SUMMARY)
    assert done.stdout.splitlines()[-1] == (
        "1 failed, 3 passed, 1 error in 2.34s: tests/a.py::test_x[1] tests/b.py::test_y"
    )


def test_a_process_that_a_test_left_behind_does_not_hold_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    try:
        done = run(tmp_path, f"sleep 300 &\necho $! > {pid}\ncat <<'END'\n{SUMMARY}END\nexit 2")
        assert done.returncode == 2
        assert "1 failed, 3 passed, 1 error in 2.34s: " in done.stdout.splitlines()[-1]
    finally:
        os.kill(int(pid.read_text()), 9)
