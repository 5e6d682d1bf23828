"""Texts of the alerts about data pipelines."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from plumbline import names
from plumbline_alerting import pipeline_queries as queries
from plumbline_alerting.maker import VALUE, Maker
from plumbline_alerting.model import Rule
from plumbline_alerting.templates import COUNT, ask


def pipelines(make: Maker) -> Iterable[Rule]:
    """Data pipelines."""
    where = "Stage {{ $labels.stage }} of pipeline {{ $labels.pipeline }}"
    models = ask_models()
    runs = "max(ml_pipeline_objective{pipeline=%q, objective=`{}`})".replace("`", '"')
    runs = runs.replace("ml_pipeline_objective", names.PIPELINE_OBJECTIVE.name)

    def bound(name: str, unit: str) -> str:
        return ask(runs.replace("{}", name), "pipeline", unit=unit)

    alert = partial(make.alert, dashboard="pipelines", variables=("pipeline",))
    yield from alert(
        "PipelineFailed",
        queries.pipeline_failed(make.scene),
        summary="The last run of a data pipeline failed.",
        description=(
            f"{where} failed at {{{{ $value | humanizeTimestamp }}}} and has not succeeded since "
            f"(one run every {bound('cadence_seconds', 'humanizeDuration')}). "
            f"Models that depend on it: {models}."
        ),
    )
    yield from alert(
        "PipelineStale",
        queries.pipeline_stale(),
        summary="A production model's data are too old.",
        description=(
            f"{where}: newest data or last success is {{{{ $value | humanizeDuration }}}} old "
            f"(data may be {bound('freshness_seconds', 'humanizeDuration')} old, one run every "
            f"{bound('cadence_seconds', 'humanizeDuration')}). Models that depend on it: {models}."
        ),
    )
    yield from alert(
        "PipelineRowsAnomalous",
        queries.pipeline_rows_anomalous(make.scene),
        summary="A data pipeline wrote implausibly few or many rows.",
        description=(
            f"{where} wrote {VALUE} rows per run (plausible: {bound('rows_min', COUNT)} to "
            f"{bound('rows_max', COUNT)}). Models that depend on it: {models}."
        ),
    )
    yield from alert(
        "ModelInputBroken",
        queries.model_input_broken() if make.catalogue.pipelines else "",
        # The windows of drift and decay still hold the bad data when the pipeline works again.
        keep=make.scene.tainted,
        summary="A pipeline that a model depends on is broken; the model's drift and decay are muted.",
        description=("{{ $labels.model }} depends on pipeline {{ $labels.pipeline }}, which failed or is stale."),
    )


def ask_models() -> str:
    """Return a template that lists the models of the alert's pipeline."""
    expr = f"max by (model) ({names.PIPELINE_MODEL_INFO.name}{{pipeline=%q}})"
    return (
        f"{{{{ with printf `{expr}` $labels.pipeline | query }}}}"
        '{{ range $i, $m := . }}{{ if $i }}, {{ end }}{{ $m | label "model" }}{{ end }}'
        "{{ else }}none{{ end }}"
    )
