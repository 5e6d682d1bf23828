from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from plumbline.demo.folder import own_folder
from plumbline.demo.screen import Screen
from plumbline.demo.settings import Settings
from plumbline.demo.stack import stop_leftovers
from plumbline.errors import UsageError

# Sleeps; a path on its command line makes it look like a server of that folder.
SLEEP = "import time; print(flush=True); time.sleep(60)"


@contextmanager
def sleeper(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SLEEP, *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it runs: just after the start its command line reads as empty
            yield process
        finally:
            process.kill()


@pytest.fixture
def screen() -> Screen:
    return Screen(Console(file=io.StringIO(), soft_wrap=True))


def test_server_that_a_killed_demo_left_is_stopped(tmp_path: Path) -> None:
    with sleeper(f"--config={tmp_path}/prometheus.yml") as left:
        (tmp_path / "pids").write_text(f"{left.pid}\n")
        assert stop_leftovers(tmp_path) == [left.pid]
        assert left.wait(10) != 0


def test_process_that_took_an_old_id_over_is_left_alone(tmp_path: Path) -> None:
    with sleeper("--config=/elsewhere/prometheus.yml", f"{tmp_path}-other/x") as stranger:
        (tmp_path / "pids").write_text(f"{stranger.pid}\n")
        assert stop_leftovers(tmp_path) == []
        assert stranger.poll() is None


def test_ended_process_and_nonsense_in_the_list_are_passed_over(tmp_path: Path) -> None:
    with sleeper() as ended:
        pass
    (tmp_path / "pids").write_text(f"{ended.pid}\nx\n-1\n\n")
    assert stop_leftovers(tmp_path) == []


def test_folder_without_a_list_has_no_leftovers(tmp_path: Path) -> None:
    assert stop_leftovers(tmp_path) == []


def test_work_folder_is_made_and_emptied_of_an_earlier_demo(tmp_path: Path, screen: Screen) -> None:
    work = tmp_path / "deep" / "demo"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with own_folder(work, screen):
        (work / "data").mkdir()
        (work / "data" / "old").touch()
        (work / "proof.json").touch()
        (work / "link").symlink_to(outside)
    with own_folder(work, screen):
        assert not {"data", "proof.json", "link"} & {path.name for path in work.iterdir()}
    assert (outside / "kept").exists()


def test_folder_with_other_things_in_it_is_refused_and_left_as_it_is(tmp_path: Path, screen: Screen) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="not empty and not a demo's folder"), own_folder(tmp_path, screen):
        pytest.fail("entered")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_second_demo_in_the_same_folder_is_refused_and_disturbs_nothing(tmp_path: Path, screen: Screen) -> None:
    with own_folder(tmp_path, screen):
        (tmp_path / "data").touch()
        with pytest.raises(UsageError, match="another demo is running"), own_folder(tmp_path, screen):
            pytest.fail("entered")
        assert (tmp_path / "data").exists()


def test_speed_is_event_time_over_real_time(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, 21, 6, None, 4.0, 7200.0, 21600.0, 0)
    assert settings.speed == 7560.0
