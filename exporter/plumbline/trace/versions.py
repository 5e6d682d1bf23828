"""What is known of a model version: its deployments, and its baseline's lineage."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from plumbline.baseline.artefact import Baseline
from plumbline.baseline.folder import BaselineFolder
from plumbline.events.kinds import Deployment
from plumbline.keys import model_key
from plumbline.store.base import Reader
from plumbline.trace.decode import events_of
from plumbline.trace.records import VersionInfo
from plumbline.units import format_time

MAX_DEPLOYMENTS = 10_000

_decode_deployment = msgspec.json.Decoder(Deployment).decode


def version_info(
    reader: Reader, baselines: BaselineFolder, model: str, version: str, at: float
) -> tuple[VersionInfo, Baseline | None]:
    """Return what the deployments told by then say of a version, completed from its baseline, and that one.

    Args:
        reader: of the store.
        baselines: where baselines are found.
        model: the model.
        version: its version.
        at: epoch seconds; later deployments say nothing yet.
    """
    entries = []
    for event in events_of(reader, model_key(model), MAX_DEPLOYMENTS):
        entry = _decode_deployment(event.raw)
        if (entry.model, entry.version) == (model, version) and event.ts <= at:
            entries.append((event.ts, event.seq, entry))
    entries.sort(key=lambda one: one[:2])

    def newest(field: str) -> object:
        told = (getattr(entry, field) for *_, entry in reversed(entries))
        return next((value for value in told if value is not None), None)

    named = newest("baseline")
    baseline = baselines.get(named) if isinstance(named, str) else baselines.find(model, version)
    info = VersionInfo(
        stage=entries[-1][2].stage if entries else None,
        deployed=format_time(entries[-1][0]) if entries else None,
        **{field: newest(field) for field in ("commit", "training_data", "config", "baseline")},  # type: ignore[arg-type]
    )
    if baseline is None:
        return info, None
    lineage = baseline.lineage
    info = replace(
        info,
        commit=info.commit or lineage.commit,
        training_data=info.training_data or lineage.training_data,
        config=lineage.config if info.config is None else info.config,
        baseline=baseline.digest,
        reference_data=lineage.training_data,
        baseline_quality={name: told.value for name, told in baseline.quality.items()},
        training_source=lineage.source,
        training_rows=lineage.rows,
        training_start=lineage.start,
        training_end=lineage.end,
    )
    return info, baseline
