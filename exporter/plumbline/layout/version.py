"""The layout of a model version, and how its values move into a changed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plumbline import names
from plumbline.layout.early import EarlyCells, YoungCells
from plumbline.layout.features import FeatureSlot
from plumbline.layout.quality import QualityCells
from plumbline.layout.section import Floats, Section
from plumbline.layout.trials import TrialCells

# Bins and centred sums mean something else under another baseline: they start again at 0 (a counter
# reset, which Prometheus understands) rather than mix two meanings.
BASELINE_BOUND = {
    metric.name
    for metric in (
        names.FEATURE_VALUES,
        names.SCORE_BINS,
        names.SCORE_BIN_SUM,
        names.ESTIMATED_CONFUSION,
        names.ACTUAL,
        names.ACTUAL_SQUARED,
        names.ERROR_MAGNITUDE,
    )
}
# So do what a score says of the positive class, when the catalogue names another one.
POSITIVE_BOUND = {
    metric.name
    for metric in (names.SCORE_BINS, names.SCORE_BIN_SUM, names.SCORED, names.SQUARED_SCORE_ERROR, names.LOG_LOSS)
}
_RETRACTS = {taken.name: name for name, taken in names.RETRACTED.items()}


@dataclass(frozen=True, slots=True)
class VersionLayout:
    """Everything countable about one model version. Offsets index the version's array.

    ``retractions`` pairs sections of quality with what is taken back of them; empty where the catalogue
    does not want corrections.
    """

    model: str
    version: str
    sections: tuple[Section, ...]
    size: int
    predictions: int
    errors: int
    latency: Section
    last: int
    features: tuple[FeatureSlot, ...]
    prediction_slot: FeatureSlot | None
    score_slot: FeatureSlot | None
    skew_rows: int
    skew_mismatches: int
    outcomes: int
    outcomes_retracted: int
    delay: Section
    predictions_matured: int
    outcomes_matured: int
    quality: QualityCells
    young: YoungCells | None
    early: EarlyCells | None
    retractions: tuple[tuple[Section, Section], ...]
    kpis: dict[str, int]
    kpi_events: dict[str, int]
    kpi_squares: dict[str, int]
    trial: TrialCells | None
    trial_retracted: TrialCells | None
    baseline: str | None

    def cell_names(self) -> list[str]:
        """Name every cell in order, with what its meaning hangs on.

        The baseline, the positive class, and for the "other" values of a slice those that are declared.
        """
        positive = self.quality.classes[self.quality.positive] if self.quality.positive >= 0 else ""
        found = []
        for section in self.sections:
            metric = _RETRACTS.get(section.metric.name, section.metric.name)
            meaning = f"\x1f{self.baseline}" if metric in BASELINE_BOUND else ""
            if positive and metric in POSITIVE_BOUND:
                meaning += f"\x1f{positive}"
            for row in section.rows():
                others = self._others(section, row[0])
                found += [f"{key}{meaning}{others}" for key in row[1]]
        return found

    def _others(self, section: Section, row: tuple[str, ...]) -> str:
        labels = section.metric.labels
        if "slice" not in labels or row[labels.index("value")] != names.OTHER:
            return ""
        return "\x1f" + "\x1f".join(self.quality.slices.get(row[labels.index("slice")], ()))


def remap(old_names: Sequence[str], old: Floats, layout: VersionLayout) -> Floats:
    """Carry values into a changed layout by the cells' names; cells without a past start at 0."""
    new = np.zeros(layout.size)
    position = {name: at for at, name in enumerate(old_names)}
    for at, name in enumerate(layout.cell_names()):
        came_from = position.get(name)
        if came_from is not None:
            new[at] = old[came_from]
    return new
