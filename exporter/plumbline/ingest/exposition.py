"""What is committed as blocks: slices of counters, derived sums, baselines and intent."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.counting.quality import negatives_above, positives_above
from plumbline.expose.block import Block
from plumbline.ingest.budget import series_of_model
from plumbline.ingest.intent import intent_of_catalogue, intent_of_version
from plumbline.ingest.state import Key, Setup, State, VersionState
from plumbline.layout.section import Section
from plumbline.names import Metric

Floats = npt.NDArray[np.float64]
Rows = list[tuple[tuple[str, ...], float]]


class Exposition:
    """Turns the committed state into blocks, with generations that change only with values."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._shown: dict[str, tuple[bytes, tuple[tuple[str, ...], ...], int]] = {}
        self._constant: tuple[int, list[Block]] = (-1, [])

    def blocks(self, state: State, store_bytes: int) -> list[Block]:
        """Return all blocks of a state, and the size of its store."""
        found: list[Block] = []
        for key, version in state.versions.items():
            if key not in state.hidden:
                found += self._version_blocks(key, version)
        found += self._sections("ledger", self._setup.ledger.sections, state.ledger)
        found += self._sections("pipelines", self._setup.pipelines.sections, state.pipelines)
        if self._constant[0] != state.intent:
            self._constant = (state.intent, self._intent(state))
        found += self._constant[1]
        found += self._own(state, store_bytes)
        return found

    def _block(self, metric: Metric, key: str, labels: tuple[tuple[str, ...], ...], values: Floats) -> Block:
        raw = values.tobytes()
        shown = self._shown.get(key)
        if shown is None or shown[0] != raw or shown[1] != labels:
            shown = (raw, labels, 1 if shown is None else shown[2] + 1)
            self._shown[key] = shown
        return Block(metric, key, shown[2], labels, values)

    def _rows(self, metric: Metric, key: str, rows: Rows) -> Block:
        return self._block(metric, key, tuple(r[0] for r in rows), np.array([r[1] for r in rows], dtype=np.float64))

    def _sections(
        self, prefix: str, sections: Iterable[Section], cells: Floats, state: VersionState | None = None
    ) -> list[Block]:
        found = []
        for section in sections:
            key = f"{prefix}/{section.offset}/{section.metric.name}"
            values = cells[section.offset : section.end]
            if section.metric.kind == "histogram":
                shown = self._block(section.metric, key, section.labels, values)
                table = values.reshape(len(section.labels), section.columns)
                exemplars = {}
                if state is not None and section.metric is names.PREDICTION_LATENCY:
                    exemplars = state.exemplars
                found.append(
                    Block(section.metric, key, shown.generation, section.labels, table[:, :-1], table[:, -1], exemplars)
                )
            else:
                if section.metric.kind == "gauge":  # a time that never was is no series, not 1970
                    values = np.where(values == 0, np.nan, values)
                found.append(self._block(section.metric, key, section.labels, values))
        return found

    def _version_blocks(self, key: Key, state: VersionState) -> list[Block]:
        layout = state.layout
        prefix = "\x1f".join(key)
        found = self._sections(prefix, layout.sections, state.cells, state)
        q = layout.quality
        if q.score_bins is not None and state.baseline is not None and state.baseline.score_bins is not None:
            bins = state.baseline.score_bins.labels
            counts = state.cells[q.score_bins : q.score_bins + 2 * len(bins)]
            labels = tuple((*key, bin_) for bin_ in bins)
            sides = (
                (names.SCORE_POSITIVES_ABOVE, "above", positives_above),
                (names.SCORE_NEGATIVES_ABOVE, "negatives above", negatives_above),
            )
            for metric, name, above in sides:
                found.append(self._block(metric, f"{prefix}/{name}", labels, above(counts)))
            for section, taken in layout.retractions:
                if section.metric is names.SCORE_BINS:
                    lost = state.cells[taken.offset : taken.end]
                    for metric, name, above in sides:
                        back = names.RETRACTED[metric.name]
                        found.append(self._block(back, f"{prefix}/{name} retracted", labels, above(lost)))
        return found

    def _intent(self, state: State) -> list[Block]:
        """Baselines, objectives, stages and owners: constant until a deployment changes them."""
        catalogue = self._setup.catalogue
        rows: dict[Metric, Rows] = {}
        for key, version in state.versions.items():
            model = catalogue.models.get(key[0])
            if model is None or key[1] == names.UNKNOWN or key in state.hidden:
                continue
            deployments = state.deployments.get(key[0], [])
            for metric, value, *labels in intent_of_version(model, key[1], version.baseline, deployments, catalogue):
                rows.setdefault(metric, []).append(((*key, *labels), value))
        for metric, value, *labels in intent_of_catalogue(catalogue):
            rows.setdefault(metric, []).append((tuple(labels), value))
        return [self._rows(metric, f"intent/{metric.name}", found) for metric, found in rows.items()]

    def _own(self, state: State, store_bytes: int) -> list[Block]:
        """What the exporter says of its state."""
        catalogue = self._setup.catalogue
        budget = catalogue.series_budget.per_model
        models = list(catalogue.models)
        single = {
            names.PENDING_OUTCOMES: float(state.pending),
            names.ORPHAN_OUTCOMES: float(sum(len(w) for w in state.orphans.values())),
            names.STORE_BYTES: float(store_bytes),
        }
        found = [self._rows(metric, f"own/{metric.name}", [((), value)]) for metric, value in single.items()]
        series: Rows = [((model,), float(series_of_model(state.versions, model, state.hidden))) for model in models]
        found.append(self._rows(names.SERIES, "own/series", series))
        found.append(self._rows(names.SERIES_BUDGET, "own/budget", [((m,), float(budget)) for m in models]))
        return found
