"""Linters and newer releases, where they are installed: not on every machine, so each says why it skips.

``PLUMBLINE_NEWER_TOOLS`` names a folder with a promtool and an amtool newer than Debian's (3.x, 0.3x).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from plumbline.catalogue.model import Catalogue
from plumbline.generated import write_files
from plumbline_alerting.generate import generate

ROOT = Path(__file__).parents[2]
RULE_TESTS = sorted((ROOT / "alerting" / "tests").glob("[A-Z]*.yml"))


def run(*command: str | Path, folder: Path = ROOT) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@pytest.mark.skipif(shutil.which("pint") is None, reason="pint is not on the PATH: no Debian package has it")
def test_pint_finds_nothing_without_a_written_reason() -> None:
    said = run("pint", "--offline", "--no-color", "lint", "--min-severity=info", "alerting/rules", "prometheus/rules")
    assert "Problems found" not in said, said


def newer(name: str) -> Path:
    folder = os.environ.get("PLUMBLINE_NEWER_TOOLS")
    if folder is None or not (Path(folder) / name).exists():
        pytest.skip(f"PLUMBLINE_NEWER_TOOLS names no folder with a newer {name}")
    return Path(folder) / name


def test_a_newer_promtool_accepts_rules_and_configuration(generated: Path) -> None:
    promtool = newer("promtool")
    run(promtool, "check", "config", generated / "prometheus" / "prometheus.yml")
    for path in generated.rglob("rules/*.yml"):
        run(promtool, "check", "rules", "--lint-fatal", path)


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda p: p.stem)
def test_a_newer_promtool_agrees_with_the_rule_tests(path: Path, test_catalogue: Catalogue, tmp_path: Path) -> None:
    promtool = newer("promtool")
    write_files(generate(test_catalogue), tmp_path)
    shutil.copytree(ROOT / "alerting" / "tests", tmp_path / "alerting" / "tests")
    run(promtool, "test", "rules", tmp_path / "alerting" / "tests" / path.name)


def test_a_newer_amtool_accepts_the_configuration_and_its_routes(any_catalogue: Catalogue, generated: Path) -> None:
    amtool, config = newer("amtool"), generated / "alerting" / "alertmanager.yml"
    run(amtool, "check-config", config)
    for owner in any_catalogue.owners:
        for severity, way in (("critical", "page"), ("warning", "ticket")):
            run(
                amtool,
                "config",
                "routes",
                "test",
                f"--config.file={config}",
                f"--verify.receivers=plumbline-exporter,{owner}-{way}",
                "alertname=A",
                f"owner={owner}",
                f"severity={severity}",
            )
