"""Model quality: one version of one model against its baseline and its objectives."""

from __future__ import annotations

from grafana_foundation_sdk.builders import barchart, stat, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import measures, variables
from plumbline_dashboards import queries as q
from plumbline_dashboards.measures import BINARY_ONLY, REGRESSION_ONLY
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    Column,
    band,
    bars,
    graph,
    grid,
    instant,
    line,
    number,
    query,
    rows,
    sized,
    stacked,
)


def quality(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard, with the rows that the catalogue's tasks need."""
    tasks = {model.task for model in catalogue.models.values()}
    content = [
        Row(
            "Now",
            [outcomes_counted(), coverage_now(), deployed_for(), alerts_open(), stages(), metrics_now()],
        ),
        Row("Quality with baseline and objectives", [metric_over_time()]),
        Row("Every version of the model", [versions_compared(), at_equal_age()]),
        Row(
            "Outcomes",
            [
                outcome_states(),
                coverage_over_time(),
                outcome_delay(),
                outcomes_over_time(),
                outcomes_left_out(),
            ],
        ),
    ]
    if any(model.outcome.early_seconds > 0 for model in catalogue.models.values()):
        # Closed and named so that nobody takes it for the quality.
        content.append(Row("Early view: flatters, no alert reads it", early_view(), collapsed=True))
    content.append(Row("Serving", [traffic(), errors(), latency()]))
    # Closed, because they are empty for a model of the other task.
    if "binary" in tasks:
        panels = [
            confusion(),
            auc_with_bound(),
            calibration(),
            measures.average_precision_with_bound(),
            measures.calibration_error(),
        ]
        content.append(Row("Binary models: confusion, ROC-AUC, calibration", panels, collapsed=True))
        panels = [measures.estimated(), measures.estimate_error()]
        content.append(Row("Binary models: quality estimated without outcomes", panels, collapsed=True))
    if "multiclass" in tasks:
        panels = [measures.classes(), measures.class_matrix()]
        content.append(Row("Multiclass models: each class", panels, collapsed=True))
    if "regression" in tasks:
        panels = [
            over_and_under(),
            outcome_shift(),
            measures.error_quantiles(),
            measures.error_quantile_bounds(),
        ]
        content.append(
            Row("Regression models: direction of the error, shift of the outcome", panels, collapsed=True)
        )
    if any(model.kpis for model in catalogue.models.values()):
        content.append(Row("Business", [kpi_means(catalogue), kpis()]))
    return page(
        "quality",
        "Model quality",
        "Quality of mature outcomes with its uncertainty, beside what the model could do when it was built.",
        [
            *variables.model_version(),
            variables.window("window", catalogue.evaluation.quality, catalogue.evaluation.slow),
            variables.several(
                "metric",
                "Metric",
                names.R_QUALITY.over(q.WINDOW) + '{model="$model"}',
                "Quality metrics to show.",
            ),
        ],
        content,
        catalogue,
        models='model="$model"',
        since="now-7d",
    )


def outcomes_counted() -> stat.Panel:
    """The n behind everything on the page."""
    panel = number("Outcomes (n)", "Mature outcomes behind the quality, within the window.", "short")
    return panel.with_target(instant(q.samples(), "{{version}}"))


def coverage_now() -> stat.Panel:
    """Coverage."""
    panel = number("Coverage", "Mature predictions whose outcome is known, within the window.", "percentunit")
    return panel.with_target(instant(q.pick(names.R_COVERAGE, q.VERSION), "{{version}}"))


def deployed_for() -> stat.Panel:
    """Age of the deployment."""
    panel = number("In this stage for", "Time since the version entered its present stage.", "s")
    return panel.with_target(instant(f"time() - {q.largest(names.MODEL_DEPLOYED, q.VERSION)}", "{{version}}"))


def alerts_open() -> stat.Panel:
    """Alerts of this version."""
    panel = number("Alerts", "Pages and tickets of this version that fire now.", "short", 1)
    firing = q.by("count", q.MV, q.pick("ALERTS", f"{q.OPEN}, {q.VERSION}"))
    return panel.with_target(
        instant(f"{firing} or {q.by('max', q.MV, q.pick(names.MODEL_INFO, q.VERSION))} * 0")
    )


def stages() -> table.Panel:
    """Where each version runs and what it was built from."""
    panel = grid(
        "Versions of this model",
        "Stage, commit, and the baseline in force, named by its sha256.",
        "short",
        [
            Column("version", "Version"),
            Column("stage", "Stage"),
            Column("commit", "Commit"),
            Column("baseline", "Baseline"),
            Column("training_data", "Training data"),
        ],
        drop=["model", "owner", "task", "Value #A", "Value #B"],
    )
    info = q.largest(names.MODEL_INFO, 'model="$model"')
    built = q.by(
        "max",
        ("model", "version", "baseline", "training_data"),
        q.pick(names.BASELINE_INFO, 'model="$model"'),
    )
    return sized(panel.with_target(rows(info, "A")).with_target(rows(built, "B")), 8, 4)


def metrics_now() -> table.Panel:
    """Every metric with its uncertainty, baseline and objectives."""
    panel = grid(
        "Metrics",
        "Standard error: of the value at this n. Spread: standard deviation over the baseline's time blocks. "
        "A value is bad when it is worse than the baseline by more than three times the larger of the two.",
        "short",
        [
            Column("metric", "Metric"),
            Column("Value #A", "Now", "short"),
            Column("Value #B", "Standard error", "short"),
            Column("Value #C", "Baseline", "short"),
            Column("Value #D", "Spread", "short"),
            Column("Value #E", "Worse by", "short"),
            Column("Value #F", "Ticket at", "short"),
            Column("Value #G", "Page at", "short"),
        ],
        drop=["model", "version"],
    )
    return (
        panel.with_target(rows(q.quality(), "A"))
        .with_target(rows(q.quality_stderr(), "B"))
        .with_target(rows(q.largest(names.BASELINE_QUALITY, q.VERSION), "C"))
        .with_target(rows(q.largest(names.BASELINE_QUALITY_STDDEV, q.VERSION), "D"))
        .with_target(rows(q.quality_loss(q.WINDOW, q.VERSION), "E"))
        .with_target(rows(q.quality_objective("warning", q.VERSION), "F"))
        .with_target(rows(q.quality_objective("critical", q.VERSION), "G"))
    )


def metric_over_time() -> timeseries.Panel:
    """One graph per metric: value, its interval, baseline with its spread, objectives."""
    metric = "$metric"
    value, stderr = q.quality(metric=metric), q.quality_stderr(metric=metric)
    panel = (
        graph(
            "$metric",
            "Solid: $version. Around it: 95 % interval at this n. Dashed grey: baseline, with a "
            "band of one standard "
            "deviation over its time blocks. Dashed orange and red: ticket and page objectives.",
            "short",
        )
        .repeat("metric")
        .repeat_direction("h")
        .max_per_row(3)
        .with_target(query(value, "{{version}}", "A"))
        .with_target(query(f"{value} + 1.96 * {stderr}", "upper 95 %", "B"))
        .with_target(query(f"{value} - 1.96 * {stderr}", "lower 95 %", "C"))
        .with_target(query(q.baseline(metric), "baseline", "D"))
        .with_target(query(q.baseline(metric, +1), "baseline + 1 sd", "E"))
        .with_target(query(q.baseline(metric, -1), "baseline - 1 sd", "F"))
        .with_target(query(q.objective(metric, q.VERSION, "warning"), "ticket", "G"))
        .with_target(query(q.objective(metric, q.VERSION, "critical"), "page", "H"))
    )
    panel = band(panel, upper="B", lower="C", below="lower 95 %", color=BLUE)
    panel = band(panel, upper="E", lower="F", below="baseline - 1 sd", color=GREY)
    panel = line(panel, "A", BLUE, dashed=False)
    panel = line(panel, "D", GREY)
    panel = line(panel, "G", ORANGE)
    return sized(line(panel, "H", RED), 24, 9)


def versions_compared() -> timeseries.Panel:
    """One graph per metric: all versions of the model."""
    expr = q.quality(selector='model="$model"', metric="$metric")
    panel = graph(
        "$metric of every version",
        "Same metric, all versions of the model; mature outcomes within the window.",
        "short",
    )
    panel = (
        panel.repeat("metric").repeat_direction("h").max_per_row(3).with_target(query(expr, "{{version}}"))
    )
    return sized(panel, 24, 7)


def at_equal_age() -> table.Panel:
    """What each version did in its first day and week."""
    panel = grid(
        "Versions at equal age",
        "Accuracy, or MAE, over the predictions of each version's first day and week since it was first "
        "deployed; n: mature outcomes behind it. A version still younger shows what it has so far.",
        "short",
        [
            Column("age", "First"),
            Column("version", "Version"),
            Column("metric", "Metric"),
            Column("Value #A", "Quality", "short"),
            Column("Value #B", "Outcomes (n)", "short"),
        ],
        drop=["model"],
    )
    of = 'model="$model"'
    value = q.by("max", (*q.MV, "age", "metric"), q.pick(names.R_YOUNG_QUALITY, of, "life"))
    n = q.by("max", (*q.MV, "age"), q.pick(names.R_YOUNG_SAMPLES, of, "life"))
    counted = f"{value} * 0 + on (model, version, age) group_left () {n}"
    return sized(panel.with_target(rows(value, "A")).with_target(rows(counted, "B")), 24, 8)


def outcome_states() -> timeseries.Panel:
    """Where the outcomes go."""
    panel = graph(
        "Outcomes by state",
        "Outcomes within the window: matched in time, late (after maturity), orphan (no "
        "prediction), duplicate, corrected.",
        "short",
    )
    return stacked(panel).with_target(query(q.increase(names.OUTCOMES, ("state",), q.VERSION), "{{state}}"))


def coverage_over_time() -> timeseries.Panel:
    """Coverage with its minimum."""
    panel = graph(
        "Coverage",
        "Mature predictions with a known outcome; dashed: below this, quality does not alert.",
        "percentunit",
    )
    panel = panel.min(0).max(1).with_target(query(q.pick(names.R_COVERAGE, q.VERSION), "{{version}}"))
    panel = panel.with_target(query(q.objective(names.OBJECTIVE_COVERAGE, q.VERSION), "minimum", "B"))
    return line(panel, "B", ORANGE)


def outcome_delay() -> timeseries.Panel:
    """How long outcomes take."""
    panel = graph("Outcome delay", "Time from prediction to known outcome, interpolated within buckets.", "s")
    for ref, part in (("A", 0.5), ("B", 0.9), ("C", 0.99)):
        expr = q.quantile(part, names.OUTCOME_DELAY, q.MV, q.VERSION, q.WINDOW)
        panel = panel.with_target(query(expr, f"p{part * 100:.0f}", ref))
    return panel


def outcomes_over_time() -> timeseries.Panel:
    """The n over time, with the n below which quality does not alert."""
    panel = graph(
        "Outcomes (n)",
        "Mature outcomes within the window; dashed: below this, quality does not alert.",
        "short",
    )
    panel = panel.min(0).with_target(query(q.samples(), "{{version}}"))
    panel = panel.with_target(query(q.objective(names.OBJECTIVE_SAMPLES, q.VERSION), "minimum", "B"))
    return line(panel, "B", ORANGE)


def early_view() -> list[timeseries.Panel]:
    """Quality over the outcomes known soon, beside the mature one, and how few these are."""
    value = graph(
        "Early $metric (flatters)",
        "Over the outcomes known within the model's early horizon only, as they arrive. What is known soon "
        "is often the easy part: compare it with its own past, never with an objective. Dashed: mature.",
        "short",
    )
    value = value.repeat("metric").repeat_direction("h").max_per_row(3)
    value = value.no_value("No early view of this metric: accuracy, MAE, RMSE and bias only")
    value = value.with_target(query(q.early_quality("$metric"), "early {{version}}", "A"))
    value = value.with_target(query(q.quality(metric="$metric"), "mature {{version}}", "B"))
    share = graph(
        "Early outcomes / predictions",
        "How little the early view rests on: the share of predictions whose outcome was known this soon.",
        "percentunit",
    )
    share = share.min(0).with_target(query(q.pick(names.R_EARLY_SHARE, q.VERSION), "{{version}}"))
    return [sized(line(value, "B", GREY), 24, 8), sized(share, 12, 8)]


def outcomes_left_out() -> timeseries.Panel:
    """Outcomes that are known but cannot be compared."""
    panel = graph(
        "Outcomes left out",
        "Known outcomes that quality leaves out, within the window: a class that is not declared, no number, "
        "or a number so extreme that it would swallow the others' errors.",
        "short",
    )
    return panel.min(0).with_target(query(q.increase(names.EXCLUDED, ("reason",), q.VERSION), "{{reason}}"))


def traffic() -> timeseries.Panel:
    """Predictions per second."""
    panel = graph("Traffic", "Predictions per second within the window.", "reqps").min(0)
    return sized(panel.with_target(query(q.pick(names.R_TRAFFIC, q.VERSION), "{{version}}")), 8, 8)


def errors() -> timeseries.Panel:
    """Error ratio."""
    panel = graph(
        "Errors", "Share of predictions in error within the window; dashed: objective.", "percentunit"
    )
    panel = panel.min(0).with_target(query(q.pick(names.R_ERRORS, q.VERSION), "{{version}}"))
    objective = query(q.objective(names.OBJECTIVE_ERRORS, q.VERSION), "objective", "B")
    return sized(line(panel.with_target(objective), "B", RED), 8, 8)


def latency() -> timeseries.Panel:
    """Latency; its exemplars name requests."""
    panel = graph(
        "Latency", "Within the window; dashed: objective. The dots are single requests with their id.", "s"
    ).min(0)
    for ref, part in (("A", 0.5), ("B", 0.99)):
        expr = q.quantile(part, names.PREDICTION_LATENCY, q.MV, q.VERSION, q.WINDOW)
        panel = panel.with_target(query(expr, f"p{part * 100:.0f}", ref, exemplars=part > 0.9))
    objective = query(q.objective(names.OBJECTIVE_LATENCY, q.VERSION), "objective", "C")
    return sized(line(panel.with_target(objective), "C", RED), 8, 8)


def confusion() -> table.Panel:
    """Actual against predicted."""
    matrix = {"columnField": "predicted", "rowField": "actual", "valueField": "Value"}
    panel = grid(
        "Confusion",
        "Mature outcomes within the window: rows are actual, columns predicted classes.",
        "short",
        [],
    )
    panel = panel.transformations([DataTransformerConfig(id_val="groupingToMatrix", options=matrix)])
    expr = q.increase(names.CONFUSION, ("actual", "predicted"), f"{q.VERSION}, {q.ALL_ROWS}")
    return sized(panel.decimals(0).no_value(BINARY_ONLY).with_target(rows(expr)), 8, 9)


def auc_with_bound() -> timeseries.Panel:
    """ROC-AUC and how wrong the bins can make it."""
    panel = (
        graph(
            "ROC-AUC and the error of its bins",
            "ROC-AUC is computed from score bins; the truth lies within the band. The band says "
            "nothing about n.",
            "short",
        )
        .no_value(BINARY_ONLY)
        .with_target(query(q.auc(), "ROC-AUC", "A"))
        .with_target(query(q.auc(+1), "upper bound", "B"))
        .with_target(query(q.auc(-1), "lower bound", "C"))
    )
    return sized(line(band(panel, "B", "C", "lower bound", BLUE), "A", BLUE, dashed=False), 8, 9)


def calibration() -> barchart.Panel:
    """Mean score against share of positives, per score bin."""
    panel = bars(
        "Calibration",
        "Per score bin: the mean score given and the share of positives that came. Equal bars = calibrated. "
        "Bins with few outcomes scatter.",
        "percentunit",
        x="bin",
        series={"Value #A": "mean score", "Value #B": "share of positives"},
    )
    panel = (
        panel.no_value(BINARY_ONLY)
        .with_target(rows(q.mean_score(), "A"))
        .with_target(rows(q.positive_share(), "B"))
    )
    return sized(panel, 8, 9)


def over_and_under() -> timeseries.Panel:
    """Which way the model errs."""
    panel = graph(
        "Over- and under-prediction",
        "Mean of the part of the error above and below the outcome, in the outcome's unit; "
        "their sum is the MAE.",
        "short",
    )
    panel = panel.no_value(REGRESSION_ONLY)
    panel = panel.with_target(query(q.per_outcome(names.OVERPREDICTION), "over-prediction", "A"))
    return panel.with_target(query(q.per_outcome(names.UNDERPREDICTION), "under-prediction", "B"))


def outcome_shift() -> timeseries.Panel:
    """Drift of the target."""
    panel = graph(
        "Shift of the outcome",
        "Mean outcome within the window minus the baseline's mean outcome: a shift of the "
        "world, whatever the model does.",
        "short",
    )
    return panel.no_value(REGRESSION_ONLY).with_target(query(q.outcome_shift(), "{{version}}"))


def kpi_means(catalogue: Catalogue) -> timeseries.Panel:
    """Business figures of the model, whatever its version, with their uncertainty and their floor."""
    mean, stderr = q.kpi(names.R_KPI_MEAN), q.kpi(names.R_KPI_STDERR)
    panel = graph(
        "KPIs of the model",
        "Mean per KPI event, and per prediction (no event counts 0), of all versions together, with its 95 % "
        "interval; dashed: declared floors.",
        "short",
    )
    panel = (
        panel.with_target(query(mean, "{{kpi}} per {{per}}", "A"))
        .with_target(query(f"{mean} + 1.96 * {stderr}", "upper 95 %", "B"))
        .with_target(query(f"{mean} - 1.96 * {stderr}", "lower 95 %", "C"))
    )
    panel = sized(band(panel, "B", "C", "lower 95 %", BLUE), 16, 8)
    declared = (o.floor for model in catalogue.models.values() for o in model.kpi_objectives.values())
    if all(floor is None for floor in declared):
        return panel
    return line(panel.with_target(query(q.kpi_floor(), "floor of {{kpi}} per {{per}}", "D")), "D", ORANGE)


def kpis() -> timeseries.Panel:
    """Business figures of the version."""
    panel = graph(
        "KPIs", "Mean value per KPI event of this version within the window.", "short"
    )
    return sized(panel.with_target(query(q.kpi_per_event(), "{{kpi}}")), 8, 8)
