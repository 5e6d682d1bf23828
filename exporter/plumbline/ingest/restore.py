"""The committed state in the store: written version by version, read back by the names of the cells.

A layout may have changed since they were written, by a new plumbline, catalogue or baseline. What each value
means is therefore stored beside it (``layout/``, ``names/``), and a value is taken over cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from plumbline import names
from plumbline.baseline.artefact import Baseline
from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue
from plumbline.hooks.book import decode_book
from plumbline.ingest.budget import count_series, has_room
from plumbline.ingest.past import NEVER, Past, changed, created
from plumbline.ingest.stages import Entry, named_baselines, trials_of
from plumbline.ingest.state import Key, Setup, State, VersionState, decode_schedule, encode_schedule
from plumbline.layout.build import build_layout
from plumbline.layout.version import remap
from plumbline.store.base import Store, Transaction, Waiting

log = structlog.get_logger(__name__)

Floats = npt.NDArray[np.float64]
_HIDDEN, _HOOKS, _LEDGER, _PIPELINES = "hidden", "hooks", "ledger", "pipelines"


def restore(setup: Setup, store: Store) -> State:
    """Return what a store holds, in the layouts that the catalogue and the baselines ask for by now.

    Args:
        setup: what is declared.
        store: to read.

    Raises:
        StoreError: the store could not be read.
    """
    saved_state = store.state()
    saved = saved_versions(saved_state)
    deployments = saved_entries(saved_state, setup.catalogue.models)
    wanted = wanted_versions(setup.catalogue, setup.baselines, deployments, saved)
    ledger = restored_array(saved_state, _LEDGER, setup.ledger.cell_names())
    orphans: dict[int, list[Waiting]] = {}
    for waiting in store.orphans():
        orphans.setdefault(waiting.key, []).append(waiting)
    state = State(
        ledger=ledger,
        pipelines=restored_array(saved_state, _PIPELINES, setup.pipelines.cell_names()),
        deployments=deployments,
        trials={model: trials_of(entries) for model, entries in deployments.items()},
        orphans=orphans,
        book=decode_book(saved_state.get(_HOOKS)),
        pending=store.pending_count(),
        # As of the last tick: what is off the page takes no room from versions that are new.
        hidden=frozenset(msgspec.json.decode(saved_state.get(_HIDDEN, b"[]"), type=list[Key])),
    )
    border = (store.last_seq + 1, first_due(store))
    refused = set()
    # What was counted before comes back first; the budget decides on the rest, as it does at run time.
    for key in sorted(wanted, key=lambda key: key not in saved):
        model, version = key
        made = restored_version(key, setup, wanted[key], saved.get(key), border)
        baseline = wanted[key]
        own = baseline is not None and baseline.version == version
        always = key in saved or version == names.UNKNOWN
        if always or has_room(setup, model, state.versions, state.hidden, made.series, own=own):
            state.versions[key] = made
        elif wanted[key] is not None:
            refused.add(key)
            ledger[setup.ledger.refused[model]] += made.series
            log.warning("series budget exceeded", model=model, version=version, series=made.series)
    return replace(state, refused=frozenset(refused))


def first_due(store: Store) -> float:
    """Return when the first of the outcomes that wait for maturity is due; ``NEVER`` if none does."""
    first = store.pending_due(NEVER, 1)
    return first[0].due if first else NEVER


def layouts_of(setup: Setup, state: State) -> Transaction:
    """Return what says in the store what the counters of a state mean; to be written before anything is added."""
    values = {
        _LEDGER: state.ledger.tobytes(),
        f"names/{_LEDGER}": msgspec.json.encode(setup.ledger.cell_names()),
        _PIPELINES: state.pipelines.tobytes(),
        f"names/{_PIPELINES}": msgspec.json.encode(setup.pipelines.cell_names()),
    }
    for key, version in state.versions.items():
        values |= encode_version(key, version, layout=True)
    return Transaction(state=values)


def encode_version(key: Key, version: VersionState, *, layout: bool) -> dict[str, bytes]:
    """Return the named values of a version's counters, and of their layout if that has changed."""
    label = msgspec.json.encode(list(key)).decode()
    values = {f"cells/{label}": version.cells.tobytes(), f"schedule/{label}": encode_schedule(version.schedule)}
    if layout:
        described = _Layout(version.layout.cell_names(), version.layout.baseline, version.past)
        values[f"layout/{label}"] = msgspec.json.encode(described)
    return values


def encode_hidden(hidden: Iterable[Key]) -> dict[str, bytes]:
    """Return the named value of the versions that are not exposed."""
    return {_HIDDEN: msgspec.json.encode(sorted(hidden))}


class Saved(NamedTuple):
    """A version's stored counters, the names of their cells, and when its predictions mature."""

    names: list[str]
    cells: Floats
    schedule: dict[float, int]
    past: Past | None


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
        digests = named_baselines(told)
        for version in dict.fromkeys(entry.version for entry in told):
            digest = digests.get(version)
            named = baselines.get(digest) if digest else None
            fits = named is not None and named.model == model
            wanted[model, version] = named if fits else baselines.find(model, version)
    for key in saved:
        if key[0] in catalogue.models:
            wanted.setdefault(key, None)
    return wanted


def restored_version(
    key: Key, setup: Setup, baseline: Baseline | None, saved: Saved | None, border: tuple[int, float]
) -> VersionState:
    """Return a version with its stored counters, or zeros, in the layout that it has by now.

    Args:
        key: model and version.
        setup: what is declared.
        baseline: its baseline.
        saved: what the store holds of it.
        border: where a layout that has changed begins; see ``past.changed``.
    """
    layout = build_layout(*key, setup.catalogue.models.get(key[0]), baseline)
    series = count_series(layout, baseline, setup.catalogue)
    if saved is None:
        past = created(border[0])
        return VersionState(layout, baseline, series, np.zeros(layout.size), past=past)
    if saved.names == layout.cell_names():
        return VersionState(layout, baseline, series, saved.cells.copy(), saved.schedule, past=saved.past)
    cells = remap(saved.names, saved.cells, layout)
    moved = changed(saved.names, layout, saved.past, *border)
    return VersionState(layout, baseline, series, cells, saved.schedule, past=moved)


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
