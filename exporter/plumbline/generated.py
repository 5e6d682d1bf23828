"""Files written by ``plumbline generate``: what a generator returns, and running them all.

A generator is a function ``(Catalogue) -> Iterable[GeneratedFile]`` registered under the entry point
group ``plumbline.generators``; so the core runs the dashboards' and the alerting's generators without
importing them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from plumbline.catalogue.model import Catalogue
from plumbline.errors import PlumblineError
from plumbline.files import write_whole

GROUP = "plumbline.generators"


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """One file to write.

    Attributes:
        path: relative to the output folder, with forward slashes.
        content: the whole text; ends in a newline.
    """

    path: str
    content: str


def run_generators(catalogue: Catalogue) -> list[GeneratedFile]:
    """Run every registered generator and return the files in path order.

    Raises:
        PlumblineError: if no generator is installed, or two write the same path.
    """
    files: dict[str, GeneratedFile] = {}
    found = sorted(entry_points(group=GROUP), key=lambda e: e.name)
    if not found:
        raise PlumblineError("no generator is installed: install the distribution (pip install plumbline)")
    for entry in found:
        made: Iterable[GeneratedFile] = entry.load()(catalogue)
        for file in made:
            if file.path in files:
                raise PlumblineError(f"two generators write {file.path}")
            files[file.path] = file
    return [files[path] for path in sorted(files)]


def stale_files(files: Iterable[GeneratedFile], folder: Path) -> list[str]:
    """Return the paths whose file under ``folder`` is absent or differs."""
    stale = []
    for file in files:
        target = folder / file.path
        if not target.is_file() or target.read_bytes() != file.content.encode():
            stale.append(file.path)
    return stale


def write_files(files: Iterable[GeneratedFile], folder: Path) -> list[str]:
    """Write what differs, each file in one step, and return the paths written."""
    files = list(files)
    stale = set(stale_files(files, folder))
    for file in files:
        if file.path in stale:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, file.content)
    return sorted(stale)
