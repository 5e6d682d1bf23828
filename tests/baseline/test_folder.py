"""When a running exporter notices a new artefact."""

from __future__ import annotations

from pathlib import Path

from plumbline.baseline.artefact import save_baseline
from plumbline.baseline.folder import RESCAN_SECONDS, BaselineFolder
from support.samples import baseline as sample


def test_an_artefact_announced_as_soon_as_it_is_written_is_found(tmp_path: Path) -> None:
    folder = BaselineFolder(tmp_path)
    assert folder.find("clf", "1") is None  # it has just looked
    baseline = sample()
    save_baseline(baseline, tmp_path)
    assert folder.get(f"sha256:{baseline.digest}") == baseline
    assert folder.find(baseline.model, baseline.version) == baseline


def test_a_folder_made_after_the_start_is_looked_into(tmp_path: Path) -> None:
    folder = BaselineFolder(tmp_path / "later")
    baseline = sample()
    assert folder.get(baseline.digest) is None
    save_baseline(baseline, tmp_path / "later")
    assert folder.get(baseline.digest) == baseline


def test_a_file_that_was_still_being_copied_is_found_when_it_is_whole(tmp_path: Path) -> None:
    baseline = sample()
    whole = save_baseline(baseline, tmp_path / "made").read_bytes()
    path = tmp_path / "used" / f"{baseline.digest}.json"
    path.parent.mkdir()
    folder = BaselineFolder(path.parent)
    path.write_bytes(whole[:100])
    assert folder.get(baseline.digest) is None
    path.write_bytes(whole)
    folder._scanned -= RESCAN_SECONDS  # rather than wait
    assert folder.get(baseline.digest) == baseline
