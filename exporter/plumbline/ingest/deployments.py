"""Deployments: what a model's versions are counted by, from when, and beside which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import structlog

from plumbline.events.kinds import Deployment
from plumbline.ingest.budget import count_series
from plumbline.ingest.draft import Draft, create_version, deployments_of, find_version, make_room
from plumbline.ingest.past import changed
from plumbline.ingest.stages import Entry, kept_entries, named_baselines
from plumbline.ingest.state import Key, VersionState
from plumbline.ingest.trials import begin_trials
from plumbline.layout.build import build_layout
from plumbline.layout.version import remap

log = structlog.get_logger(__name__)


def take_deployments(draft: Draft, events: Iterable[tuple[Deployment, float]]) -> None:
    """Remember deployments of declared models, count their versions, and begin the trials that they make.

    All of a transaction at once and before its other events, so that their order does not matter and a thousand
    cost little more than one.

    Args:
        draft: of the transaction.
        events: deployments, each with its time in epoch seconds.
    """
    by_model: dict[str, list[tuple[Deployment, float]]] = defaultdict(list)
    for event, ts in events:
        if event.model in draft.setup.catalogue.models:
            by_model[event.model].append((event, ts))
    for model, told in by_model.items():
        before = deployments_of(draft, model)
        made = [Entry(ts, e.version, e.stage, e.commit, e.training_data, e.baseline) for e, ts in told]
        entries = list(dict.fromkeys([*before, *made]))
        if len(entries) == len(before):
            continue
        named = named_baselines(entries)
        for version in dict.fromkeys(entry.version for entry in entries[len(before) :]):
            _count_from_now(draft, (model, version), named.get(version))
        counted = {version for name, version in (*draft.state.versions, *draft.versions) if name == model}
        draft.deployments[model] = kept_entries(entries, draft.setup.deployments_kept, counted)
        begin_trials(draft, model)


def _count_from_now(draft: Draft, key: Key, digest: str | None) -> None:
    """Count a version that was deployed; by another baseline than before, if a deployment names one."""
    baseline = draft.setup.baselines.get(digest) if digest else None
    if baseline is not None and baseline.model != key[0]:
        log.warning("a deployment names the baseline of another model", model=key[0], version=key[1], baseline=digest)
        baseline = None
    known = find_version(draft, key)
    if known is None:
        create_version(draft, *key, baseline, announced=True)
    elif baseline is not None and known.layout.baseline != baseline.digest:
        layout = build_layout(*key, draft.setup.catalogue.models[key[0]], baseline)
        series = count_series(layout, baseline, draft.setup.catalogue)
        if not make_room(draft, key, baseline, series):
            return
        old = known.layout.cell_names()
        past = changed(old, layout, known.past, draft.known.next_seq, draft.known.first_due)
        cells = remap(old, known.cells, layout)
        draft.versions[key] = VersionState(layout, baseline, series, cells, dict(known.schedule), past=past)


def first_deployed(draft: Draft, key: Key) -> float | None:
    """Return when a version was first deployed; None if nobody said."""
    return min((e.ts for e in deployments_of(draft, key[0]) if e.version == key[1]), default=None)
