"""promtool and amtool, where they are installed: runs them on generated files, returns what they say."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from plumbline.errors import ToolError

_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an outside tool says of some files.

    Attributes:
        tool: e.g. ``promtool check rules``.
        status: ``ok``, ``failed`` or ``absent`` (the tool is not installed).
        output: what it printed, for a failure.
    """

    tool: str
    status: str
    output: str = ""


def check_files(folder: Path, paths: Iterable[str]) -> list[Verdict]:
    """Check generated YAML files by their kind.

    Args:
        folder: where they are.
        paths: relative paths; others than rules, Prometheus's and Alertmanager's configuration are
            passed over.
    """
    by_kind: dict[str, list[str]] = {}
    for path in sorted(paths):
        kind = _kind(folder / path)
        if kind is not None:
            by_kind.setdefault(kind, []).append(path)
    checks = {
        "rules": ("promtool", "check", "rules"),
        "prometheus": ("promtool", "check", "config"),
        "alertmanager": ("amtool", "check-config"),
    }
    return [_run(command, folder, by_kind[kind]) for kind, command in checks.items() if kind in by_kind]


def _kind(path: Path) -> str | None:
    if path.suffix not in (".yml", ".yaml") or not path.is_file():
        return None
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.YAMLError:
        return None
    keys = set(data) if isinstance(data, dict) else set()
    if keys == {"groups"}:
        return "rules"
    if "scrape_configs" in keys:
        return "prometheus"
    if "route" in keys and "receivers" in keys:
        return "alertmanager"
    return None


def _run(command: tuple[str, ...], folder: Path, paths: list[str]) -> Verdict:
    name = " ".join(command)
    if shutil.which(command[0]) is None:
        return Verdict(name, "absent")
    try:
        done = subprocess.run(
            [*command, *paths], cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{name} did not end within {_SECONDS} s") from error
    if done.returncode == 0:
        return Verdict(name, "ok")
    return Verdict(name, "failed", (done.stdout + done.stderr).strip())
