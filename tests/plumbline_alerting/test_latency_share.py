"""The share of predictions slower than the objective agrees with the p99 over the same buckets."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline import names
from plumbline.catalogue.model import Catalogue
from support.rulefiles import compare

MODEL = 'model="m", version="1"'
# Of 100 a scrape: 80 up to 250 ms, 15 up to 500 ms, 4 up to a second, 1 beyond.
COUNTS = {0.1: 40, 0.25: 80, 0.5: 95, 1.0: 99}


@pytest.mark.parametrize(
    ("objective", "share"),
    [(0.25, 0.2), (0.3, 0.2 - 0.15 * 0.05 / 0.25), (0.05, 1.0), (0.75, 0.03), (1.0, 0.01), (10.0, 0.01), (30.0, None)],
)
@pytest.mark.parametrize("whole", ["1", "1.0"])  # as Prometheus 2.x and 3.x write le
def test_the_share_is_interpolated_between_the_edges_around_the_objective(
    objective: float, share: float | None, whole: str, test_catalogue: Catalogue, tmp_path: Path
) -> None:
    bucket = f"{names.PREDICTION_LATENCY.name}_bucket"
    edges = {edge: COUNTS.get(edge, 0) for edge in names.PREDICTION_LATENCY.buckets}
    reached = 0
    series = {f'{bucket}{{{MODEL}, le="+Inf"}}': "0+100x40"}
    for edge in edges:
        reached = max(reached, edges[edge])
        text = whole if edge == 1.0 else f"{edge:g}"
        series[f'{bucket}{{{MODEL}, le="{text}"}}'] = f"0+{reached}x40"
    series[f'{names.OBJECTIVE.name}{{{MODEL}, metric="{names.OBJECTIVE_LATENCY}", severity="critical"}}'] = (
        f"{objective}x40"
    )
    found = [] if share is None else [(f"{{{MODEL}}}", round(share, 3))]
    compare(test_catalogue, tmp_path, series, {names.R_LATENCY_SLOW.over("2m"): found})
