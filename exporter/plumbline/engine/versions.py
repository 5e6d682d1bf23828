"""A model version as the engine holds it: its layout, its cells, and what its deployments say."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import numpy.typing as npt

from plumbline import fairness, names
from plumbline.baseline.artefact import Baseline
from plumbline.catalogue.model import Model
from plumbline.engine.past import Past
from plumbline.expose.block import Exemplar
from plumbline.layout.version import VersionLayout
from plumbline.units import parse_duration

Floats = npt.NDArray[np.float64]
Key = tuple[str, str]

# A retired version's late outcomes still mature and people still compare with it, so its series stay.
RETIRED_KEEP_SECONDS = 7 * 86400.0
_SCHEDULE_STEPS = 500


class Entry(msgspec.Struct, frozen=True):
    """One deployment event of a model."""

    ts: float
    version: str
    stage: str
    commit: str | None = None
    training_data: str | None = None
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class VersionState:
    """Committed counters of one version. Instances are replaced, never changed.

    Attributes:
        layout: where each counter lives.
        baseline: the version's baseline, if any.
        cells: the counters; treated as immutable once published.
        schedule: predictions that reach maturity, by time (coarse steps): (due, count).
        generation: grows with every change of the cells.
        past: what entered before the layout's latest change, which some cells do not hold.
    """

    layout: VersionLayout
    baseline: Baseline | None
    cells: Floats
    schedule: dict[float, int] = field(default_factory=dict)
    generation: int = 0
    exemplars: dict[tuple[int, int], Exemplar] = field(default_factory=dict)
    past: Past | None = None

    def writable(self) -> VersionState:
        """Return a copy whose cells, schedule and exemplars may be changed."""
        return replace(
            self,
            cells=self.cells.copy(),
            schedule=dict(self.schedule),
            generation=self.generation + 1,
            exemplars=dict(self.exemplars),
        )

    @property
    def series(self) -> int:
        """Series that the version exposes, baseline and intent included."""
        fixed = 12
        if self.baseline is not None:
            # Shares, noise, chi-squared; cumulative share and weight of ordered bins; importance.
            fixed += sum(len(f.labels) + 3 + 2 * len(f.uppers) for f in self.baseline.features.values())
            fixed += 2 * len(self.baseline.quality)
            if self.baseline.score_bins is not None:
                # the baseline's share, positives and negatives above; and what is retracted of these
                fixed += (5 if self.layout.retractions else 3) * len(self.baseline.score_bins.labels)
        return self.layout.series + fixed


def schedule_due(ts: float, maturity: float) -> float:
    """Return when a prediction counts as mature, rounded up to a step so that few times are kept."""
    step = max(maturity / _SCHEDULE_STEPS, 0.001)
    return math.ceil((ts + maturity) / step) * step


def encode_schedule(schedule: dict[float, int]) -> bytes:
    """Encode a schedule for the store."""
    return msgspec.msgpack.encode(sorted(schedule.items()))


def decode_schedule(data: bytes) -> dict[float, int]:
    """Decode a schedule from the store."""
    return dict(msgspec.msgpack.decode(data, type=list[tuple[float, int]]))


def kept_entries(entries: list[Entry], most: int, counted: set[str]) -> list[Entry]:
    """Return the newest ``most`` entries in order of time, and the last one of each counted version.

    A version that has long been in production must not lose its stage, and with it its alerts, because
    many others were tried since.
    """
    ordered = sorted(entries, key=lambda e: (e.ts, e.version))
    last = {e.version: at for at, e in enumerate(ordered) if e.version in counted}
    always = set(last.values())
    return [e for at, e in enumerate(ordered) if at >= len(ordered) - most or at in always]


def stage_of(entries: list[Entry], version: str) -> Entry:
    """Return a version's present stage.

    Without any deployment of the model, a version that has a baseline counts as production. A version
    that another one followed into production is retired from that moment.
    """
    if not entries:
        return Entry(0.0, version, "production")
    own = [e for e in entries if e.version == version]
    if not own:
        return Entry(0.0, version, "shadow")
    latest = max(own, key=lambda e: e.ts)
    if latest.stage == "production":
        followers = [e.ts for e in entries if e.version != version and e.stage == "production" and e.ts > latest.ts]
        if followers:
            return Entry(min(followers), version, "retired", latest.commit, latest.training_data, latest.baseline)
    return latest


def rollback_target(entries: list[Entry], version: str) -> str | None:
    """Return the version that was in production before this one last entered it."""
    entered = [e.ts for e in entries if e.version == version and e.stage == "production"]
    if not entered:
        return None
    before = [e for e in entries if e.version != version and e.stage == "production" and e.ts < max(entered)]
    return max(before, key=lambda e: e.ts).version if before else None


def objectives(model: Model, baseline: Baseline | None) -> list[tuple[str, str, float]]:
    """Return (metric, severity, threshold) of a version; relative ones need the baseline's quality.

    A largest loss against the baseline becomes an absolute threshold here, so the rules compare two
    series and never need to know which form the catalogue used.
    """
    found: list[tuple[str, str, float]] = []
    for objective in model.objectives:
        threshold = objective.floor if objective.floor is not None else objective.ceiling
        if threshold is None and objective.max_drop is not None and baseline is not None:
            reference = baseline.quality.get(objective.metric)
            if reference is not None:
                sign = 1 if names.QUALITY_METRICS[objective.metric] else -1
                threshold = reference.value - sign * objective.max_drop
        if threshold is not None:
            found.append((objective.metric, objective.severity, threshold))
    serving = model.serving
    if serving.latency_p99 is not None:
        found.append((names.OBJECTIVE_LATENCY, "critical", parse_duration(serving.latency_p99)))
    if serving.error_ratio is not None:
        found.append((names.OBJECTIVE_ERRORS, "critical", serving.error_ratio))
    if serving.predictions_per_second is not None:
        found.append((names.OBJECTIVE_TRAFFIC, "critical", serving.predictions_per_second))
    found.append((names.OBJECTIVE_COVERAGE, "warning", model.outcome.minimum_coverage))
    found.append((names.OBJECTIVE_SAMPLES, "warning", float(model.outcome.minimum_samples)))
    return [*found, *fairness.objectives(model, baseline)]
