"""Clients of several processes on one spool: what is left is taken over, what lives is left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline import Client
from support.exporter_stand_in import StandIn, names_of, predict

Make = Callable[..., Client]


def test_the_next_client_adopts_what_the_last_left_on_disk(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = (503, {})
    first = client_for(spool_dir=tmp_path)
    predict(first, *names_of(30, "old"))
    first.close(0.2)
    left = first.stats()
    assert (left.spooled, left.queued, left.sent) == (30, 0, 0)
    stand_in.down = None
    second = client_for(spool_dir=tmp_path)
    predict(second, "new")
    assert second.flush()
    assert stand_in.ids() == [*names_of(30, "old"), "new"]
    stats = second.stats()
    assert (stats.created, stats.adopted, stats.sent) == (31, 30, 31)


def test_an_unwritable_spool_folder_costs_nothing_but_the_spool(
    stand_in: StandIn, client_for: Make, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    client = client_for(spool_dir=tmp_path / "file" / "spool")
    predict(client, "a")
    assert client.flush()
    assert stand_in.ids() == ["a"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_client_of_its_own(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = (503, {})
    client = client_for(spool_dir=tmp_path)
    predict(client, *names_of(20, "parent"))
    end = time.monotonic() + 60
    while client.stats().spooled < 20 and time.monotonic() < end:
        time.sleep(0.01)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            empty = client.stats().created == 0
            stand_in.down = None
            predict(client, *names_of(5, "child"))
            client.close(0.3)
            os.write(write, json.dumps([empty, client.stats().spooled, client.stats().created]).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert json.loads(os.read(read, 1000)) == [True, 5, 5]
    os.close(read)
    stand_in.down = None
    assert client.flush(10)
    assert stand_in.first_ids() == names_of(20, "parent")
    heir = client_for(spool_dir=tmp_path)  # takes what the child left; the parent's folder is locked
    assert heir.flush(10) or heir.stats().adopted == 5
    end = time.monotonic() + 60
    while heir.stats().sent < 5 and time.monotonic() < end:
        time.sleep(0.01)
    assert stand_in.first_ids()[20:] == names_of(5, "child")


SCRIPT = """
import sys, time
from plumbline import Client
client = Client(sys.argv[1], spool_dir=sys.argv[2], backoff=0.05, linger=0.01, close_timeout=float(sys.argv[5]))
for number in range(int(sys.argv[4])):
    client.prediction(request_id=f"{sys.argv[3]}{number}", model="m", version="1", features={"x": 1}, prediction=1)
print("made", flush=True)
if sys.argv[6:] == ["wait"]:
    time.sleep(60)
"""


def start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, arguments)], stdout=subprocess.PIPE)


def test_the_end_of_a_process_flushes(stand_in: StandIn, tmp_path: Path) -> None:
    process = start(stand_in.url, tmp_path, "r", 700, 10)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert stand_in.first_ids() == names_of(700)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_on_one_root_do_not_share_a_spool(stand_in: StandIn, client_for: Make, tmp_path: Path) -> None:
    stand_in.down = (503, {})

    def spooled() -> int:
        return sum(path.read_bytes().count(b'"request_id"') for path in tmp_path.glob("[!.]*/*.seg"))

    both = [start(stand_in.url, tmp_path, prefix, 100, 0.3, "wait") for prefix in "ab"]
    try:
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == b"made\n"
        end = time.monotonic() + 30
        # Not the hidden folder that a client is just making: it may vanish while it is read.
        while len(list(tmp_path.glob("[!.]*/*.seg"))) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        assert len({path.parent for path in tmp_path.glob("[!.]*/*.seg")}) == 2
        late = client_for(spool_dir=tmp_path)
        predict(late, "mine")
        time.sleep(0.3)
        assert late.stats().adopted == 0
        while spooled() < 201 and time.monotonic() < end:
            time.sleep(0.02)
        assert spooled() == 201
    finally:
        for process in both:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    late.close(0.1)
    stand_in.down = None
    heir = client_for(spool_dir=tmp_path)
    end = time.monotonic() + 60
    while heir.stats().sent < 201 and time.monotonic() < end:
        time.sleep(0.02)
    assert sorted(stand_in.first_ids()) == sorted([*names_of(100, "a"), *names_of(100, "b"), "mine"])
