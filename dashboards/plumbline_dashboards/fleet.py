"""Fleet overview: every model version on one page; which one needs a person?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue, Evaluation
from plumbline_dashboards import queries as q
from plumbline_dashboards import variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import ORANGE, RED, Column, graph, grid, instant, line, number, query, result, sized

_MODEL_URL = "/d/{uid}?var-model=${{__data.fields.Model}}&var-version=${{__data.fields.Version}}&${{__url_time_range}}"
QUALITY_URL = _MODEL_URL.format(uid=names.DASHBOARD_UIDS["quality"])
DRIFT_URL = _MODEL_URL.format(uid=names.DASHBOARD_UIDS["drift"])


def fleet(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard."""
    evaluation = catalogue.evaluation
    return page(
        "fleet",
        "Fleet overview",
        "Every model version: who owns it, how much it serves, how well, and what is open about it.",
        [
            variables.several("model", "Model", names.MODEL_INFO.name, "Models to show."),
            variables.several("stage", "Stage", names.MODEL_INFO.name, "Deployment stages to show."),
        ],
        [
            Row(
                "Now",
                [
                    pages_open(),
                    tickets_open(),
                    versions_live(),
                    predictions_per_second(evaluation),
                    drifted(evaluation),
                    exporters_up(),
                ],
            ),
            Row("Model versions", [model_versions(evaluation), quality_against_intent(evaluation)]),
            Row("Alerts", [firing_alerts(), alerts_begun()]),
            Row(
                "Over time",
                [
                    traffic(catalogue),
                    errors(evaluation),
                    latency(evaluation),
                    quality_loss(evaluation),
                    coverage(evaluation),
                    drifted_over_time(evaluation),
                ],
            ),
        ],
        catalogue,
        models=q.MODELS,
    )


def pages_open() -> stat.Panel:
    """Critical alerts that fire."""
    panel = number("Pages firing", "Critical alerts that fire now, of all models and pipelines.", "short", 1)
    return panel.with_target(instant(q.firing("critical")))


def tickets_open() -> stat.Panel:
    """Warnings that fire."""
    panel = number("Tickets firing", "Warnings that fire now; they wait for working hours.", "short", 1)
    return panel.with_target(instant(q.firing("warning")))


def versions_live() -> stat.Panel:
    """Model versions in the chosen stages."""
    panel = number("Model versions", "Known model versions in the chosen stages.", "short")
    return panel.with_target(instant(f"count({q.model_versions()})"))


def predictions_per_second(evaluation: Evaluation) -> stat.Panel:
    """All traffic."""
    window = evaluation.fast
    panel = number("Predictions", f"Predictions per second over {window}, chosen models together.", "reqps")
    return panel.with_target(instant(f"sum({q.pick(names.R_TRAFFIC, q.MODELS, window)})"))


def drifted(evaluation: Evaluation) -> stat.Panel:
    """Drifted features of all models."""
    window = evaluation.drift_alert
    panel = number(
        "Drifted features", f"Features whose PSI over {window} exceeds the threshold for their sample size.", "short", 1
    )
    return panel.with_target(instant(f"sum({q.drifted_features(window)})"))


def exporters_up() -> stat.Panel:
    """Whether the numbers on this page are alive."""
    panel = number(
        "Exporters alive",
        "Exporters that answered the last scrape; without one, this page is old.",
        "short",
        good_from=1,
    )
    return panel.with_target(instant(f"count({names.BUILD_INFO.name}) or vector(0)"))


def model_versions(evaluation: Evaluation) -> table.Panel:
    """One row per model version."""
    fast, slow, drift = evaluation.fast, evaluation.slow, evaluation.drift_alert
    return grid(
        "Model versions",
        f"Traffic, errors and latency over {fast}; coverage over {slow}; drift over {drift}. "
        "Model opens its quality, the drifted features open the drift page.",
        "short",
        [
            Column("model", "Model", link=QUALITY_URL),
            Column("version", "Version"),
            Column("stage", "Stage"),
            Column("owner", "Owner"),
            Column("task", "Task"),
            result(q.in_stage(q.open_alerts()), "Alerts", "short", bad_from=1),
            result(q.in_stage(q.pick(names.R_TRAFFIC, q.MODELS, fast)), "Predictions/s", "reqps"),
            result(q.in_stage(q.silent_for()), "Last prediction", "s"),
            result(q.in_stage(q.pick(names.R_ERRORS, q.MODELS, fast)), "Errors", "percentunit"),
            result(q.in_stage(q.pick(names.R_LATENCY_P99, q.MODELS, fast)), "Latency p99", "s"),
            result(q.in_stage(q.drifted_features(drift)), "Drifted features", "short", bad_from=1, link=DRIFT_URL),
            result(q.in_stage(q.pick(names.R_COVERAGE, q.MODELS, slow)), "Outcome coverage", "percentunit"),
        ],
        infos=[q.model_versions()],
    )


def quality_against_intent(evaluation: Evaluation) -> table.Panel:
    """One row per model version and metric that has an objective."""
    window = evaluation.slow
    baseline = q.largest(names.BASELINE_QUALITY, q.MODELS)
    return grid(
        "Quality against objective and baseline",
        f"Quality over {window} of mature outcomes, for metrics with an objective. "
        "Worse by: distance from the baseline in the metric's own unit; negative is better than "
        "the baseline.",
        "short",
        [
            Column("model", "Model", link=QUALITY_URL),
            Column("version", "Version"),
            Column("metric", "Metric"),
            result(q.in_stage(q.with_objective(q.quality(window, q.MODELS))), "Now", "short"),
            result(q.in_stage(q.with_objective(baseline)), "Baseline", "short"),
            result(q.in_stage(q.with_objective(q.quality_loss(window))), "Worse by", "short"),
            result(q.in_stage(q.quality_objective("warning")), "Ticket at", "short"),
            result(q.in_stage(q.quality_objective("critical")), "Page at", "short"),
        ],
    )


def firing_alerts() -> table.Panel:
    """The alerts themselves."""
    labels = ("severity", "alertname", "owner", "model", "version", "feature", "pipeline")
    panel = grid(
        "Firing alerts",
        "Pages and tickets that fire now, before Alertmanager groups, mutes and routes them.",
        "short",
        [Column(label, label.capitalize() if label != "alertname" else "Alert") for label in labels],
        infos=[q.by("max", labels, q.pick("ALERTS", q.OPEN))],
    )
    return panel.no_value("No alert fires")


def alerts_begun() -> table.Panel:
    """How often people were called: fatigue, measured."""
    labels = ("severity", "owner", "alertname", "model")
    panel = grid(
        "Alerts begun",
        "How often each alert began to fire in the shown time. The budget is at most 1 false page per model "
        "and quarter and 1 false ticket per model and month; who exceeds it needs another threshold.",
        "short",
        [
            *(Column(label, label.capitalize() if label != "alertname" else "Alert") for label in labels),
            result(q.alerts_begun(labels), "Times", "short"),
        ],
    )
    return panel.no_value("No alert began")


def traffic(catalogue: Catalogue) -> timeseries.Panel:
    """Predictions per second per version, with the least expected where the catalogue says it."""
    window = catalogue.evaluation.fast
    expected = any(model.serving.predictions_per_second for model in catalogue.models.values())
    description = f"Predictions per second over {window}" + ("; dashed: least expected." if expected else ".")
    panel = _third("Traffic", description, "reqps").min(0)
    now = q.in_stage(q.pick(names.R_TRAFFIC, q.MODELS, window))
    panel = panel.with_target(query(now, "{{model}} {{version}}"))
    if not expected:
        return panel
    least = q.objective(names.OBJECTIVE_TRAFFIC)
    return line(panel.with_target(query(least, "expected {{model}} {{version}}", "B")), "B", ORANGE)


def errors(evaluation: Evaluation) -> timeseries.Panel:
    """Error ratio with its objective."""
    panel = _third("Errors", f"Share of predictions in error over {evaluation.fast}; dashed: objective.", "percentunit")
    return line(
        panel.with_target(query(q.in_stage(q.pick(names.R_ERRORS, q.MODELS, evaluation.fast)), "{{model}} {{version}}"))
        .with_target(query(q.objective(names.OBJECTIVE_ERRORS), "objective {{model}} {{version}}", "B"))
        .min(0),
        "B",
        RED,
    )


def latency(evaluation: Evaluation) -> timeseries.Panel:
    """Latency with its objective."""
    panel = _third("Latency p99", f"99th percentile over {evaluation.fast}; dashed: objective.", "s")
    return line(
        panel.with_target(
            query(q.in_stage(q.pick(names.R_LATENCY_P99, q.MODELS, evaluation.fast)), "{{model}} {{version}}")
        )
        .with_target(query(q.objective(names.OBJECTIVE_LATENCY), "objective {{model}} {{version}}", "B"))
        .min(0),
        "B",
        RED,
    )


def quality_loss(evaluation: Evaluation) -> timeseries.Panel:
    """Loss against the baseline for metrics with an objective."""
    panel = _third(
        "Quality lost against the baseline",
        f"Metrics with an objective over {evaluation.slow}, each in its own unit; above 0 is worse than the baseline.",
        "short",
    )
    expr = q.in_stage(q.with_objective(q.quality_loss(evaluation.slow)))
    return panel.with_target(query(expr, "{{model}} {{version}} {{metric}}"))


def coverage(evaluation: Evaluation) -> timeseries.Panel:
    """Outcome coverage with the minimum below which quality does not alert."""
    panel = _third(
        "Outcome coverage",
        f"Mature predictions with a known outcome over {evaluation.slow}; dashed: below this, quality does not alert.",
        "percentunit",
    )
    return line(
        panel.with_target(
            query(q.in_stage(q.pick(names.R_COVERAGE, q.MODELS, evaluation.slow)), "{{model}} {{version}}")
        )
        .with_target(query(q.objective(names.OBJECTIVE_COVERAGE), "minimum {{model}} {{version}}", "B"))
        .min(0)
        .max(1),
        "B",
        ORANGE,
    )


def drifted_over_time(evaluation: Evaluation) -> timeseries.Panel:
    """Number of drifted features."""
    window = evaluation.drift_alert
    panel = _third("Drifted features", f"Features above their PSI threshold over {window}.", "short")
    return panel.min(0).with_target(query(q.in_stage(q.drifted_features(window)), "{{model}} {{version}}"))


def _third(title: str, description: str, unit: str) -> timeseries.Panel:
    return sized(graph(title, description, unit), 8, 8)
