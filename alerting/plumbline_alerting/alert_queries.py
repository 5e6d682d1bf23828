"""The PromQL of every alert; the texts are in ``plumbline_alerting.alerts``.

Thresholds and owners come from series (``ml_objective``, ``ml_model_info``, ``ml_pipeline_info``), so a
query serves every model. Common to all: a sample-size gate beside every ratio, replicas merged with
``max by`` or ``sum by``, and no result (rather than a false one) where data are missing.
"""

from __future__ import annotations

from textwrap import indent

from plumbline import names
from plumbline.baseline.peaks import FEWEST_ROWS
from plumbline.units import format_duration, parse_duration
from plumbline_alerting.promql import FEATURE, MV, one_of, quoted
from plumbline_alerting.scene import JOB_ALERTMANAGER, JOB_EXPORTER, JOB_PROMETHEUS, Scene
from plumbline_alerting.significance import sigmas
from plumbline_alerting.sized import FAST, SLOW
from plumbline_alerting.windows import drift_windows, quality_windows

SIGMAS = names.SIGMAS
SETTLED_PARTS, SETTLED_RATIO = 12, 0.75  # of a window, to have been observed before a ticket
RECOVERED_SIGMAS = 2  # by which the fast window must beat the objective to end a page
BROKEN_SAMPLES = FEWEST_ROWS
ERRORS_MINIMUM = 5
CALIBRATION_FLOOR = 0.05
BUDGET_RATIO = 0.8
REJECTED_RATIO = 0.05
DISK_RANGE = "6h"
DISK_AHEAD_SECONDS = 4 * 86400
UNKNOWN_RATIO = 0.01  # share of a model's predictions that came from versions nobody announced
UNKNOWN_SAMPLES = 30
REFUSED_RATIO = 0.05  # share of whole requests that the exporter could not take
SCRAPED_RATIO = 0.8  # of the scrapes a range should hold; fewer = a gap or a start, no statement

_PS = "pipeline, stage"
_INFO = names.MODEL_INFO.name
_PRODUCTION = f'{_INFO}{{stage="production"}}'


def owner_of(series: str, by: str = MV) -> str:
    """One owner of each thing described, with the value 1, to join on.

    One, should two exporters not agree yet on who it is, as in a rolling deployment: two would make the match
    ambiguous, and that fails the whole rule, of every model. Ties go to the same one each time, the order in
    which Prometheus holds the series.
    """
    return f"topk by ({by}) (1, max by ({by}, owner) ({series}))"


_DECLARED_OWNER = owner_of(f"{names.MODEL_DECLARED.name} > bool 0", "model")
_OWNER = owner_of(_PRODUCTION)


def owned(expr: str) -> str:
    """Keep production versions and add their owner."""
    return f"(\n{indent(expr, '  ')}\n)\n* on ({MV}) group_left (owner) {_OWNER}"


def pipeline_owned(expr: str) -> str:
    """Add the pipeline's owner."""
    owner = owner_of(names.PIPELINE_INFO.name, "pipeline")
    return f"(\n{indent(expr, '  ')}\n)\n* on (pipeline) group_left (owner) {owner}"


def objective(metric: str, by: str = MV) -> str:
    """The declared bound that is no quality metric."""
    return f'max by ({by}) ({names.OBJECTIVE.name}{{metric="{metric}"}})'


def _increase(metric: names.Metric, window: str) -> str:
    return names.R_INCREASES[metric.name].over(window)


def _covered(role: str) -> str:
    """Not only the early, flattering outcomes; that there are enough is in the role's window."""
    coverage = f"max by ({MV}) ({names.R_COVERAGE.over(role)})"
    return f"and on ({MV}) {coverage} >= on ({MV}) {objective(names.OBJECTIVE_COVERAGE)}"


def settled(window: str) -> str:
    """The version was there before the window began, and was observed for most of it.

    The baseline's spread is that of whole blocks. A window that a new version, or an outage, leaves half
    empty strays further: five days know no weekend. Tickets wait; pages about quality do not.
    """
    step = max(1.0, parse_duration(window) // SETTLED_PARTS)
    present = f"(max by ({MV}) ({_INFO}))"
    seen = f"count_over_time({present}[{window}:{format_duration(step)}])"
    part = f"{format_duration(step)}:{format_duration(max(1.0, step // 4))}"
    before = f"count_over_time({present}[{part}] offset {window})"
    return f"and on ({MV}) {seen} >= {SETTLED_RATIO * SETTLED_PARTS:g}\nand on ({MV}) {before} > 0"


_BY_METRIC = f"{MV}, metric"


def _directions() -> tuple[str, str]:
    """Matchers of the metrics of which more is better, and of those of which less is."""
    up, down = (
        quoted(one_of(m for m, better in names.QUALITY_METRICS.items() if better is wanted))
        for wanted in (True, False)
    )
    return up, down


def quality_worse(severity: str, z: float) -> str:
    """Worse than the objective, and than the baseline by more than noise, over the slow window.

    Noise is the larger of two: sampling at this n, and what the baseline's own blocks vary.

    Args:
        severity: of the objective.
        z: how many times the noise.
    """
    value = f"max by ({_BY_METRIC}) ({names.R_QUALITY.over(SLOW)}{{metric=~%s}})"
    bound = f'max by ({_BY_METRIC}) ({names.OBJECTIVE.name}{{severity="{severity}"}})'
    loss = f"max by ({_BY_METRIC}) ({names.R_QUALITY_LOSS.over(SLOW)})"
    up, down = _directions()
    return (
        f"(\n  {value % up} < on ({_BY_METRIC}) {bound}\n"
        f"  or\n  {value % down} > on ({_BY_METRIC}) {bound}\n)\n"
        f"and on ({_BY_METRIC}) {loss} > {z:g}\n" + _covered(SLOW)
    )


def _recovered(severity: str) -> str:
    """The fast window proves that the objective is met again.

    Proof, not appearance: of 48 outcomes a share strays by 7% in either direction, and an alarm that ended
    and came back with every such wave would be many pages for one incident.
    """
    value = f"max by ({_BY_METRIC}) ({names.R_QUALITY.over(FAST)}{{metric=~%s}})"
    error = f"max by ({_BY_METRIC}) ({names.R_QUALITY_STDERR.over(FAST)})"
    spread = f"max by ({_BY_METRIC}) ({names.BASELINE_QUALITY_STDDEV.name})"
    bound = f'max by ({_BY_METRIC}) ({names.OBJECTIVE.name}{{severity="{severity}"}})'
    up, down = _directions()
    noise = f"on ({_BY_METRIC}) {RECOVERED_SIGMAS} * ({error} or {spread})"
    return (
        f"({value % up} - {noise}) > on ({_BY_METRIC}) {bound}\n"
        f"or\n({value % down} + {noise}) < on ({_BY_METRIC}) {bound}"
    )


def model_quality_critical(scene: Scene) -> str:
    """Proven over the slow window, and the fast one does not prove that it is over."""
    slow = quality_worse("critical", SIGMAS)
    recovered = indent(_recovered("critical"), "  ")
    return owned(f"{slow}\n{_covered(FAST)}\nunless on ({_BY_METRIC}) (\n{recovered}\n)")


def model_quality_decay(scene: Scene) -> str:
    """Past the warning objective over the slow window."""
    worse = quality_worse("warning", sigmas(scene.slow, sides=1))
    return owned(f"{worse}\n{settled(scene.slow)}")


def model_error_rate_critical(scene: Scene) -> str:
    """More errors than the objective allows for this n, and still so now."""
    bound = objective(names.OBJECTIVE_ERRORS)
    n = f"max by ({MV}) ({_increase(names.PREDICTIONS, scene.fast)} > 0)"
    ratio = f"max by ({MV}) ({names.R_ERRORS.over(scene.fast)})"
    now = f"max by ({MV}) ({names.R_ERRORS.over(scene.short)})"
    errors = f"max by ({MV}) ({_increase(names.PREDICTION_ERRORS, scene.fast)})"
    return owned(
        f"{ratio} > on ({MV}) ({bound} + {SIGMAS} * sqrt({bound} * (1 - {bound}) / on ({MV}) {n}))\n"
        f"and on ({MV}) {now} > on ({MV}) {bound}\n"
        f"and on ({MV}) {errors} >= {ERRORS_MINIMUM}"
    )


def model_latency_critical(scene: Scene) -> str:
    """p99 above the objective over the fast window, and still so now."""
    bound = objective(names.OBJECTIVE_LATENCY)
    p99 = f"max by ({MV}) ({names.R_LATENCY_P99.over(scene.fast)})"
    now = f"max by ({MV}) ({names.R_LATENCY_P99.over(scene.short)})"
    n = f"max by ({MV}) ({_increase(names.PREDICTIONS, scene.fast)})"
    return owned(
        f"{p99} > on ({MV}) {bound}\n"
        f"and on ({MV}) {now} > on ({MV}) {bound}\n"
        f"and on ({MV}) {n} >= {names.ALERT_LATENCY_SAMPLES}"
    )


def model_traffic_lost(scene: Scene) -> str:
    """Less than the declared quietest traffic, all production versions together.

    Just after a start or a gap in the scrape the range is half empty and the rate too small: then
    there is no statement.
    """
    traffic = f"sum by (model) ({names.R_TRAFFIC.over(scene.short)} and on ({MV}) {_OWNER})"
    enough = SCRAPED_RATIO * scene.scrapes(scene.short)
    scraped = f"max by (model) (count_over_time({names.PREDICTIONS.name}[{scene.short}]))"
    return (
        f"(\n{traffic} < on (model) {objective(names.OBJECTIVE_TRAFFIC, 'model')}\n"
        f"and on (model) {scraped} >= {enough:g}\n)\n* on (model) group_right () {_OWNER}"
    )


def feature_broken(scene: Scene) -> str:
    """The share of missing or invalid values is above what the baseline, at its worst, explains.

    Looked for over the tile, so that a page is prompt. A feature of which the baseline had whole tiles
    without a value cannot be told from a broken one so soon; it is looked at over the ticket's window.
    """
    by = f"{FEATURE}, problem"
    parts = []
    for window in dict.fromkeys((scene.tile, scene.drift)):
        problems = 'problem=~"missing|unseen|wrong_type"'
        ratio = f"max by ({by}) ({names.R_PROBLEMS.over(window)}{{{problems}}})"
        bound = f"max by ({by}) ({names.R_PROBLEMS_THRESHOLD.over(window)})"
        n = f"max by ({FEATURE}) ({names.R_FEATURE_INCREASE.over(window)})"
        parts.append(f"{ratio} > on ({by}) {bound}\nand on ({FEATURE}) {n} >= {BROKEN_SAMPLES}")
    if len(parts) > 1:
        blind = f"max by ({by}) ({names.R_PROBLEMS_THRESHOLD.over(scene.tile)}) >= 1"
        parts[1] = f"{parts[1]}\nand on ({by}) {blind}"
    return owned("\nor\n".join(parts))


def drift(scene: Scene, pseudo: bool) -> str:
    """PSI above its threshold; of the inputs, or of score, prediction and target (pseudo)."""
    names_of = "|".join(names.PSEUDO_FEATURES)
    matcher = f'feature{"=~" if pseudo else "!~"}"{names_of}"'
    psi = f"max by ({FEATURE}) ({names.R_PSI.over(scene.drift)}{{{matcher}}})"
    bound = f"max by ({FEATURE}) ({names.R_PSI_THRESHOLD.over(scene.drift)})"
    return owned(f"{psi} > on ({FEATURE}) {bound}\n{settled(scene.drift)}")


def calibration_drift(scene: Scene) -> str:
    """Scores no longer mean what they meant in the baseline, by more than the baseline's blocks vary."""
    gap = f"max by ({MV}) ({names.R_CALIBRATION_GAP.over(SLOW)})"
    noise = f"max by ({MV}) ({names.R_CALIBRATION_NOISE.over(SLOW)})"
    z = sigmas(scene.slow, sides=2)
    moved = f"(abs({gap}) > on ({MV}) clamp_min({z:g} * {noise}, {CALIBRATION_FLOOR}))"
    return owned(f"{moved}\n{_covered(SLOW)}\n{settled(scene.slow)}")


def outcomes_late(scene: Scene) -> str:
    """More outcomes than coverage can spare arrive after the declared maturity.

    Models that declare no maturity cannot be late.
    """
    models = [name for name, m in scene.catalogue.models.items() if m.outcome.maturity_seconds > 0]
    if not models:
        return ""
    known = f'{_increase(names.OUTCOMES, scene.slow)}{{model=~"{one_of(models)}", state=~%s}}'
    late = f"sum by ({MV}) ({known % quoted('late')})"
    both = f"sum by ({MV}) ({known % quoted('late|matched')})"
    return owned(
        f"{late} / ({both} > 0) > on ({MV}) (1 - {objective(names.OBJECTIVE_COVERAGE)})\n"
        f"and on ({MV}) {both} >= on ({MV}) {objective(names.OBJECTIVE_SAMPLES)}"
    )


def outcome_coverage_low(scene: Scene) -> str:
    """Too few mature predictions have an outcome: the quality numbers are not to be trusted."""
    coverage = f"max by ({MV}) ({names.R_COVERAGE.over(scene.slow)})"
    n = f"max by ({MV}) ({_increase(names.PREDICTIONS_MATURED, scene.slow)})"
    return owned(
        f"{coverage} < on ({MV}) {objective(names.OBJECTIVE_COVERAGE)}\n"
        f"and on ({MV}) {n} >= on ({MV}) {objective(names.OBJECTIVE_SAMPLES)}"
    )


def baseline_missing(scene: Scene) -> str:
    """A production version, or one that nobody announced, that cannot be compared with anything.

    Predictions of versions that no deployment and no baseline names are counted together.
    """
    counts = _increase(names.PREDICTIONS, scene.slow)
    unknown = f'sum by ({MV}) ({counts}{{model!="{names.UNKNOWN}", version="{names.UNKNOWN}"}})'
    enough = f"clamp_min({UNKNOWN_RATIO} * sum by (model) ({counts}), {UNKNOWN_SAMPLES})"
    return (
        f"({_OWNER}\nunless on ({MV}) {names.BASELINE_INFO.name})\nor\n"
        f"({unknown} > on (model) group_left () {enough}) * on (model) group_left (owner) {_DECLARED_OWNER}"
    )


def model_silent(scene: Scene) -> str:
    """No prediction for the longest quality window, nor ever since the model is known; the seconds.

    Models whose every version is retired are meant to be silent.
    """
    last = f"max by (model) ({names.PREDICTION_LAST.name} > 0)"
    known = f"min by (model) ({names.MODEL_DECLARED.name} > 0)"
    retired = f'{_INFO}{{stage="retired"}} unless on (model) {_INFO}{{stage!="retired"}}'
    return (
        f"(\n  time() - ({last} or {known}) > {parse_duration(scene.longest):g}\n"
        f"  unless on (model) ({retired})\n)\n"
        f"* on (model) group_left (owner) {_DECLARED_OWNER}"
    )


def model_rollout(scene: Scene) -> str:
    """A version entered production within the fast window; the value is its age in seconds."""
    age = f"time() - max by ({MV}) ({names.MODEL_DEPLOYED.name} > 0)"
    return owned(f"{age} < {parse_duration(scene.fast):g}")


def pipeline_failed(scene: Scene) -> str:
    """The last run of a stage failed; the value is when. A later success ends it.

    A failure is found where the counter rose within ``width``, so it lies up to ``width`` before; only
    a success before that moment leaves the alert standing.
    """
    parts = []
    for cadence, pipelines in scene.pipelines_by_cadence():
        lookback, step, width = scene.failure_ranges(cadence)
        counter = f'{names.PIPELINE_FAILURES.name}{{pipeline=~"{one_of(pipelines)}"}}'
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
    used = f"({names.PIPELINE_MODEL_INFO.name} and on (model) {_PRODUCTION})"
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
            where = f'pipeline=~"{one_of(members)}", stage="{stage}"'

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
    owner = owner_of(_PRODUCTION, "model")
    return f"{broken}\n* on (pipeline) group_right () {models}\n* on (model) group_left (owner) {owner}"


def series_budget_near() -> str:
    """A model uses most of its series."""
    used = f"max by (model) ({names.SERIES.name})"
    return f"{used} / on (model) (max by (model) ({names.SERIES_BUDGET.name}) > 0) > {BUDGET_RATIO}"


def disk_fills_soon(scene: Scene) -> str:
    """The store's file system is full in four days if it goes on like this; the value is bytes left."""
    free = names.STORE_FREE.name
    enough = SCRAPED_RATIO * scene.scrapes(DISK_RANGE)
    return (
        f"min by (job) ({free})\nand on (job)\n"
        f"min by (job) (predict_linear({free}[{DISK_RANGE}], {DISK_AHEAD_SECONDS})) < 0\n"
        f"and on (job)\nmin by (job) (count_over_time({free}[{DISK_RANGE}])) >= {enough:g}"
    )


def exporter_down() -> str:
    """No scrape of an exporter succeeds, none is configured, or it cannot show its models' series."""
    up = f'up{{job="{JOB_EXPORTER}"}}'
    engine = f'{names.COLLECTOR_SUCCESS.name}{{collector="engine"}}'
    return f"{up} == 0\nor\nmin by (job, instance) ({engine}) == 0\nor\nabsent({up})"


def events_rejected(scene: Scene) -> str:
    """Share of the lines received that were refused, or of the requests that could not be taken."""
    rejected = f"sum by (job) (increase({names.EVENTS_REJECTED.name}[{scene.fast}]))"
    lines = f"sum by (job) (increase({names.LINES.name}[{scene.fast}]))"
    reasons = one_of(("overloaded", "store_error"))
    refused = f'{names.REQUESTS_REFUSED.name}{{reason=~"{reasons}"}}'
    refused = f"sum by (job, reason) (increase({refused}[{scene.fast}]))"
    requests = f"sum by (job) (increase({names.INGEST_DURATION.name}_count[{scene.fast}]))"
    return (
        f"{rejected} / ({lines} >= 100) > {REJECTED_RATIO}\n"
        f"or\n{refused} / on (job) group_left () ({requests} > 0) > {REFUSED_RATIO}"
    )


def rules_slow(scene: Scene) -> str:
    """Rules take longer than their interval, miss it, fail, or are not all loaded."""
    mine = f'job="{JOB_PROMETHEUS}"'
    named = 'rule_group=~".+;plumbline-(drift|quality|life).*"'
    ours = f"prometheus_rule_group_interval_seconds{{{mine}, {named}}}"
    evaluation = scene.evaluation
    # one per window, the fast and the slow window of each model's own, and life
    groups = len(drift_windows(evaluation)) + len(quality_windows(evaluation)) + 2
    return (
        f"max by (rule_group) (prometheus_rule_group_last_duration_seconds{{{mine}}})\n"
        f"> on (rule_group) max by (rule_group) (prometheus_rule_group_interval_seconds{{{mine}}})\n"
        f"or\nsum by (rule_group) "
        f"(increase(prometheus_rule_group_iterations_missed_total{{{mine}}}[{scene.short}])) > 0\n"
        f"or\nsum by (rule_group) "
        f"(increase(prometheus_rule_evaluation_failures_total{{{mine}}}[{scene.short}])) > 0\n"
        f"or\nmin by (job) (count by (job, instance) ({ours})) < {groups}\nor\nabsent({ours})"
    )


def notifications_failing(scene: Scene) -> str:
    """Alerts do not reach Alertmanager, or do not leave it, a hook failed, a configuration was not taken."""
    mine, am = f'job="{JOB_PROMETHEUS}"', f'job="{JOB_ALERTMANAGER}"'
    failed = f'{names.HOOK_CALLS.name}{{result=~"{one_of(("refused", "unreachable", "unknown"))}"}}'
    return (
        f"sum by (job) (increase(prometheus_notifications_errors_total{{{mine}}}[{scene.short}])) > 0\n"
        f"or\nsum by (job, integration) "
        f"(increase(alertmanager_notifications_failed_total{{{am}}}[{scene.short}])) > 0\n"
        f"or\nmin by (job) (prometheus_notifications_alertmanagers_discovered{{{mine}}}) < 1\n"
        f"or\nmin by (job) (prometheus_config_last_reload_successful{{{mine}}}) == 0\n"
        f"or\nmin by (job) (alertmanager_config_last_reload_successful{{{am}}}) == 0\n"
        f"or\nsum by (job, hook) (increase({failed}[{scene.short}])) > 0"
    )
