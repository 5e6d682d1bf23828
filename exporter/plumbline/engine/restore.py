"""The engine's named values in the store, read back: counters by their cells' names, deployments, schedules.

A layout may have changed since they were written, by a new plumbline, catalogue or baseline. What each value
means is therefore stored beside it (``layout/``, ``names/``), and a value is taken over cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue, Model
from plumbline.engine.past import Past, changed, created
from plumbline.engine.versions import Entry, Key, VersionState, decode_schedule
from plumbline.layout.build import build_layout
from plumbline.layout.version import VersionLayout, remap

Floats = npt.NDArray[np.float64]


class Saved(NamedTuple):
    """A version's stored counters, the names of their cells, and when its predictions mature."""

    names: list[str]
    cells: Floats
    schedule: dict[float, int]
    past: Past | None


def label_of(key: Key) -> str:
    """Return how the names of a version's values end."""
    return msgspec.json.encode(list(key)).decode()


def saved_versions(state: Mapping[str, bytes]) -> dict[Key, Saved]:
    """Return what the store holds of each version."""
    found: dict[Key, Saved] = {}
    for name, value in state.items():
        if not name.startswith("layout/"):
            continue
        label = name.removeprefix("layout/")
        model, version = msgspec.json.decode(label, type=tuple[str, str])
        cells = np.frombuffer(state[f"cells/{label}"], dtype=np.float64)
        schedule = decode_schedule(state[f"schedule/{label}"])
        layout = _decode_layout(value)
        found[model, version] = Saved(layout.cells, cells, schedule, layout.past)
    return found


class _Layout(msgspec.Struct):
    cells: list[str]
    baseline: str | None = None
    past: Past | None = None


_decode_layout = msgspec.json.Decoder(_Layout).decode


def encode_layout(layout: VersionLayout, past: Past | None) -> bytes:
    """Return what ``saved_versions`` reads of a layout."""
    return msgspec.json.encode(_Layout(layout.cell_names(), layout.baseline, past))


def saved_entries(state: Mapping[str, bytes], models: Iterable[str]) -> dict[str, list[Entry]]:
    """Return the deployments of each model."""
    return {model: msgspec.json.decode(state.get(f"deployments/{model}", b"[]"), type=list[Entry]) for model in models}


def wanted_versions(
    catalogue: Catalogue, baselines: BaselineFolder, entries: Mapping[str, list[Entry]], saved: Iterable[Key]
) -> dict[Key, Baseline | None]:
    """Return every version that is to be counted, with its baseline.

    Those that a baseline, a deployment or the store names, and one per model for all that nobody announced.
    """
    wanted: dict[Key, Baseline | None] = {(names.UNKNOWN, names.UNKNOWN): None}
    wanted |= {(model, names.UNKNOWN): None for model in catalogue.models}
    for baseline in baselines.all():
        if baseline.model in catalogue.models:
            key = (baseline.model, baseline.version)
            wanted[key] = baselines.find(*key)
    for model, told in entries.items():
        for entry in told:
            named = baselines.get(entry.baseline) if entry.baseline else None
            wanted[model, entry.version] = named or baselines.find(model, entry.version)
    for key in saved:
        if key[0] in catalogue.models:
            wanted.setdefault(key, None)
    return wanted


def restored_version(
    key: Key,
    model: Model | None,
    baseline: Baseline | None,
    saved: Saved | None,
    generation: int,
    border: tuple[int, float],
) -> VersionState:
    """Return a version with its stored counters, or zeros, in the layout that it has by now.

    Args:
        key: model and version.
        model: its entry in the catalogue.
        baseline: its baseline.
        saved: what the store holds of it.
        generation: of the state.
        border: where a layout that has changed begins; see ``past.changed``.
    """
    layout = build_layout(*key, model, baseline)
    if saved is None:
        return VersionState(layout, baseline, np.zeros(layout.size), {}, generation, past=created(border[0]))
    if saved.names == layout.cell_names():
        return VersionState(layout, baseline, saved.cells.copy(), saved.schedule, generation, past=saved.past)
    past = changed(saved.names, layout, saved.past, *border)
    cells = remap(saved.names, saved.cells, layout)
    return VersionState(layout, baseline, cells, saved.schedule, generation, past=past)


def restored_array(state: Mapping[str, bytes], name: str, cells: list[str]) -> Floats:
    """Return one of the arrays that belong to no version; cells without a past are 0."""
    fresh = np.zeros(len(cells))
    if name not in state or f"names/{name}" not in state:
        return fresh
    old_names = msgspec.json.decode(state[f"names/{name}"], type=list[str])
    old = dict(zip(old_names, np.frombuffer(state[name], dtype=np.float64), strict=True))
    for at, cell in enumerate(cells):
        fresh[at] = old.get(cell, 0.0)
    return fresh
