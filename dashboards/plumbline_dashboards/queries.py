"""PromQL of the panels. Reads ``plumbline.names``; knows nothing of panels.

Every function returns one expression. Grafana's variables stay in it: ``$model``, ``$version``,
``$feature``, ``$metric``, ``$pipeline``, ``$stage``, ``$instance`` hold label values, ``${window}`` a
duration that is also the suffix of recorded series, and so does ``${drift_window}`` on the drift page: the
two lists of windows differ, and links between pages carry variables along by name.
``plumbline_dashboards.listing`` fills them in for those who want to ask a Prometheus directly.

Recorded series are already summed over exporters. Of the gauges that every exporter shows, the largest
is taken, so that N replicas give one line.
"""

from __future__ import annotations

from collections.abc import Sequence

from plumbline import names
from plumbline.names import Metric, Recorded
from plumbline.retraction import net

MODELS = 'model=~"$model"'
STAGED = f'{MODELS}, stage=~"$stage"'
VERSION = 'model="$model", version="$version"'
FEATURE = f'{VERSION}, feature="$feature"'
ALL_ROWS = f'slice="{names.ALL}", value="{names.ALL}"'
PIPELINE = 'pipeline=~"$pipeline"'
WINDOW = "${window}"
DRIFT_WINDOW = "${drift_window}"
RATE = "$__rate_interval"
RANGE = "$__range"

MV = ("model", "version")
OPEN = 'alertstate="firing", severity=~"critical|warning"'


def pick(name: Metric | Recorded | str, selector: str = "", window: str = WINDOW) -> str:
    """Return a selector of a metric, or of a recorded series over ``window``."""
    text = name.over(window) if isinstance(name, Recorded) else name.name if isinstance(name, Metric) else name
    return f"{text}{{{selector}}}" if selector else text


def by(operation: str, labels: Sequence[str], expr: str) -> str:
    """Aggregate by labels; by none at all when the list is empty."""
    return f"{operation} by ({', '.join(labels)}) ({expr})" if labels else f"{operation}({expr})"


def rate(metric: Metric, labels: Sequence[str], selector: str = "", over: str = RATE) -> str:
    """Events per second, summed by labels."""
    return by("sum", labels, f"rate({pick(metric, selector)}[{over}])")


def increase(metric: Metric, labels: Sequence[str], selector: str = "", over: str = WINDOW) -> str:
    """Events within a window, summed by labels, what corrections took back subtracted."""
    retracted = names.RETRACTED.get(metric.name)
    back = "" if retracted is None else f"increase({pick(retracted, selector)}[{over}])"
    return by("sum", labels, net(f"increase({pick(metric, selector)}[{over}])", back))


def quantile(q: float, metric: Metric, labels: Sequence[str], selector: str = "", over: str = RATE) -> str:
    """Quantile of a histogram."""
    buckets = f"rate({pick(f'{metric.name}_bucket', selector)}[{over}])"
    return f"histogram_quantile({q}, {by('sum', (*labels, 'le'), buckets)})"


def largest(metric: Metric, selector: str = "") -> str:
    """A gauge that every exporter shows, once."""
    return by("max", metric.labels, pick(metric, selector))


def objective(metric: str, selector: str = MODELS, severity: str = "") -> str:
    """The threshold of an objective; of either severity unless one is named."""
    chosen = f'{selector}, metric="{metric}"' + (f', severity="{severity}"' if severity else "")
    return by("max", (*MV, "severity"), pick(names.OBJECTIVE, chosen))


# --- fleet ---


def in_stage(expr: str) -> str:
    """Keep the series of model versions in the chosen stages."""
    return f"({expr}) and on (model, version) {pick(names.MODEL_INFO, STAGED)}"


def model_versions() -> str:
    """One series per model version with its owner, stage and task."""
    return by("max", (*MV, "stage", "owner", "task"), pick(names.MODEL_INFO, STAGED))


def drifted_features(window: str, selector: str = MODELS) -> str:
    """Number of features whose PSI exceeds their threshold; 0 where drift is measured and none does."""
    psi = pick(names.R_PSI, selector, window)
    threshold = pick(names.R_PSI_THRESHOLD, selector, window)
    return f"{by('count', MV, f'{psi} > {threshold}')} or {by('count', MV, psi)} * 0"


def open_alerts() -> str:
    """Pages and tickets that fire, per model version; 0 for a version without."""
    firing = by("count", MV, pick("ALERTS", f"{OPEN}, {MODELS}"))
    return f"{firing} or {by('max', MV, pick(names.MODEL_INFO, MODELS))} * 0"


def firing(severity: str) -> str:
    """Number of alerts of a severity that fire, 0 if none."""
    selector = f'alertstate="firing", severity="{severity}"'
    return f"count({pick('ALERTS', selector)}) or vector(0)"


def alerts_begun(labels: Sequence[str]) -> str:
    """How often alerts began to fire in the shown time: minutes in which one fires and did not before."""
    firing = pick("ALERTS", OPEN)
    return by("sum", labels, f"count_over_time(({firing} unless {firing} offset 1m)[{RANGE}:1m])")


def quality_loss(window: str, selector: str = MODELS) -> str:
    """How much worse than the baseline, in the metric's own unit; negative is better."""
    larger = "|".join(m for m, up in names.QUALITY_METRICS.items() if up)
    smaller = "|".join(m for m, up in names.QUALITY_METRICS.items() if not up)

    def side(pattern: str) -> tuple[str, str]:
        metric = f'{selector}, metric=~"{pattern}"'
        now = by("max", (*MV, "metric"), pick(names.R_QUALITY, f"{metric}, {ALL_ROWS}", window))
        return now, largest(names.BASELINE_QUALITY, metric)

    up_now, up_base = side(larger)
    down_now, down_base = side(smaller)
    return f"({up_base} - {up_now}) or ({down_now} - {down_base})"


def with_objective(expr: str, selector: str = MODELS) -> str:
    """Keep the metrics that have an objective."""
    return f"({expr}) and on (model, version, metric) {pick(names.OBJECTIVE, selector)}"


def quality_objective(severity: str, selector: str = MODELS) -> str:
    """Thresholds of the quality objectives of a severity, per metric."""
    metrics = "|".join(names.QUALITY_METRICS)
    chosen = f'{selector}, severity="{severity}", metric=~"{metrics}"'
    return by("max", (*MV, "metric"), pick(names.OBJECTIVE, chosen))


def silent_for() -> str:
    """Seconds since the newest prediction, per model version."""
    return f"time() - {largest(names.PREDICTION_LAST, MODELS)}"


# --- quality ---


def quality(window: str = WINDOW, selector: str = VERSION, metric: str = "") -> str:
    """Quality of all rows per metric, or of one metric."""
    chosen = f'{selector}, metric="{metric}"' if metric else selector
    return by("max", (*MV, "metric"), pick(names.R_QUALITY, f"{chosen}, {ALL_ROWS}", window))


def early_quality(metric: str) -> str:
    """Quality over the outcomes known early, which flatters."""
    return by("max", (*MV, "metric"), pick(names.R_EARLY_QUALITY, f'{VERSION}, metric="{metric}"'))


def quality_stderr(window: str = WINDOW, selector: str = VERSION, metric: str = "") -> str:
    """Standard error of the quality at this number of outcomes."""
    chosen = f'{selector}, metric="{metric}"' if metric else selector
    return by("max", (*MV, "metric"), pick(names.R_QUALITY_STDERR, f"{chosen}, {ALL_ROWS}", window))


def samples(window: str = WINDOW, selector: str = VERSION) -> str:
    """Mature outcomes behind the quality."""
    return by("max", MV, pick(names.R_QUALITY_SAMPLES, f"{selector}, {ALL_ROWS}", window))


def baseline(metric: str, deviations: int = 0) -> str:
    """The baseline's quality, moved by a number of its standard deviations."""
    chosen = f'{VERSION}, metric="{metric}"'
    value = largest(names.BASELINE_QUALITY, chosen)
    if not deviations:
        return value
    sign = "+" if deviations > 0 else "-"
    return f"{value} {sign} {abs(deviations)} * {largest(names.BASELINE_QUALITY_STDDEV, chosen)}"


def auc(bound: int = 0) -> str:
    """ROC-AUC from bins, moved to the upper or lower end of its error bound."""
    return _binned("roc_auc", names.R_AUC_BOUND, bound)


def average_precision(bound: int = 0) -> str:
    """Average precision from bins, moved to the upper or lower end of its error bound."""
    return _binned("average_precision", names.R_AP_BOUND, bound)


def _binned(metric: str, error: Recorded, bound: int) -> str:
    value = by("max", MV, pick(names.R_QUALITY, f'{VERSION}, metric="{metric}", {ALL_ROWS}'))
    if not bound:
        return value
    return f"{value} {'+' if bound > 0 else '-'} on (model, version) {pick(error, VERSION)}"


def mean_score() -> str:
    """Mean score of each score bin."""
    scores = increase(names.SCORE_BIN_SUM, ("bin",), VERSION)
    return f"{scores} / ({increase(names.SCORE_BINS, ('bin',), VERSION)} > 0)"


def positive_share() -> str:
    """Share of positives of each score bin."""
    positives = increase(names.SCORE_BINS, ("bin",), f'{VERSION}, actual="1"')
    return f"{positives} / ({increase(names.SCORE_BINS, ('bin',), VERSION)} > 0)"


def per_outcome(metric: Metric, extra: str = "") -> str:
    """Sum of a regression counter per mature outcome."""
    selector = f"{VERSION}, {ALL_ROWS}"
    top = increase(metric, MV, f"{selector}, {extra}" if extra else selector)
    return f"{top} / ({increase(names.REGRESSION, MV, selector)} > 0)"


def outcome_shift() -> str:
    """Mean outcome minus the baseline's mean outcome."""
    above = per_outcome(names.ACTUAL, 'sign="positive"')
    below = per_outcome(names.ACTUAL, 'sign="negative"')
    return f"{above} - {below}"


def kpi_per_event() -> str:
    """Mean of each KPI: signed sums over events."""
    labels = (*MV, "kpi")
    plus = increase(names.KPI, labels, f'{VERSION}, sign="positive"')
    minus = increase(names.KPI, labels, f'{VERSION}, sign="negative"')
    return f"({plus} - {minus}) / ({increase(names.KPI_EVENTS, labels, VERSION)} > 0)"


def kpi(recorded: Recorded) -> str:
    """A recorded figure of the model's KPIs, all versions together."""
    return by("max", ("kpi", "per"), pick(recorded, 'model="$model"'))


def kpi_floor() -> str:
    """Declared floors of the model's KPIs."""
    return by("max", ("kpi", "per"), pick(names.KPI_OBJECTIVE, 'model="$model", bound="floor"'))


# --- drift ---


def drifting(recorded: Recorded, selector: str = VERSION) -> str:
    """A recorded series over the drift page's window."""
    return pick(recorded, selector, DRIFT_WINDOW)


def psi_ratio() -> str:
    """PSI over its threshold: above 1 a feature has drifted."""
    return f"{drifting(names.R_PSI)} / {drifting(names.R_PSI_THRESHOLD)}"


def problem_ratio(selector: str = VERSION) -> str:
    """Share of values with a problem, all problems of a feature together."""
    return by("sum", (*MV, "feature"), drifting(names.R_PROBLEMS, selector))


# --- pipelines ---


def age(metric: Metric) -> str:
    """Seconds since a timestamp, per pipeline stage."""
    return f"time() - {largest(metric, PIPELINE)}"


def pipeline_objective(name: str) -> str:
    """A declared bound of a pipeline."""
    return largest(names.PIPELINE_OBJECTIVE, f'{PIPELINE}, objective="{name}"')


def rows_per_run() -> str:
    """Rows written per run that ended."""
    runs = increase(names.PIPELINE_RUNS, names.PS, PIPELINE)
    rows = increase(names.PIPELINE_ROWS, names.PS, f'{PIPELINE}, outcome="out"')
    return f"{rows} / ({runs} > 0)"
