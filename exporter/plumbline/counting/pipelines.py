"""Counts pipeline events into one array for all declared pipelines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.counting.serving import observe
from plumbline.events.kinds import PipelineEvent
from plumbline.layout.section import LayoutBuilder, Section
from plumbline.units import parse_time

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StageCells:
    """Offsets of one stage of one pipeline."""

    runs: int
    failures: int
    rows: int
    duration: Section
    last_success: int
    data: int
    declared: int
    checks: dict[str, int]
    check_failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class PipelineLayout:
    """Where every declared pipeline's counters live."""

    sections: tuple[Section, ...]
    size: int
    stages: dict[tuple[str, str], StageCells]

    def cell_names(self) -> list[str]:
        """Name every cell in order."""
        return [key for section in self.sections for key in section.keys()]  # noqa: SIM118 - not a dict


def build_pipeline_layout(catalogue: Catalogue) -> PipelineLayout:
    """Freeze the layout of all pipelines of a catalogue."""
    b = LayoutBuilder()
    stages = {}
    for name, pipeline in catalogue.pipelines.items():
        checks = (*pipeline.checks, names.OTHER)
        for stage in pipeline.stages:
            ps = (name, stage)
            stages[ps] = StageCells(
                runs=b.add(names.PIPELINE_RUNS, [ps]).offset,
                failures=b.add(names.PIPELINE_FAILURES, [ps]).offset,
                rows=b.add(names.PIPELINE_ROWS, [(*ps, o) for o in names.ROW_OUTCOMES]).offset,
                duration=b.add(names.PIPELINE_DURATION, [ps]),
                last_success=b.add(names.PIPELINE_LAST_SUCCESS, [ps]).offset,
                data=b.add(names.PIPELINE_DATA, [ps]).offset,
                declared=b.add(names.PIPELINE_DECLARED, [ps]).offset,
                checks={c: b.add(names.PIPELINE_CHECKS, [(*ps, c)]).offset for c in checks},
                check_failures={c: b.add(names.PIPELINE_CHECK_FAILURES, [(*ps, c)]).offset for c in checks},
            )
    return PipelineLayout(tuple(b.sections), b.size, stages)


def count_pipeline(layout: PipelineLayout, cells: Floats, event: PipelineEvent, ts: float, now: float) -> bool:
    """Add one event; return False if the catalogue does not declare its pipeline and stage.

    A run counts when it ends. The time of a success and of its data never goes backwards, so that a
    late or repeated event cannot make fresh data look stale; data from ahead of ``now`` (forecasts, a wrong
    clock) are as fresh as now, or they would look fresh long after they stopped coming.
    """
    stage = layout.stages.get((event.pipeline, event.stage))
    if stage is None:
        return False
    if event.status == "started":
        return True
    cells[stage.runs] += 1
    cells[stage.failures] += event.status == "failed"
    cells[stage.rows : stage.rows + 3] += (event.rows_in or 0, event.rows_out or 0, event.rows_rejected or 0)
    if event.duration is not None:
        observe(cells, stage.duration, [event.duration])
    for check in event.checks or ():
        name = check.name if check.name in stage.checks else names.OTHER
        cells[stage.checks[name]] += 1
        cells[stage.check_failures[name]] += not check.passed
    if event.status == "succeeded":
        cells[stage.last_success] = max(cells[stage.last_success], ts)
        if event.data_ts is not None:
            cells[stage.data] = max(cells[stage.data], min(parse_time(event.data_ts), now))
    return True
