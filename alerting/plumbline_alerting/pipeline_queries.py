"""The PromQL of alerts about pipelines."""

from __future__ import annotations

from plumbline import names
from plumbline.units import format_duration, parse_duration
from plumbline_alerting.promql import matching, quoted
from plumbline_alerting.query_parts import PRODUCTION, owner_of, pipeline_owned
from plumbline_alerting.scene import Scene

_PS = "pipeline, stage"


def pipeline_failed(scene: Scene) -> str:
    """The last run of a stage failed; the value is when. A later success ends it.

    A failure is found where the counter rose within ``width``, so it lies up to ``width`` before; only
    a success before that moment leaves the alert standing.
    """
    parts = []
    for cadence, pipelines in scene.pipelines_by_cadence():
        lookback, step, width = scene.failure_ranges(cadence)
        counter = f"{names.PIPELINE_FAILURES.name}{{{matching('pipeline', pipelines)}}}"
        rose = f"sum by ({_PS}) (increase({counter}[{width}])) > bool 0"
        last = f"(max_over_time((({rose}) * time())[{lookback}:{step}]) - {parse_duration(width):g})"
        success = f"max by ({_PS}) ({names.PIPELINE_LAST_SUCCESS.name})"
        parts.append(f"({last} > 0 unless on ({_PS}) {success} >= on ({_PS}) {last})")
    return pipeline_owned("\nor\n".join(parts)) if parts else ""


def pipeline_stale() -> str:
    """Data older than declared, or two runs missed, for the input of a production model; the age.

    For a stage that has never succeeded the time since the exporter knows of it stands for both.
    """

    def bound(name: str) -> str:
        return f'max by (pipeline) ({names.PIPELINE_OBJECTIVE.name}{{objective="{name}"}})'

    last = f"max by ({_PS}) ({names.PIPELINE_LAST_SUCCESS.name} > 0)"
    never = f"(min by ({_PS}) ({names.PIPELINE_DECLARED.name} > 0) unless on ({_PS}) {last})"
    data = f"time() - (max by ({_PS}) ({names.PIPELINE_DATA.name} > 0) or {never})"
    success = f"time() - ({last} or {never})"
    used = f"({names.PIPELINE_MODEL_INFO.name} and on (model) {PRODUCTION})"
    return pipeline_owned(
        f"(\n  {data} > on (pipeline) group_left () {bound('freshness_seconds')}\n"
        f"  or\n  {success} > on (pipeline) group_left () 2 * {bound('cadence_seconds')}\n)\n"
        f"and on (pipeline) {used}"
    )


def pipeline_rows_anomalous(scene: Scene) -> str:
    """Rows written per successful run of the last stage, outside the declared bounds."""
    parts = []
    for cadence, pipelines in scene.pipelines_by_cadence():
        window = format_duration(max(cadence, 4 * parse_duration(scene.evaluation.scrape_interval)))
        stages: dict[str, list[str]] = {}
        for name in pipelines:
            stages.setdefault(scene.catalogue.pipelines[name].stages[-1], []).append(name)
        for stage, members in sorted(stages.items()):
            where = f"{matching('pipeline', members)}, stage={quoted(stage)}"

            def increase(metric: names.Metric, matchers: str, window: str = window) -> str:
                return f"sum by (pipeline, stage) (increase({metric.name}{{{matchers}}}[{window}]))"

            rows = increase(names.PIPELINE_ROWS, f'{where}, outcome="out"')
            ended = increase(names.PIPELINE_RUNS, where)
            failed = increase(names.PIPELINE_FAILURES, where)
            # Half a run: increase() extrapolates, so one run is never exactly 1.
            parts.append(f"{rows}\n/ (({ended} - {failed}) > 0.5)")
    if not parts:
        return ""
    per_run = "(\n" + "\nor\n".join(parts) + "\n)"
    bound = f"max by (pipeline) ({names.PIPELINE_OBJECTIVE.name}{{objective=%s}})"
    return pipeline_owned(
        f"{per_run} < on (pipeline) group_left () {bound % quoted('rows_min')}\n"
        f"or\n{per_run} > on (pipeline) group_left () {bound % quoted('rows_max')}"
    )


def model_input_broken() -> str:
    """One per model that depends on a pipeline which failed or is stale."""
    broken = 'max by (pipeline) (ALERTS{alertname=~"PipelineFailed|PipelineStale", alertstate="firing"})'
    models = f"max by (pipeline, model) ({names.PIPELINE_MODEL_INFO.name})"
    owner = owner_of(PRODUCTION, "model")
    return f"{broken}\n* on (pipeline) group_right () {models}\n* on (model) group_left (owner) {owner}"
