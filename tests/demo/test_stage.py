from __future__ import annotations

from pathlib import Path

import pytest

from examples.demo.folder import own_folder
from examples.demo.settings import Settings
from plumbline.errors import UsageError


def test_work_folder_is_made_and_emptied_of_an_earlier_demo(tmp_path: Path) -> None:
    work = tmp_path / "deep" / "demo"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with own_folder(work):
        (work / "data").mkdir()
        (work / "data" / "old").touch()
        (work / "proof.json").touch()
        (work / "link").symlink_to(outside)
    with own_folder(work):
        assert not {"data", "proof.json", "link"} & {path.name for path in work.iterdir()}
    assert (outside / "kept").exists()


def test_folder_with_other_things_in_it_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="not empty and not a demo's folder"), own_folder(tmp_path):
        pytest.fail("entered")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_second_demo_in_the_same_folder_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    with own_folder(tmp_path):
        (tmp_path / "data").touch()
        with pytest.raises(UsageError, match="another demo is running"), own_folder(tmp_path):
            pytest.fail("entered")
        assert (tmp_path / "data").exists()


def test_speed_is_event_time_over_real_time(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, 21, 6, None, 4.0, 7200.0, 21600.0, 0)
    assert settings.speed == 7560.0
