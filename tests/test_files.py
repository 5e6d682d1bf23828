"""Files are whole, or as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plumbline.files import file_name, write_whole
from plumbline.generated import GeneratedFile, write_files


def test_a_file_is_replaced_and_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yml", tmp_path / "link.yml"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, "new \u00e9")
    assert real.read_text(encoding="utf-8") == "new \u00e9"
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"real.yml", "link.yml"}


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    write_files([GeneratedFile("rules.yml", "groups: []\n")], tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_files([GeneratedFile("rules.yml", "groups: [{name: a, rules: []}]\n")], tmp_path)
    assert (tmp_path / "rules.yml").read_text() == "groups: []\n"
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yml"]


def test_what_is_no_file_is_written_to() -> None:
    code = "from pathlib import Path; from plumbline.files import file_name, write_whole; write_whole(Path('/dev/stdout'), 'text')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "text"


def test_a_writer_that_is_killed_leaves_no_part_in_place(tmp_path: Path) -> None:
    target = tmp_path / "rules.yml"
    target.write_text("a" * 4_000_000)
    code = (
        "import sys; from pathlib import Path; from plumbline.files import file_name, write_whole\n"
        "while True:\n"
        "    for letter in 'ab': write_whole(Path(sys.argv[1]), letter * 4_000_000)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(target)])
    time.sleep(1.0)
    writer.send_signal(signal.SIGKILL)
    writer.wait(10)
    text = target.read_text()
    assert len(text) == 4_000_000
    assert len(set(text)) == 1


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "..", ".", ".hidden", "a b", "\U0001d54f" * 128, "\0", "CON:"]
)
def test_the_name_of_a_file_is_never_a_path_and_differs_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / file_name(name)
    path.write_text("")
    assert path.resolve().parent == tmp_path.resolve()
    assert file_name(name) != file_name(name + "x")
    assert not file_name(name).startswith(".")


def test_a_plain_name_stays() -> None:
    assert file_name("flight_late-2.1") == "flight_late-2.1"
