"""The alert rules: texts, severities and waits around the queries of ``plumbline_alerting.alert_queries``.

Writes ``alerting/rules/*.yml``. Every alert says in ``summary`` what is wrong in one fixed sentence, in
``description`` the numbers, and links its runbook and dashboard; pages about a model carry ``verdict``.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting import alert_queries as queries
from plumbline_alerting.model import Group, Rule
from plumbline_alerting.promql import WHOLE
from plumbline_alerting.scene import Scene
from plumbline_alerting.templates import MODEL, ask, dashboard_url, runbook_url, verdict

_WHO = "{{ $labels.model }} {{ $labels.version }}"
_VALUE = '{{ $value | printf "%.4g" }}'
_MV = "model=%q, version=%q"


class _Maker:
    """Builds alerts of one catalogue with the defaults every alert shares."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.scene = Scene(catalogue)

    def alert(
        self,
        name: str,
        expr: str,
        *,
        severity: str,
        summary: str,
        description: str,
        dashboard: str,
        variables: tuple[str, ...] = (),
        hold: str | None = None,
        keep: str = "",
        owner: str = "",
    ) -> Iterable[Rule]:
        """Yield the alert; none where the catalogue gives its query nothing to watch."""
        if not expr:
            return
        evaluation = self.catalogue.evaluation
        waits = {"critical": evaluation.alert_for, "warning": evaluation.ticket_for, "info": ""}
        annotations = {
            "summary": summary,
            "description": description,
            "runbook_url": runbook_url(self.catalogue, name, by_model="version" in variables),
            "dashboard_url": dashboard_url(self.catalogue, dashboard, *variables),
        }
        if severity == "critical" and "version" in variables:
            annotations["verdict"] = verdict()
        labels = {"severity": severity, **({"owner": owner} if owner else {})}
        yield Rule(
            alert=name,
            expr=expr,
            hold=waits[severity] if hold is None else hold,
            keep=keep,
            labels=labels,
            annotations=annotations,
        )

    def quality(self) -> Iterable[Rule]:
        """Quality against the outcome."""
        slow, fast = self.scene.slow, self.scene.fast

        def numbers(severity: str, window: str) -> str:
            bound = f"max({names.OBJECTIVE.name}{{{_MV}, metric=%q, severity=`{severity}`}})".replace(
                "`", '"'
            )
            known = f"max({names.BASELINE_QUALITY.name}{{{_MV}, metric=%q}})"
            loss = f"max({names.R_QUALITY_LOSS.over(window)}{{{_MV}, metric=%q, {WHOLE}}})"
            n = f"max({names.R_QUALITY_SAMPLES.over(window)}{{{_MV}, {WHOLE}}})"
            of = (*MODEL, "metric")
            return (
                f"objective {ask(bound, *of)}, baseline {ask(known, *of)}, "
                f"{ask(loss, *of)} standard errors worse, n = {ask(n, *MODEL, unit='humanize')} outcomes"
            )

        now = f"max({names.R_QUALITY.over(fast)}{{{_MV}, metric=%q, {WHOLE}}})"
        yield from self.alert(
            "ModelQualityCritical",
            queries.model_quality_critical(self.scene),
            severity="critical",
            summary="A model's quality has fallen below its critical objective.",
            description=(
                f"{{{{ $labels.metric }}}} of {_WHO} is {_VALUE} over {slow} and "
                f"{ask(now, *MODEL, 'metric')} over {fast} ({numbers('critical', slow)})."
            ),
            dashboard="quality",
            variables=MODEL,
        )
        yield from self.alert(
            "ModelQualityDecay",
            queries.model_quality_decay(self.scene),
            severity="warning",
            summary="A model's quality is below its warning objective.",
            description=(
                f"{{{{ $labels.metric }}}} of {_WHO} is {_VALUE} over {slow} ({numbers('warning', slow)})."
            ),
            dashboard="quality",
            variables=MODEL,
        )
        error = f"max({names.R_CALIBRATION_STDERR.over(slow)}{{{_MV}}})"
        n = f"max({names.R_QUALITY_SAMPLES.over(slow)}{{{_MV}, {WHOLE}}})"
        yield from self.alert(
            "CalibrationDrift",
            queries.calibration_drift(self.scene),
            severity="warning",
            summary="A model's scores no longer mean what they meant in the baseline.",
            description=(
                f"Over {slow} the share of positives of {_WHO} is {_VALUE} away from what the baseline "
                f"expects at the same scores (threshold {queries.CALIBRATION_FLOOR:g} and "
                f"{queries.SIGMAS} standard errors of {ask(error, *MODEL)}, "
                f"n = {ask(n, *MODEL, unit='humanize')} outcomes)."
            ),
            dashboard="quality",
            variables=MODEL,
        )

    def serving(self) -> Iterable[Rule]:
        """The service itself."""
        fast, short = self.scene.fast, self.scene.short

        def bound(metric: str) -> str:
            return ask(f'max({names.OBJECTIVE.name}{{{_MV}, metric="{metric}"}})', *MODEL)

        n = ask(
            f"max({names.R_INCREASES[names.PREDICTIONS.name].over(fast)}{{{_MV}}})", *MODEL, unit="humanize"
        )
        yield from self.alert(
            "ModelErrorRateCritical",
            queries.model_error_rate_critical(self.scene),
            severity="critical",
            summary="A model answers with too many errors.",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the predictions of {_WHO} failed over {fast} "
                f"(objective {bound(names.OBJECTIVE_ERRORS)} as a ratio, n = {n} predictions)."
            ),
            dashboard="fleet",
            variables=MODEL,
        )
        yield from self.alert(
            "ModelLatencyCritical",
            queries.model_latency_critical(self.scene),
            severity="critical",
            summary="A model answers too slowly.",
            description=(
                f"The 99th percentile of the latency of {_WHO} is {{{{ $value | humanizeDuration }}}} over "
                f"{fast} (objective {bound(names.OBJECTIVE_LATENCY)} s, n = {n} predictions)."
            ),
            dashboard="fleet",
            variables=MODEL,
        )
        yield from self.alert(
            "ModelTrafficLost",
            queries.model_traffic_lost(self.scene),
            severity="critical",
            summary="A model gets less traffic than at its quietest.",
            description=(
                f"{{{{ $labels.model }}}} gets {_VALUE} predictions per second over {short}, all versions "
                f"together (expected at its quietest: {bound(names.OBJECTIVE_TRAFFIC)})."
            ),
            dashboard="fleet",
            variables=MODEL,
        )

    def drift(self) -> Iterable[Rule]:
        """Inputs and predictions against the baseline."""
        tile, window = self.scene.tile, self.scene.drift
        one = f"{_MV}, feature=%q"
        of = (*MODEL, "feature")
        known = f'max({names.BASELINE_FEATURE_SHARE.name}{{{one}, bin="{names.MISSING}"}})'
        n_tile = f"max({names.R_FEATURE_INCREASE.over(tile)}{{{one}}})"
        yield from self.alert(
            "FeatureBroken",
            queries.feature_broken(self.scene),
            severity="critical",
            summary="A model's input is suddenly missing or invalid.",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the values of {{{{ $labels.feature }}}} for "
                f"{_WHO} are {{{{ $labels.problem }}}} over {tile} (share missing in the baseline "
                f"{ask(known, *of)}, "
                f"threshold {queries.BROKEN_JUMP:g} above the baseline, "
                f"n = {ask(n_tile, *of, unit='humanize')} values)."
            ),
            dashboard="drift",
            variables=MODEL,
        )
        threshold = f"max({names.R_PSI_THRESHOLD.over(window)}{{{one}}})"
        n = f"max({names.R_FEATURE_INCREASE.over(window)}{{{one}}})"
        rows = f"max({names.BASELINE_ROWS.name}{{{_MV}}})"
        numbers = (
            f"{_VALUE} over {window} (threshold {ask(threshold, *of)}, "
            f"n = {ask(n, *of, unit='humanize')} predictions, "
            f"baseline {ask(rows, *MODEL, unit='humanize')} rows)."
        )
        yield from self.alert(
            "FeatureDrift",
            queries.drift(self.scene, pseudo=False),
            severity="warning",
            summary="A model's input has drifted from its baseline.",
            description=f"PSI of {{{{ $labels.feature }}}} for {_WHO} is {numbers}",
            dashboard="drift",
            variables=MODEL,
        )
        yield from self.alert(
            "PredictionDrift",
            queries.drift(self.scene, pseudo=True),
            severity="warning",
            summary="A model's predictions have drifted from its baseline.",
            description=f"PSI of {{{{ $labels.feature }}}} for {_WHO} is {numbers}",
            dashboard="drift",
            variables=MODEL,
        )

    def outcomes(self) -> Iterable[Rule]:
        """Whether quality can be known at all."""
        slow = self.scene.slow
        wanted = ask(f'max({names.OBJECTIVE.name}{{{_MV}, metric="{names.OBJECTIVE_COVERAGE}"}})', *MODEL)
        matured = names.R_INCREASES[names.PREDICTIONS_MATURED.name].over(slow)
        n = ask(f"max({matured}{{{_MV}}})", *MODEL, unit="humanize")
        yield from self.alert(
            "OutcomesLate",
            queries.outcomes_late(self.scene),
            severity="warning",
            summary="A model's outcomes arrive after their declared maturity.",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the outcomes of {_WHO} came late over {slow} "
                f"(declared coverage {wanted}, n = {n} mature predictions)."
            ),
            dashboard="quality",
            variables=MODEL,
        )
        yield from self.alert(
            "OutcomeCoverageLow",
            queries.outcome_coverage_low(self.scene),
            severity="warning",
            summary="Too few of a model's predictions have an outcome: its quality is not known.",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the mature predictions of {_WHO} have an outcome "
                f"over {slow} (threshold {wanted} as a ratio, n = {n} mature predictions); "
                "quality alerts hold below it."
            ),
            dashboard="quality",
            variables=MODEL,
        )
        yield from self.alert(
            "BaselineMissing",
            queries.baseline_missing(),
            severity="warning",
            summary="A production model has no baseline: neither drift nor loss of quality can be seen.",
            description=f"{_WHO} is in production without a baseline (expected 1, found 0).",
            dashboard="fleet",
            variables=MODEL,
        )
        yield from self.alert(
            "ModelRollout",
            queries.model_rollout(self.scene),
            severity="info",
            summary="A model version has just entered production.",
            description=f"{_WHO} entered production {{{{ $value | humanizeDuration }}}} ago.",
            dashboard="fleet",
            variables=MODEL,
        )

    def pipelines(self) -> Iterable[Rule]:
        """Data pipelines."""
        where = "Stage {{ $labels.stage }} of pipeline {{ $labels.pipeline }}"
        models = ask_models()
        runs = "max(ml_pipeline_objective{pipeline=%q, objective=`{}`})".replace("`", '"')
        runs = runs.replace("ml_pipeline_objective", names.PIPELINE_OBJECTIVE.name)

        def bound(name: str, unit: str) -> str:
            return ask(runs.replace("{}", name), "pipeline", unit=unit)

        yield from self.alert(
            "PipelineFailed",
            queries.pipeline_failed(self.scene),
            severity="critical",
            summary="The last run of a data pipeline failed.",
            description=(
                f"{where} failed at {{{{ $value | humanizeTimestamp }}}} and has not succeeded since "
                f"(one run every {bound('cadence_seconds', 'humanizeDuration')}). "
                f"Models that depend on it: {models}."
            ),
            dashboard="pipelines",
            variables=("pipeline",),
        )
        yield from self.alert(
            "PipelineStale",
            queries.pipeline_stale(),
            severity="critical",
            summary="A production model's data are too old.",
            description=(
                f"{where}: newest data or last success is {{{{ $value | humanizeDuration }}}} old "
                f"(data may be {bound('freshness_seconds', 'humanizeDuration')} old, one run every "
                f"{bound('cadence_seconds', 'humanizeDuration')}). Models that depend on it: {models}."
            ),
            dashboard="pipelines",
            variables=("pipeline",),
        )
        yield from self.alert(
            "PipelineRowsAnomalous",
            queries.pipeline_rows_anomalous(self.scene),
            severity="warning",
            summary="A data pipeline wrote implausibly few or many rows.",
            description=(
                f"{where} wrote {_VALUE} rows per run (plausible: {bound('rows_min', 'humanize')} to "
                f"{bound('rows_max', 'humanize')}). Models that depend on it: {models}."
            ),
            dashboard="pipelines",
            variables=("pipeline",),
        )
        yield from self.alert(
            "ModelInputBroken",
            queries.model_input_broken() if self.catalogue.pipelines else "",
            severity="info",
            # The windows of drift and decay still hold the bad data when the pipeline works again.
            keep=self.scene.drift,
            summary="A pipeline that a model depends on is broken; the model's drift and decay are muted.",
            description=(
                "{{ $labels.model }} depends on pipeline {{ $labels.pipeline }}, which failed or is stale."
            ),
            dashboard="pipelines",
            variables=("pipeline",),
        )

    def monitoring(self) -> Iterable[Rule]:
        """The monitoring itself; for the platform's owner."""
        owner = self.catalogue.platform_owner
        evaluation = self.catalogue.evaluation
        yield from self.alert(
            "Watchdog",
            "vector(1)",
            severity="info",
            summary="Alerting works; this alert always fires.",
            description="Value 1, always. If it stops arriving, no page would arrive either.",
            dashboard="exporter",
            owner=owner,
        )
        yield from self.alert(
            "ExporterDown",
            queries.exporter_down(),
            severity="critical",
            summary="The exporter cannot be scraped: nothing is known of the models.",
            description=(
                "Target {{ if $labels.instance }}{{ $labels.instance }}{{ else }}(none configured){{ end }} "
                f"has been down for {evaluation.alert_for} (up = 0, expected 1)."
            ),
            dashboard="exporter",
            owner=owner,
        )
        yield from self.alert(
            "EventsRejected",
            queries.events_rejected(self.scene),
            severity="warning",
            summary="Many events are refused: someone sends what the contract does not allow.",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the lines received over {self.scene.fast} were "
                f"rejected (threshold {queries.REJECTED_RATIO:.0%}); by reason: {names.EVENTS_REJECTED.name}."
            ),
            dashboard="exporter",
            owner=owner,
        )
        yield from self.alert(
            "SeriesBudgetNear",
            queries.series_budget_near(),
            severity="warning",
            summary="A model has nearly used up its series.",
            description=(
                "{{ $labels.model }} uses {{ $value | humanizePercentage }} of "
                f"{ask(f'max({names.SERIES_BUDGET.name}{{model=%q}})', 'model', unit='humanize')} series "
                f"(threshold {queries.BUDGET_RATIO:.0%}); above the budget new versions get no series."
            ),
            dashboard="exporter",
            owner=owner,
        )
        yield from self.alert(
            "DiskFillsSoon",
            queries.disk_fills_soon(self.scene),
            severity="warning",
            summary="The store's disk is full within four days at this rate.",
            description=(
                f"{{{{ $value | humanize1024 }}}}B are free; the last {queries.DISK_RANGE} lead to 0."
            ),
            dashboard="exporter",
            owner=owner,
        )
        yield from self.alert(
            "RulesSlow",
            queries.rules_slow(self.scene),
            severity="warning",
            summary="Rules fail, or take longer than their interval: series and alerts are late.",
            description=(
                'Group {{ $labels.rule_group }}: {{ $value | printf "%.3g" }} (seconds per evaluation, or '
                f"evaluations missed or failed over {self.scene.short})."
            ),
            dashboard="exporter",
            owner=owner,
        )
        yield from self.alert(
            "NotificationsFailing",
            queries.notifications_failing(self.scene),
            severity="critical",
            summary="Notifications are lost, or a configuration was not loaded.",
            description=(
                "Job {{ $labels.job }}{{ with $labels.integration }}, integration {{ . }}{{ end }}: "
                f"{_VALUE} (notifications failed over {self.scene.short}; 0 = no Alertmanager found, or the "
                "last reload failed)."
            ),
            dashboard="exporter",
            owner=owner,
        )


def ask_models() -> str:
    """Return a template that lists the models of the alert's pipeline."""
    expr = f"max by (model) ({names.PIPELINE_MODEL_INFO.name}{{pipeline=%q}})"
    return (
        f"{{{{ with printf `{expr}` $labels.pipeline | query }}}}"
        '{{ range $i, $m := . }}{{ if $i }}, {{ end }}{{ $m | label "model" }}{{ end }}'
        "{{ else }}none{{ end }}"
    )


def groups(catalogue: Catalogue) -> dict[str, Group]:
    """Return the alert groups by file name (without ending)."""
    make = _Maker(catalogue)
    interval = catalogue.evaluation.rule_interval
    rules = {
        "models": (*make.quality(), *make.serving(), *make.drift(), *make.outcomes()),
        "pipelines": tuple(make.pipelines()),
        "monitoring": tuple(make.monitoring()),
    }
    return {name: Group(f"plumbline-alerts-{name}", interval, tuple(r)) for name, r in rules.items() if r}
