"""The folder of baseline artefacts as the exporter sees it: found by digest, or by model and version."""

from __future__ import annotations

import time
from pathlib import Path

import structlog

from plumbline.baseline.artefact import Baseline, load_baseline
from plumbline.errors import BaselineError

log = structlog.get_logger(__name__)

RESCAN_SECONDS = 5.0


class BaselineFolder:
    """Baselines by digest and by (model, version).

    A new artefact is noticed when something asks for one that is not known: at once where a file has come
    into the folder, since a pipeline announces a version right after it has written the baseline; a file that
    was still being copied then, within a few seconds of its completion.

    Raises:
        BaselineError: when opened, if an artefact is damaged. Later ones are logged and left out: a
            running exporter must not fall over a half-copied file.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._by_digest: dict[str, Baseline] = {}
        self._read: dict[str, tuple[int, int]] = {}  # file name: modification time and size when it was read
        self._scanned = time.monotonic()
        self._changed = 0 if folder is None else _changed(folder)
        if folder is not None:
            self._by_digest = {b.digest: b for b in map(load_baseline, sorted(folder.glob("*.json")))}

    def get(self, digest: str) -> Baseline | None:
        """Return the baseline with this sha256 (a ``sha256:`` prefix is ignored)."""
        digest = digest.removeprefix("sha256:")
        if digest not in self._by_digest:
            self._rescan()
        return self._by_digest.get(digest)

    def find(self, model: str, version: str) -> Baseline | None:
        """Return the baseline of a version; of several, the one with the newest data."""
        fitting = self._fitting(model, version)
        if not fitting:
            self._rescan()
            fitting = self._fitting(model, version)
        return max(fitting, key=lambda b: (b.lineage.end or "", b.digest)) if fitting else None

    def all(self) -> list[Baseline]:
        """Return every baseline."""
        return list(self._by_digest.values())

    def _fitting(self, model: str, version: str) -> list[Baseline]:
        # A copy: look-ups in other threads may come while a new artefact is added.
        return [b for b in list(self._by_digest.values()) if b.model == model and b.version == version]

    def _rescan(self) -> None:
        if self._folder is None:
            return
        changed = _changed(self._folder)
        if changed == self._changed and time.monotonic() - self._scanned < RESCAN_SECONDS:
            return
        self._scanned, self._changed = time.monotonic(), changed
        for path in sorted(self._folder.glob("*.json")):
            if path.stem in self._by_digest:
                continue
            try:
                known = path.stat()
                state = (known.st_mtime_ns, known.st_size)
                if self._read.get(path.name) == state:
                    continue
                self._read[path.name] = state
                baseline = load_baseline(path)
                self._by_digest[baseline.digest] = baseline
            except FileNotFoundError:
                continue  # gone since the folder was listed
            except BaselineError as error:
                log.warning("baseline left out", file=str(path), problem=str(error))


def _changed(folder: Path) -> int:
    """Return when a file last came into a folder or left it; 0 if there is no such folder."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
