"""Deployments: what a model's versions are counted by, from when, and beside which."""

from __future__ import annotations

from plumbline.events.kinds import Deployment
from plumbline.ingest.draft import Draft, create_version, deployments_of, find_version
from plumbline.ingest.past import changed
from plumbline.ingest.stages import Entry, kept_entries
from plumbline.ingest.state import Key, VersionState
from plumbline.ingest.trials import begin_trials
from plumbline.layout.build import build_layout
from plumbline.layout.version import remap


def take_deployment(draft: Draft, event: Deployment, ts: float) -> None:
    """Remember a deployment of a declared model, count its version from now on, and begin the trials it makes."""
    if event.model not in draft.setup.catalogue.models:
        return
    entries = deployments_of(draft, event.model)
    entry = Entry(ts, event.version, event.stage, event.commit, event.training_data, event.baseline)
    if entry in entries:
        return
    counted = {v for m, v in (*draft.state.versions, *draft.versions) if m == event.model}
    draft.deployments[event.model] = kept_entries([*entries, entry], draft.setup.deployments_kept, counted)
    key = (event.model, event.version)
    state = find_version(draft, key)
    baseline = draft.setup.baselines.get(event.baseline) if event.baseline else None
    if state is None:
        create_version(draft, event.model, event.version, baseline, announced=True)
    elif baseline is not None and state.layout.baseline != baseline.digest:
        layout = build_layout(*key, draft.setup.catalogue.models[event.model], baseline)
        cells = remap(state.layout.cell_names(), state.cells, layout)
        past = changed(state.layout.cell_names(), layout, state.past, draft.known.next_seq, draft.known.first_due)
        draft.versions[key] = VersionState(
            layout, baseline, cells, dict(state.schedule), state.generation + 1, past=past
        )
    begin_trials(draft, event.model)


def first_deployed(draft: Draft, key: Key) -> float | None:
    """Return when a version was first deployed; None if nobody said."""
    return min((e.ts for e in deployments_of(draft, key[0]) if e.version == key[1]), default=None)
